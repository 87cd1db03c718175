"""A click that answers with one item, and the tool that shows a widget by its name."""

from typing import Any

from agents import RunContextWrapper
from chatkit.actions import Action
from chatkit.types import WidgetItem

from runtime import RuntimeContext


async def confirm(
    ctx: RunContextWrapper[RuntimeContext], action: Action[str, Any], sender: WidgetItem | None
) -> Any:
    """Draw the order that was confirmed."""
    return await ctx.context.render("order", {"id": action.payload["id"]})
