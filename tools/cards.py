"""A widget drawn by Python."""

from typing import Any


def render_badge(data: dict[str, Any]) -> dict[str, Any]:
    """A small card that says how much is packed."""
    done = data["packed"] == data["total"]
    badge = {"type": "Badge", "label": f"{data['packed']} of {data['total']}", "color": "success" if done else "info"}
    return {
        "type": "Card",
        "size": "sm",
        "children": [
            {
                "type": "Row",
                "children": [
                    {"type": "Text", "value": data["name"]},
                    {"type": "Spacer"},
                    badge,
                ],
            }
        ],
    }
