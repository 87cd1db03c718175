"""The newsroom's cards."""

from __future__ import annotations

from typing import Any

from chatkit.actions import ActionConfig
from chatkit.widgets import Caption, Card, ListView, ListViewItem, Text, Title, WidgetComponentBase


def articles_list(articles: list[dict[str, Any]]) -> ListView:
    rows = []
    for article in articles:
        click = ActionConfig(type="article.open", payload={"id": article["id"]})
        children: list[WidgetComponentBase] = [Text(value=article["title"]), Caption(value=article["author"])]
        rows.append(ListViewItem(onClickAction=click, children=children))
    return ListView(children=rows)


def events_card(day: str, events: list[dict[str, str]]) -> Card:
    children: list[WidgetComponentBase] = [Title(value=day, size="sm")]
    children += [Text(value=f"{event['title']}, {event['place']}") for event in events]
    return Card(children=children)


def preview_card(article: dict[str, Any]) -> Card:
    return Card(
        size="sm",
        children=[
            Title(value=article["title"], size="sm"),
            Caption(value=article["author"]),
            Text(value=article["text"]),
        ],
    )
