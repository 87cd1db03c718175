"""A tool that asks before it runs."""

from agents import function_tool


@function_tool(needs_approval=True)
def forecast(day: str) -> str:
    """Tell the weather of a day."""
    return f"{day}: clear"
