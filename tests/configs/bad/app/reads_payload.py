"""A handler that reads a payload."""

from typing import Any

from agents import RunContextWrapper
from chatkit.types import Action, WidgetItem

from runtime import RuntimeContext


async def pick(ctx: RunContextWrapper[RuntimeContext], action: Action[str, Any], sender: WidgetItem | None) -> None:
    """Handle a click."""
    payload = action.payload
    city = payload["town"]
    if "again" in payload:
        city = payload["again"]
    await ctx.context.say(f"{city} {payload.get('more')}")
