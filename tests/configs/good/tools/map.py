"""A click in a widget, handled by Python."""

from typing import Any

from agents import RunContextWrapper
from chatkit.actions import Action
from chatkit.types import WidgetItem

from runtime import RuntimeContext


async def on_line_select(
    ctx: RunContextWrapper[RuntimeContext], action: Action[str, Any], sender: WidgetItem | None
) -> None:
    """Remember which line was chosen."""
    await ctx.context.remember(f"<LINE>{action.payload['id']}</LINE>")
