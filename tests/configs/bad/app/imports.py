"""A module with imports that fail."""

from typing import TYPE_CHECKING

import app.gone
from app.weather import STATIONS, forcast
from app.deeper import also

if TYPE_CHECKING:
    from decimal import Decimal


class Desk:
    """A class whose methods need an object."""

    def answer(self, question: str) -> str:
        """Answer a question."""
        return question


def forecast(day: str) -> str:
    """Tell the weather of a day."""
    return forcast(day)


def report(day: str) -> str:
    """Tell it at length."""
    return f"{STATIONS}: {also(day)} {app.gone}"
