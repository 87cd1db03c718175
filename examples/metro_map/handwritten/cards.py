"""The guide's card: which line to look at."""

from __future__ import annotations

from app.metro import LINES
from chatkit.actions import ActionConfig
from chatkit.widgets import Button, Card, Title, WidgetComponentBase


def lines_card(chosen: str | None = None) -> Card:
    children: list[WidgetComponentBase] = [Title(value="Which line?", size="sm")]
    for line in LINES:
        click = ActionConfig(type="line.choose", payload={"line": line})
        style = "primary" if line == chosen else "secondary"
        children.append(Button(label=line.title(), style=style, onClickAction=click))
    return Card(children=children)
