"""A function that makes a tool."""

from agents import FunctionTool, function_tool


def make(count: int) -> FunctionTool:
    """Make a tool that counts."""

    @function_tool(name_override="made")
    def count_up() -> str:
        """Count."""
        return " ".join(map(str, range(count)))

    return count_up
