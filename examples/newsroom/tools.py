"""What the newsroom's agents can do, and what the page may ask for."""

from typing import Any

from agents import RunContextWrapper
from app.paper import article, events, find, search
from chatkit.agents import ThreadItemConverter
from chatkit.types import UserMessageTagContent
from fastapi import APIRouter, HTTPException, Request
from openai.types.responses import ResponseInputTextParam

from runtime import RuntimeContext

Context = RunContextWrapper[RuntimeContext]
router = APIRouter(prefix="/news")


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


class Converter(ThreadItemConverter):
    """Tells the model what stands in an article that the reader has tagged with `@`."""

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputTextParam:
        found = article(tag.id)
        text = f"<ARTICLE id={tag.id!r} author={found['author']!r}>{found['title']}: {found['text']}</ARTICLE>"
        return ResponseInputTextParam(type="input_text", text=text)


@router.get("/articles")
async def articles(q: str = "") -> list[dict[str, Any]]:
    """What the page offers as the reader types `@`."""
    return find(q)


@router.get("/articles/{article_id}/preview")
async def preview(article_id: str, request: Request) -> dict[str, Any]:
    """What the page shows when the pointer rests on a tagged article."""
    try:
        shown = await request.app.state.runtime.widgets["preview"].arender(article(article_id))
    except KeyError:
        raise HTTPException(404) from None
    drawn: dict[str, Any] = shown.model_dump(exclude_none=True)
    return drawn
