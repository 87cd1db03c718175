"""What tools know about the request."""

from starlette.requests import Request

from runtime import RuntimeContext


def build(request: Request) -> dict[str, str]:
    """Read the customer's number from the request."""
    return {"customer": request.headers.get("x-customer", "")}


class MyContext(RuntimeContext):
    """The runtime's context."""
