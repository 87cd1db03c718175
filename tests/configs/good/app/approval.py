"""A tool that runs at once."""

from agents import function_tool


@function_tool(needs_approval=False)
def forecast(day: str) -> str:
    """Tell the weather of a day."""
    return f"{day}: clear"
