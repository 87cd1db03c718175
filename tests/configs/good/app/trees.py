"""Component trees as dicts, parts of which are computed."""

from typing import Any

from agents import RunContextWrapper

from runtime import RuntimeContext


def draw(data: dict[str, Any]) -> dict[str, Any]:
    """Draw a city."""
    lines = [{"type": "Text", "value": name, "weight": "bold"} for name in data["names"]]
    return {"type": "Card", "children": [{"type": "Title", "value": data["city"]}, *lines]}


async def show(ctx: RunContextWrapper[RuntimeContext], city: str, kind: str, more: int) -> str:
    """Show the weather."""
    extra = {"weight": "bold"} if more else {}
    tree = {"type": kind, "children": [{"type": "Text", "value": city, **extra}, {"type": kind, "valeu": more}]}
    await ctx.context.stream_widget(tree)
    await ctx.context.stream_widget({"sections": [{"type": "table", "rows": {"City": city}}]}, copy_text=city)
    await ctx.context.stream_widget({"type": "Card", "children": [], "status": {"text": f"{more} more"}})
    return "shown"
