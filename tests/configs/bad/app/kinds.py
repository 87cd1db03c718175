"""Things of every kind."""

from typing import Any

from agents import Agent, function_tool
from fastapi import FastAPI

TEXT = "text"
app = FastAPI()
helper = Agent(name="helper")


class Plain:
    """A class that derives from nothing."""


class NeedsMore:
    """A class that can't be made without an argument."""

    def __init__(self, size: int) -> None:
        self.size = size


@function_tool
def forecast_tool(day: str) -> str:
    """Tell the weather of a day."""
    return day


def instruct(context: Any) -> str:
    """Instructions that forget the agent."""
    return "Help."


def title() -> str:
    """A title of nothing."""
    return "Title"


def make_nothing() -> None:
    """Forget to return the tool."""
    forecast_tool.name = "other"


async def make_later() -> Any:
    """Return the tool too late."""
    return forecast_tool


def make_tool(widget: str) -> Any:
    """Make a tool that shows a widget."""
    return forecast_tool


def make_model() -> str:
    """Return the name of a model."""
    return "gpt-6-luna"
