"""What the keeper can do with a guest's pet, and what a click on a name does."""

from typing import Any

from agents import RunContextWrapper
from app.pets import Pet
from chatkit.actions import Action
from chatkit.types import ThreadItemReplacedEvent, WidgetItem

from runtime import RuntimeContext

Context = RunContextWrapper[RuntimeContext]


def _pet(ctx: Context) -> Pet:
    return ctx.context.lounge.pet(ctx.context.thread.id)


async def _changed(ctx: Context) -> dict[str, Any]:
    state = _pet(ctx).state()
    await ctx.context.effect("pet.update", state)
    return state


async def pet_status(ctx: Context) -> dict[str, Any]:
    """How the pet feels."""
    return _pet(ctx).state()


async def feed(ctx: Context, meal: str) -> dict[str, Any]:
    """Feed the pet: seeds, cucumber or an omelette."""
    _pet(ctx).feed(meal)
    return await _changed(ctx)


async def play(ctx: Context) -> dict[str, Any]:
    """Play with the pet."""
    _pet(ctx).play()
    return await _changed(ctx)


async def wash(ctx: Context) -> dict[str, Any]:
    """Wash the pet."""
    _pet(ctx).wash()
    return await _changed(ctx)


async def show_profile(ctx: Context) -> str:
    """Show how the pet feels as a card."""
    await ctx.context.show_widget("profile", _pet(ctx).state())
    return "The card was shown."


async def choose_name(ctx: Context, action: Action[str, Any], sender: WidgetItem | None) -> None:
    """Name the pet, mark the choice in the card, and let the keeper answer."""
    pet, names = _pet(ctx), action.payload["names"]
    pet.rename(action.payload["name"])
    if sender is not None:
        widget = await ctx.context.render("names", {"names": names, "chosen": pet.name})
        await ctx.context.stream(ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": widget})))
    await _changed(ctx)
    await ctx.context.remember(f"The guest has called the ferret {pet.name}.")
    await ctx.context.answer()
