"""What the guide can do, what a click on a line does, and what the page may ask for."""

from datetime import datetime
from typing import Any

from agents import RunContextWrapper
from app.metro import LINES, describe, find, lines_of, route
from chatkit.actions import Action
from chatkit.agents import ThreadItemConverter
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageItem,
    EntitySource,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    UserMessageTagContent,
    WidgetItem,
)
from fastapi import APIRouter
from openai.types.responses import ResponseInputTextParam

from runtime import RuntimeContext

Context = RunContextWrapper[RuntimeContext]
router = APIRouter(prefix="/metro")


async def plan_route(ctx: Context, start: str, end: str) -> list[str]:
    """Plan the way between two stations, by their ids, and tell it with each station as a source."""
    way = route(start, end)
    text, sources = "", []
    for station in map(describe, way):
        text += f"{' > ' if text else ''}{station['name']}"
        source = EntitySource(id=station["id"], title=station["name"], icon="map-pin", group="Stations")
        sources.append(Annotation(source=source, index=len(text)))
    content = AssistantMessageContent(text=text, annotations=sources)
    item = AssistantMessageItem(
        id=ctx.context.generate_id("message"),
        thread_id=ctx.context.thread.id,
        created_at=datetime.now(),
        content=[content],
    )
    await ctx.context.stream(ThreadItemDoneEvent(item=item))
    return way


async def choose_line(ctx: Context) -> None:
    """Let the user choose a line to look at."""
    await ctx.context.show_widget("lines", {"lines": list(LINES)})


async def look_at_line(ctx: Context, action: Action[str, Any], sender: WidgetItem | None) -> None:
    """Mark the line in the card, and let the map follow."""
    line = action.payload["line"]
    if sender is not None:
        widget = await ctx.context.render("lines", {"lines": list(LINES), "chosen": line})
        await ctx.context.stream(ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": widget})))
    await ctx.context.effect("map.focus", {"stations": LINES[line]})


class Converter(ThreadItemConverter):
    """Tells the model the lines of a station that the user has tagged with `@`."""

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputTextParam:
        station = f"<STATION id={tag.id!r} lines={', '.join(lines_of(tag.id))!r}>{tag.text}</STATION>"
        return ResponseInputTextParam(type="input_text", text=station)


@router.get("/stations")
async def stations(q: str = "") -> list[dict[str, Any]]:
    """What the page offers as the user types `@`."""
    return find(q)
