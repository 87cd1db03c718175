"""What the newsroom's agents can do, and what can be mentioned with `@`."""

from typing import Any

from agents import RunContextWrapper
from app.paper import article, events, find, search

from runtime import RuntimeContext

Context = RunContextWrapper[RuntimeContext]


async def search_articles(topic: str) -> list[dict[str, Any]]:
    """Search the articles on a topic."""
    return search(topic)


async def show_articles(ctx: Context, topic: str) -> str:
    """Show the articles on a topic as a list."""
    await ctx.context.show_widget("articles", {"articles": search(topic)})
    return "The list was shown."


async def show_events(ctx: Context, day: str) -> None:
    """Show what is on in town that day."""
    await ctx.context.show_widget("events", {"day": day, "events": events(day)})


def entity(found: dict[str, Any]) -> dict[str, Any]:
    """An article as something that can be mentioned."""
    return {"id": found["id"], "title": found["title"], "group": found["topic"], "icon": "document", "data": found}


def search_titles(query: str, context: Any) -> list[dict[str, Any]]:
    """What the page offers as the reader types `@`."""
    return [entity(found) for found in find(query)]


def lookup(article_id: str, context: Any) -> dict[str, Any] | None:
    """What is known of an article that the reader has tagged, or points at."""
    return entity(found) if (found := article(article_id)) else None
