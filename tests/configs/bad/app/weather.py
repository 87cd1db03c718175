"""A forecast that is always good."""

STATIONS = ["Ridge", "Lake"]


def forecast(day: str, units: str) -> str:
    """Tell the weather of a day."""
    return f"{day}: 12 degrees, {units}"
