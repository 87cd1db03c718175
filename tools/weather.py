"""A forecast that is always good, and a report that shows it."""

from collections.abc import Awaitable, Callable
from typing import Any

from agents import FunctionTool, RunContextWrapper, function_tool

FORECAST = {"Morning": "8 °C, clear", "Noon": "15 °C, light wind", "Evening": "11 °C, clear"}


@function_tool
async def get_forecast(day: str) -> str:
    """Get the weather of a day.

    Args:
        day: The day of the week.
    """
    return f"{day.capitalize()}: clear from morning to evening, 8 to 15 °C."


def make_report_tool(widget: str) -> FunctionTool:
    """Make the tool that shows the forecast in a widget."""

    async def report(ctx: RunContextWrapper[Any], day: str) -> str:
        """Show the conditions of a day as a card."""
        rows = [{"key": part, "value": weather} for part, weather in FORECAST.items()]
        await ctx.context.show_widget(widget, {"day": day, "source": "Trailhead almanac", "rows": rows})
        return "The report was shown."

    made: Callable[[Callable[..., Awaitable[str]]], FunctionTool] = function_tool
    return made(report)
