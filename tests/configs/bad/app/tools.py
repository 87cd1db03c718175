"""Tools that are fine, for configs whose mistake is elsewhere."""


def look(place: str) -> str:
    """Look at a place."""
    return place


def refund(order_id: str) -> str:
    """Refund one order."""
    return order_id
