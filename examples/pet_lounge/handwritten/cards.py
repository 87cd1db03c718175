"""The lounge's cards."""

from __future__ import annotations

from typing import Any

from chatkit.actions import ActionConfig
from chatkit.widgets import Button, Caption, Card, Text, Title, WidgetComponentBase


def names_card(names: list[str], chosen: str = "") -> Card:
    children: list[WidgetComponentBase] = [Title(value="What shall it be called?", size="sm")]
    for name in names:
        click = ActionConfig(type="name.choose", payload={"name": name, "names": names})
        children.append(Button(label=name, disabled=bool(chosen), onClickAction=click))
    if chosen:
        children.append(Caption(value=f"It is {chosen}."))
    else:
        click = ActionConfig(type="name.more", payload={"names": names})
        children.append(Button(label="Others", variant="ghost", onClickAction=click))
    return Card(children=children)


def profile_card(pet: dict[str, Any]) -> Card:
    return Card(
        size="sm",
        children=[
            Title(value=pet["name"]),
            Text(value=f"Energy {pet['energy']} of 10"),
            Text(value=f"Joy {pet['joy']} of 10"),
            Text(value=f"Shine {pet['shine']} of 10"),
            Button(label="Pat", onClickAction=ActionConfig(type="pet.pat", payload={"name": pet["name"]})),
        ],
    )
