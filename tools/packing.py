"""Packing lists, one for each thread: a tool that adds to them, and the clicks in their widget."""

from collections import defaultdict
from typing import Any

from agents import RunContextWrapper
from chatkit.actions import Action
from chatkit.types import WidgetItem

from tools.context import HikeContext


class PackingLists:
    """What each hiker has to bring, by thread; declared as `state` in agents.yaml."""

    def __init__(self) -> None:
        self.lists: defaultdict[str, dict[str, bool]] = defaultdict(dict)

    def add(self, thread_id: str, item: str) -> None:
        self.lists[thread_id].setdefault(item, False)

    def toggle(self, thread_id: str, item: str) -> None:
        self.lists[thread_id][item] = not self.lists[thread_id].get(item, False)

    def items(self, thread_id: str) -> list[dict[str, Any]]:
        return [{"name": name, "packed": packed} for name, packed in self.lists[thread_id].items()]


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
    """Tick an item off, and show the list anew in place of the one that was clicked."""
    context = ctx.context
    context.packing.toggle(context.thread.id, action.payload["name"])
    await context.show_list(replace=sender)
    await context.remember(f"<PACKING_LIST>{context.packing.items(context.thread.id)}</PACKING_LIST>")


async def count(ctx: RunContextWrapper[HikeContext], action: Action[str, Any], sender: WidgetItem | None) -> Any:
    """Answer a click at once with a badge that says how much is packed."""
    items = ctx.context.packing.items(ctx.context.thread.id)
    packed = sum(item["packed"] for item in items)
    return await ctx.context.render("badge", {"name": "Packed", "packed": packed, "total": len(items)})
