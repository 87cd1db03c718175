"""A module that makes its names when it is asked for them."""

from typing import Any


def __getattr__(name: str) -> Any:
    if name != "forecast":
        raise AttributeError(name)

    def forecast(day: str) -> str:
        """Tell the weather of a day."""
        return f"{day}: clear"

    return forecast
