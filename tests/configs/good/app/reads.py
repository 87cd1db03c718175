"""Tools that read the turn's context."""

from typing import Any

from agents import RunContextWrapper, function_tool
from chatkit.types import Action, WidgetItem

from runtime import RuntimeContext


class Trip:
    """What a tool of another runner has as its context."""

    bags = 0


@function_tool
async def pack(ctx: RunContextWrapper[Any], thing: str) -> str:
    """Pack a thing."""
    ctx.context.bags.append(thing)
    return "Packed."


async def show(ctx: RunContextWrapper[RuntimeContext], city: str) -> str:
    """Show the weather."""
    context = ctx.context
    await context.show_widget("weather", {"city": city})
    return str(getattr(context, "maybe", "")) + (context.later if hasattr(context, "later") else "")


async def mark(ctx: RunContextWrapper[Trip], city: str) -> str:
    """Mark a city."""
    ctx.context.marked = city
    return f"{ctx.context.marked} {ctx.context.locale}"


def for_another_runner(ctx: RunContextWrapper[Trip]) -> int:
    """Nothing of this project calls it."""
    return ctx.context.bags


async def pick(ctx: RunContextWrapper[RuntimeContext], action: Action[str, Any], sender: WidgetItem | None) -> None:
    """Handle a click."""
    payload = action.payload
    city = payload["city"]
    if "again" in payload:
        city = payload["again"]
    await ctx.context.say(f"{city} {payload.get('more')}")
