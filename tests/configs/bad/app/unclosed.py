"""A module that Python can't read."""


def forecast(day: str) -> str:
    """Tell the weather of a day."""
    parts = [day, "clear"
    return " ".join(parts)
