"""A widget drawn by Python."""

from typing import Any


def build_card(data: dict[str, Any]) -> dict[str, Any]:
    """A card with a text."""
    return {"type": "Card", "children": [{"type": "Text", "value": str(data.get("text", ""))}]}
