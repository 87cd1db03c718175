"""A function without type hints."""


def forecast(day, units: str) -> str:
    """Tell the weather of a day."""
    return f"{day}: 12 degrees, {units}"
