"""The newsroom as a ChatKit backend written by hand, the way the published samples are.

Run it from the folder `examples`: `python -m uvicorn --app-dir newsroom handwritten.server:create_app --factory`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agents import Agent, Model, RunContextWrapper, Runner, StopAtTools, function_tool
from app.paper import article, events, find, search
from chatkit.actions import Action
from chatkit.agents import AgentContext, ThreadItemConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.types import (
    ClientEffectEvent,
    ErrorEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTagContent,
    WidgetItem,
)
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from memory_store import MemoryStore
from openai.types.responses import ResponseInputTextParam

from handwritten.cards import articles_list, events_card, preview_card

PROMPTS = Path(__file__).parents[1] / "prompts"
Context = RunContextWrapper[AgentContext[dict[str, Any]]]
Reporter = Agent[AgentContext[dict[str, Any]]]


@function_tool
async def search_articles(ctx: Context, topic: str) -> list[dict[str, Any]]:
    """Search the articles on a topic."""
    return search(topic)


@function_tool
async def show_articles(ctx: Context, topic: str) -> str:
    """Show the articles on a topic as a list."""
    await ctx.context.stream_widget(articles_list(search(topic)))
    return "The list was shown."


@function_tool
async def show_events(ctx: Context, day: str) -> str:
    """Show what is on in town that day."""
    await ctx.context.stream_widget(events_card(day, events(day)))
    return "The events were shown."


def build_reporters(model: str | Model) -> dict[str, Reporter]:
    def reporter(name: str, **fields: Any) -> Reporter:
        text = (PROMPTS / f"{name}.md").read_text(encoding="utf-8")
        return Agent(name=name, model=model, instructions=text, **fields)

    checker = reporter("checker", tools=[search_articles])
    check = checker.as_tool("check_claim", "Check one claim against the paper's articles.")
    stop = StopAtTools(stop_at_tool_names=["show_events"])
    return {
        "guide": reporter("guide", tools=[search_articles, show_articles, check]),
        "events": reporter("events", tools=[show_events], tool_use_behavior=stop),
        "puzzles": reporter("puzzles"),
    }


class NewsConverter(ThreadItemConverter):
    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputTextParam:
        found = article(tag.id)
        if found is None:
            return ResponseInputTextParam(type="input_text", text=f"@{tag.text}")
        text = f"<ARTICLE id={tag.id!r} author={found['author']!r}>{found['title']}: {found['text']}</ARTICLE>"
        return ResponseInputTextParam(type="input_text", text=text)


class NewsServer(ChatKitServer[dict[str, Any]]):
    def __init__(self, model: str | Model) -> None:
        super().__init__(MemoryStore())
        self.converter = NewsConverter()
        self.reporters = build_reporters(model)

    def _choose(self, message: UserMessageItem | None) -> Reporter:
        chosen = message.inference_options.tool_choice if message is not None else None
        return self.reporters.get(chosen.id if chosen else "guide", self.reporters["guide"])

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: dict[str, Any]
    ) -> AsyncIterator[ThreadStreamEvent]:
        history = await self.store.load_thread_items(thread.id, after=None, limit=100, order="desc", context=context)
        items = await self.converter.to_agent_input(list(reversed(history.data)))
        agent_context = AgentContext(thread=thread, store=self.store, request_context=context)
        result = Runner.run_streamed(self._choose(input_user_message), items, context=agent_context)
        async for event in stream_agent_response(agent_context, result):
            yield event

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        if action.type == "article.open":
            yield ClientEffectEvent(name="article.open", data={"id": action.payload["id"]})
        else:
            yield ErrorEvent(message=f"Unknown action {action.type}", allow_retry=False)


def entity(found: dict[str, Any]) -> dict[str, Any]:
    shown = {"id": found["id"], "title": found["title"], "group": found["topic"], "icon": "document"}
    return {**shown, "data": found, "interactive": True}


def create_app(model: str | Model = "gpt-6-luna") -> FastAPI:
    app = FastAPI(title="Newsroom")
    server = NewsServer(model)

    @app.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        result = await server.process(await request.body(), {"request": request})
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    @app.get("/chatkit/entities")
    async def entities(q: str = "") -> dict[str, Any]:
        """What the page offers as the reader types `@`."""
        return {"entities": [entity(found) for found in find(q)]}

    @app.get("/chatkit/entities/{article_id}/preview")
    async def preview(article_id: str) -> dict[str, Any]:
        """What the page shows when the pointer rests on a tagged article."""
        found = article(article_id)
        if found is None:
            raise HTTPException(404)
        return {"preview": preview_card(found).model_dump(exclude_none=True)}

    return app
