"""The baseline: a ChatKit backend written as ChatKit's documentation teaches it.

It stores threads in dicts and runs one agent, without locks, limits or checks. Two choices differ from the
documentation, and neither favours the runtime: the model receives the last 200 items, the runtime's default (the
documentation's examples use 20), and items are stored in order, where the documentation sorts at each read.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar

from agents import Agent, Runner
from chatkit.agents import AgentContext, simple_to_agent_input, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata, ThreadStreamEvent, UserMessageItem
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from benchmarks.project import cards, instant_model
from benchmarks.projects import INSTRUCTIONS, handoffs_of, instructions_of

RECENT_ITEMS = 200

Context = dict[str, Any]
Row = TypeVar("Row", ThreadMetadata, ThreadItem)


class DictStore(Store[Context]):
    """Threads, items and attachments in dicts."""

    def __init__(self) -> None:
        self._threads: dict[str, ThreadMetadata] = {}
        self._items: dict[str, list[ThreadItem]] = defaultdict(list)
        self._attachments: dict[str, Attachment] = {}

    async def load_thread(self, thread_id: str, context: Context) -> ThreadMetadata:
        if thread_id not in self._threads:
            raise NotFoundError(f"no thread {thread_id!r}")
        return self._threads[thread_id]

    async def save_thread(self, thread: ThreadMetadata, context: Context) -> None:
        self._threads[thread.id] = thread

    async def load_threads(self, limit: int, after: str | None, order: str, context: Context) -> Page[ThreadMetadata]:
        return _page(list(self._threads.values()), after, limit, order)

    async def delete_thread(self, thread_id: str, context: Context) -> None:
        self._threads.pop(thread_id, None)
        self._items.pop(thread_id, None)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Context
    ) -> Page[ThreadItem]:
        return _page(self._items[thread_id], after, limit, order)

    async def load_item(self, thread_id: str, item_id: str, context: Context) -> ThreadItem:
        for item in self._items[thread_id]:
            if item.id == item_id:
                return item
        raise NotFoundError(f"no item {item_id!r}")

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        self._items[thread_id].append(item)

    async def save_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        items = self._items[thread_id]
        for index, known in enumerate(items):
            if known.id == item.id:
                items[index] = item
                return
        items.append(item)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Context) -> None:
        self._items[thread_id] = [item for item in self._items[thread_id] if item.id != item_id]

    async def save_attachment(self, attachment: Attachment, context: Context) -> None:
        self._attachments[attachment.id] = attachment

    async def load_attachment(self, attachment_id: str, context: Context) -> Attachment:
        return self._attachments[attachment_id]

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        self._attachments.pop(attachment_id, None)


def _page(rows: Sequence[Row], after: str | None, limit: int, order: str) -> Page[Row]:
    ordered = rows[::-1] if order == "desc" else rows
    start = next((index + 1 for index, row in enumerate(ordered) if row.id == after), 0) if after else 0
    data = list(ordered[start : start + limit])
    has_more = start + limit < len(ordered)
    return Page(data=data, has_more=has_more, after=data[-1].id if has_more and data else None)


assistant = Agent[AgentContext[Context]](
    name="Assistant",
    model=instant_model.build(),
    instructions=INSTRUCTIONS,
    tools=[cards.show_card],
)


class HandwrittenServer(ChatKitServer[Context]):
    """Answers with one agent."""

    def __init__(self, store: DictStore, agent: Agent[AgentContext[Context]]) -> None:
        super().__init__(store)
        self.agent = agent

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        page = await self.store.load_thread_items(
            thread.id, after=None, limit=RECENT_ITEMS, order="desc", context=context
        )
        agent_input = await simple_to_agent_input(list(reversed(page.data)))
        agent_context = AgentContext[Context](thread=thread, store=self.store, request_context=context)
        result = Runner.run_streamed(self.agent, agent_input, context=agent_context)
        async for event in stream_agent_response(agent_context, result):
            yield event


def build_app(agent: Agent[AgentContext[Context]], store: DictStore | None = None) -> FastAPI:
    """Return an app that answers with `agent`."""
    built = FastAPI()
    server = HandwrittenServer(store or DictStore(), agent)

    @built.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        result = await server.process(await request.body(), {"request": request})
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    return built


def build_team(count: int) -> Agent[AgentContext[Context]]:
    """Return the first of `count` agents; handoffs lead to all others."""
    others = [
        Agent[AgentContext[Context]](
            name=f"Agent {number}", model=assistant.model, instructions=instructions_of(number), tools=assistant.tools
        )
        for number in range(1, count)
    ]
    team = [assistant.clone(), *others]
    for number, agent in enumerate(team):
        agent.handoffs = [team[target] for target in handoffs_of(number, count)]
    return team[0]


app = build_app(assistant)
