"""Tools in the style of ChatKit's samples: both servers use them unchanged."""

from typing import Any

from agents import RunContextWrapper, function_tool
from chatkit.agents import AgentContext
from chatkit.widgets import Caption, Card, Row, Text, Title


@function_tool
async def show_card(ctx: RunContextWrapper[AgentContext[Any]], city: str) -> str:
    """Show the weather of a city as a card."""
    card = Card(
        key="weather",
        children=[
            Title(value=city),
            Row(children=[Text(value="Tomorrow"), Text(value="21 °C"), Text(value="light wind")]),
            Caption(value="measured at noon"),
        ],
    )
    await ctx.context.stream_widget(card, copy_text=f"{city}: 21 °C")
    return f"the card for {city} is on the screen"


async def archive(city: str) -> str:
    """Archive the weather of a city."""
    return f"the weather of {city} is in the archive"
