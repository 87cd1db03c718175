"""What the keeper can do with a guest's pet."""

from __future__ import annotations

from typing import Any

from agents import RunContextWrapper, function_tool
from app.pets import Pet, lounge
from chatkit.agents import AgentContext
from chatkit.types import ClientEffectEvent, ProgressUpdateEvent

from handwritten.cards import names_card, profile_card

Context = RunContextWrapper[AgentContext[dict[str, Any]]]


def pet_of(ctx: Context) -> Pet:
    return lounge.pet(ctx.context.thread.id)


async def _changed(ctx: Context) -> dict[str, Any]:
    state = pet_of(ctx).state()
    await ctx.context.stream(ClientEffectEvent(name="pet.update", data=state))
    return state


@function_tool
async def pet_status(ctx: Context) -> dict[str, Any]:
    """How the pet feels."""
    return pet_of(ctx).state()


@function_tool
async def feed(ctx: Context, meal: str) -> dict[str, Any]:
    """Feed the pet: seeds, cucumber or an omelette."""
    await ctx.context.stream(ProgressUpdateEvent(text=f"Fetching {meal}"))
    pet_of(ctx).feed(meal)
    return await _changed(ctx)


@function_tool
async def play(ctx: Context) -> dict[str, Any]:
    """Play with the pet."""
    pet_of(ctx).play()
    return await _changed(ctx)


@function_tool
async def wash(ctx: Context) -> dict[str, Any]:
    """Wash the pet."""
    pet_of(ctx).wash()
    return await _changed(ctx)


@function_tool
async def suggest_names(ctx: Context, names: list[str]) -> str:
    """Let the guest choose one of three names."""
    await ctx.context.stream_widget(names_card(names))
    return "The names were shown."


@function_tool
async def show_profile(ctx: Context) -> str:
    """Show how the pet feels as a card."""
    state = pet_of(ctx).state()
    copy_text = f"{state['name']}: energy {state['energy']}, joy {state['joy']}, shine {state['shine']}"
    await ctx.context.stream_widget(profile_card(state), copy_text=copy_text)
    return "The card was shown."


@function_tool
async def say_as_pet(ctx: Context, text: str) -> str:
    """Show a bubble over the pet with what it says."""
    await ctx.context.stream(ClientEffectEvent(name="pet.say", data={"text": text}))
    return "It was said."
