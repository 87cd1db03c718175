"""A module with a tool."""


def forecast(day: str) -> str:
    """Tell the weather of a day."""
    return f"{day}: clear"
