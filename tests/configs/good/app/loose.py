"""A tool with free-form arguments."""

from typing import Any

from agents import function_tool


@function_tool(strict_mode=False)
def forecast(options: dict[str, Any]) -> str:
    """Tell the weather of a day."""
    return str(options)
