"""The metro guide as a ChatKit backend written by hand, the way the published samples are.

Run it from the folder `examples`: `python -m uvicorn --app-dir metro_map handwritten.server:create_app --factory`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from agents import Agent, Model, RunContextWrapper, Runner, StopAtTools, function_tool
from app.metro import LINES, describe, find, lines_of, route
from chatkit.actions import Action
from chatkit.agents import AgentContext, ClientToolCall, ThreadItemConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageItem,
    ClientEffectEvent,
    EntitySource,
    ErrorEvent,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTagContent,
    WidgetItem,
)
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from memory_store import MemoryStore
from openai.types.responses import ResponseInputTextParam

from handwritten.cards import lines_card

PROMPT = Path(__file__).parents[1] / "prompts" / "guide.md"
Context = RunContextWrapper[AgentContext[dict[str, Any]]]


@function_tool
async def plan_route(ctx: Context, start: str, end: str) -> list[str]:
    """Plan the way between two stations, by their ids, and tell it with each station as a source."""
    way = route(start, end)
    text, sources = "", []
    for station in map(describe, way):
        text += f"{' > ' if text else ''}{station['name']}"
        about = {"title": station["name"], "icon": "map-pin", "group": "Stations"}
        source = EntitySource(id=station["id"], interactive=True, **about)
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


@function_tool
async def show_on_map(ctx: Context, stations: list[str]) -> str:
    """Centre the map on these stations."""
    await ctx.context.stream(ClientEffectEvent(name="map.focus", data={"stations": stations}))
    return "The map follows."


@function_tool
async def get_selection(ctx: Context) -> None:
    """Which stations the user has selected on the map."""
    ctx.context.client_tool_call = ClientToolCall(name="get_selection", arguments={})


@function_tool
async def choose_line(ctx: Context) -> str:
    """Let the user choose a line to look at."""
    await ctx.context.stream_widget(lines_card())
    return "The lines were shown."


class MetroConverter(ThreadItemConverter):
    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputTextParam:
        station = f"<STATION id={tag.id!r} lines={', '.join(lines_of(tag.id))!r}>{tag.text}</STATION>"
        return ResponseInputTextParam(type="input_text", text=station)


class MetroServer(ChatKitServer[dict[str, Any]]):
    def __init__(self, model: str | Model) -> None:
        super().__init__(MemoryStore())
        self.converter = MetroConverter()
        self.guide = Agent[AgentContext[dict[str, Any]]](
            name="guide",
            model=model,
            instructions=PROMPT.read_text(encoding="utf-8"),
            tools=[plan_route, show_on_map, get_selection, choose_line],
            tool_use_behavior=StopAtTools(stop_at_tool_names=["get_selection", "choose_line"]),
        )

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: dict[str, Any]
    ) -> AsyncIterator[ThreadStreamEvent]:
        history = await self.store.load_thread_items(thread.id, after=None, limit=100, order="desc", context=context)
        items = await self.converter.to_agent_input(list(reversed(history.data)))
        agent_context = AgentContext(thread=thread, store=self.store, request_context=context)
        result = Runner.run_streamed(self.guide, items, context=agent_context)
        async for event in stream_agent_response(agent_context, result):
            yield event

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        if action.type != "line.choose":
            yield ErrorEvent(message=f"Unknown action {action.type}", allow_retry=False)
            return
        line = action.payload["line"]
        if sender is not None:
            yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": lines_card(line)}))
        yield ClientEffectEvent(name="map.focus", data={"stations": LINES[line]})


def entity(station: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": station["id"],
        "title": station["name"],
        "group": "Stations",
        "icon": "map-pin",
        "data": {"lines": ", ".join(station["lines"])},
        "interactive": True,
    }


def create_app(model: str | Model = "gpt-6-luna") -> FastAPI:
    app = FastAPI(title="Metro Map")
    server = MetroServer(model)

    @app.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        result = await server.process(await request.body(), {"request": request})
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    @app.get("/chatkit/entities")
    async def entities(q: str = "") -> dict[str, Any]:
        """What the page offers as the user types `@`."""
        return {"entities": [entity(station) for station in find(q)]}

    return app
