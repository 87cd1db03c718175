"""What tools know of the visitor."""

from typing import Any


def build() -> dict[str, Any]:
    """Say who is asking."""
    return {"customer": "nobody"}
