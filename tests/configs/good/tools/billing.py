"""A tool with an argument that the config binds."""


async def refund(order_id: str, currency: str) -> str:
    """Refund one order.

    Args:
        order_id: The order.
        currency: What the money is paid in.
    """
    return f"{order_id} is refunded in {currency}."
