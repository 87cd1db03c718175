"""A tool that adds to the thread's packing list, and the handlers of the clicks in its widget."""

from typing import Any

from agents import RunContextWrapper
from chatkit.actions import Action
from chatkit.types import WidgetItem

from tools.context import HikeContext


async def pack(ctx: RunContextWrapper[HikeContext], item: str, limit: int) -> str:
    """Put something on the packing list and show the list.

    Args:
        item: What to bring.
        limit: How long the list may be.
    """
    context = ctx.context
    if len(context.packing.items(context.thread.id)) >= limit:
        return f"The list is full: {limit} items."
    context.packing.add(context.thread.id, item.strip())
    await context.show_list()
    return f"{item} is on the list, and the list is shown."


async def toggle(ctx: RunContextWrapper[HikeContext], action: Action[str, Any], sender: WidgetItem | None) -> None:
    """Tick an item off, and replace the widget that was clicked by the new list."""
    context = ctx.context
    context.packing.toggle(context.thread.id, action.payload["name"])
    await context.show_list(replace=sender)
    await context.remember(f"<PACKING_LIST>{context.packing.items(context.thread.id)}</PACKING_LIST>")


async def count(ctx: RunContextWrapper[HikeContext], action: Action[str, Any], sender: WidgetItem | None) -> Any:
    """Answer a click at once with a badge that says how much is packed."""
    items = ctx.context.packing.items(ctx.context.thread.id)
    packed = sum(item["packed"] for item in items)
    return await ctx.context.render("badge", {"name": "Packed", "packed": packed, "total": len(items)})
