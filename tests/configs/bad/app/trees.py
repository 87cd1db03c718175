"""Component trees as dicts: three keys that certainly are wrong, beside values that are computed."""

from typing import Any

from agents import RunContextWrapper

from runtime import RuntimeContext


def draw(data: dict[str, Any]) -> dict[str, Any]:
    """Draw a city."""
    return {"type": "Card", "children": [{"type": "Txet", "value": data["city"]}]}


async def show(ctx: RunContextWrapper[RuntimeContext], city: str, size: str) -> str:
    """Show the weather."""
    tree = {"type": "Card", "size": size, "children": [{"type": "Text", "valeu": city, "weight": "heavy"}]}
    await ctx.context.stream_widget(tree)
    await ctx.context.stream_widget({"sections": [{"type": "tabel", "rows": {"City": city}}]}, copy_text=city)
    return "shown"
