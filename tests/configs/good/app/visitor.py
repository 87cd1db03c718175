"""What tools know of the visitor."""

from typing import Any


def build(request: Any) -> dict[str, Any]:
    """Say who is asking."""
    return {"customer": request.headers.get("x-customer")}
