"""A tool that has a name of its own."""

from agents import function_tool


@function_tool(name_override="weather_forecast")
def forecast(day: str) -> str:
    """Tell the weather of a day."""
    return f"{day}: clear"
