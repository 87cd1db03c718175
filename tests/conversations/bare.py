"""A ChatKit backend on the plain SDKs, written the way their documentation teaches: a store of dicts and one agent.

It is here to show what the SDKs themselves do. Where one of its tests fails after an upgrade, the SDK has mended what
the runtime works around.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import Agent, RunConfig, Runner
from chatkit.agents import AgentContext, ThreadItemConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata, ThreadStreamEvent, UserMessageItem, WidgetItem
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse


class DictStore(Store[dict[str, Any]]):
    """Threads and items in dicts, as in the documentation; `slow` makes it await, as every database does."""

    def __init__(self, *, slow: bool = False) -> None:
        self.threads: dict[str, ThreadMetadata] = {}
        self.items: dict[str, list[ThreadItem]] = defaultdict(list)
        self.handed: list[type[ThreadMetadata]] = []
        self.slow = slow

    async def _pause(self) -> None:
        if self.slow:
            await asyncio.sleep(0)

    async def load_thread(self, thread_id: str, context: Any) -> ThreadMetadata:
        if thread_id not in self.threads:
            raise NotFoundError(f"Thread {thread_id} not found")
        return self.threads[thread_id].model_copy(deep=True)

    async def save_thread(self, thread: ThreadMetadata, context: Any) -> None:
        await self._pause()
        self.handed.append(type(thread))
        self.threads[thread.id] = ThreadMetadata(**thread.model_dump(exclude={"items"}))

    async def load_threads(self, limit: int, after: str | None, order: str, context: Any) -> Page[ThreadMetadata]:
        return _page(list(self.threads.values()), after, limit, order)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Any
    ) -> Page[ThreadItem]:
        return _page(self.items[thread_id], after, limit, order)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Any) -> None:
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: Any) -> None:
        await self._pause()
        items = self.items[thread_id]
        for index, known in enumerate(items):
            if known.id == item.id:
                items[index] = item
                return
        items.append(item)

    async def load_item(self, thread_id: str, item_id: str, context: Any) -> ThreadItem:
        for item in self.items[thread_id]:
            if item.id == item_id:
                return item
        raise NotFoundError(f"Item {item_id} not found")

    async def delete_thread(self, thread_id: str, context: Any) -> None:
        self.threads.pop(thread_id, None)
        self.items.pop(thread_id, None)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Any) -> None:
        self.items[thread_id] = [item for item in self.items[thread_id] if item.id != item_id]

    async def save_attachment(self, attachment: Attachment, context: Any) -> None:
        raise NotImplementedError

    async def load_attachment(self, attachment_id: str, context: Any) -> Attachment:
        raise NotFoundError(attachment_id)

    async def delete_attachment(self, attachment_id: str, context: Any) -> None:
        raise NotImplementedError


def _page(rows: list[Any], after: str | None, limit: int, order: str) -> Page[Any]:
    rows = sorted(rows, key=lambda row: row.created_at, reverse=order == "desc")
    start = next((index + 1 for index, row in enumerate(rows) if row.id == after), 0)
    data = rows[start : start + limit]
    more = start + limit < len(rows)
    return Page(data=data, has_more=more, after=data[-1].id if more and data else None)


class BareServer(ChatKitServer[dict[str, Any]]):
    """One agent; `handler` is what `action` does, `before` runs in each answer before the agent does."""

    def __init__(self, agent: Agent[Any], *, slow: bool = False, max_turns: int = 10) -> None:
        self.dicts = DictStore(slow=slow)
        super().__init__(self.dicts)
        self.agent, self.max_turns = agent, max_turns
        self.handler: Callable[..., AsyncIterator[ThreadStreamEvent]] | None = None
        self.before: Callable[[ThreadMetadata], Any] | None = None

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: dict[str, Any]
    ) -> AsyncIterator[ThreadStreamEvent]:
        if self.before is not None:
            await self.before(thread)
        page = await self.store.load_thread_items(thread.id, after=None, limit=100, order="asc", context=context)
        agent_input = await ThreadItemConverter().to_agent_input(page.data)
        agent_context: AgentContext[Any] = AgentContext(thread=thread, store=self.store, request_context=context)
        result = Runner.run_streamed(
            self.agent,
            agent_input,
            context=agent_context,
            max_turns=self.max_turns,
            run_config=RunConfig(tracing_disabled=True),
        )
        async for event in stream_agent_response(agent_context, result):
            yield event

    async def action(
        self, thread: ThreadMetadata, action: Any, sender: WidgetItem | None, context: dict[str, Any]
    ) -> AsyncIterator[ThreadStreamEvent]:
        if self.handler is not None:
            async for event in self.handler(thread, action, sender, context):
                yield event


def bare_app(server: BareServer) -> FastAPI:
    app = FastAPI()

    @app.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        result = await server.process(await request.body(), {"user": request.headers.get("x-user", "someone")})
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    return app
