"""A plugin of pytest that puts our server, our store and our stream in the place of openai-chatkit's.

It runs openai-chatkit's own tests, whose source distribution lacks the two modules of their helpers: a store, which
becomes ours, and a class of contexts. Their servers answer by `respond`, `action` and the like: here those are a tool,
an action and functions of a project whose model only calls the tool.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import types as modules
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chatkit.agents
import chatkit.server
from agents import Agent
from chatkit.store import Store
from chatkit.types import UserMessageItem

from runtime import load
from runtime.assemble.context import RuntimeContext, TurnState, new_context
from runtime.server.history.converter import RuntimeConverter
from runtime.server.turns.sse import TextDelta
from runtime.server.turns.stream_events import RunEvents
from runtime.stores import ThreadStore, open_store
from runtime.stores.owner_store import OwnerStore

WAIT_S = 2.0
current_request: ContextVar[dict[str, Any]] = ContextVar("current_request")
servers: dict[str, Server] = {}


@dataclass(frozen=True)
class RequestContext:
    """Who sends a request of these tests."""

    user_id: str


_databases: dict[tuple[str, asyncio.AbstractEventLoop], ThreadStore] = {}


class OurStore(Store[Any]):
    """Our SQLite store behind the SDK's interface; the owner is the user of the context of each call."""

    def __init__(self, db_path: str) -> None:
        self.db_path = db_path

    async def _of(self, context: Any) -> OwnerStore:
        key = self.db_path, asyncio.get_running_loop()
        if key not in _databases:
            store = open_store(f"sqlite:///{tempfile.mkdtemp()}/threads.db")
            await store.open()
            _databases[key] = store
        user = context["user_id"] if isinstance(context, dict) else context.user_id
        return OwnerStore(_databases[key], user)

    async def load_thread(self, thread_id: str, context: Any) -> Any:
        return await (await self._of(context)).load_thread(thread_id)

    async def save_thread(self, thread: Any, context: Any) -> None:
        await (await self._of(context)).save_thread(thread)

    async def load_threads(self, limit: int, after: str | None, order: str, context: Any) -> Any:
        return await (await self._of(context)).load_threads(limit, after, order)

    async def delete_thread(self, thread_id: str, context: Any) -> None:
        await (await self._of(context)).delete_thread(thread_id)

    async def load_thread_items(self, thread_id: str, after: str | None, limit: int, order: str, context: Any) -> Any:
        return await (await self._of(context)).load_thread_items(thread_id, after, limit, order)

    async def add_thread_item(self, thread_id: str, item: Any, context: Any) -> None:
        await (await self._of(context)).add_thread_item(thread_id, item)

    async def save_item(self, thread_id: str, item: Any, context: Any) -> None:
        await (await self._of(context)).save_item(thread_id, item)

    async def load_item(self, thread_id: str, item_id: str, context: Any) -> Any:
        return await (await self._of(context)).load_item(thread_id, item_id)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Any) -> None:
        await (await self._of(context)).delete_thread_item(thread_id, item_id)

    async def save_attachment(self, attachment: Any, context: Any) -> None:
        await (await self._of(context)).save_attachment(attachment)

    async def load_attachment(self, attachment_id: str, context: Any) -> Any:
        return await (await self._of(context)).load_attachment(attachment_id)

    async def delete_attachment(self, attachment_id: str, context: Any) -> None:
        await (await self._of(context)).delete_attachment(attachment_id)


CODE = """
from agents import RunContextWrapper
from replacements import Server, current_request, servers
from runtime import RuntimeContext

NAME = {name!r}

async def respond(ctx: RunContextWrapper[RuntimeContext]) -> str:
    "Respond."
    return await servers[NAME].answer(ctx.context)

def act(ctx, action, sender):
    server, context = servers[NAME], ctx.context
    kind = server.sync_action if current_request.get()["type"] == "threads.sync_custom_action" else server.action
    return kind(context.thread, action, sender, context.request_context)

async def transcribe(audio, context):
    return (await servers[NAME].transcribe(audio, context)).text

async def tell(thread_id, item_ids, kind, context):
    await servers[NAME].add_feedback(thread_id, item_ids, kind, context)

def store():
    return servers[NAME].store
"""
PROJECT = {
    "version": 1,
    "auth": "none",
    "store": {"python": "bridge:store"},
    "models": {"default": {"scripted": "script.yaml"}},
    "agents": {"responder": {"tools": ["respond"]}},
    "tools": {"respond": {"python": "bridge:respond", "stop": True}},
    "actions": {"create_user": {"python": "bridge:act", "sync": True}},
    "chat": {
        "dictation": {"python": "bridge:transcribe"},
        "feedback": {"python": "bridge:tell"},
        "composer": {
            "tools": [
                {"id": "web_search", "label": "Search", "tool": "respond"},
                {"id": "retrieval", "label": "Read", "tool": "respond"},
            ]
        },
    },
}
SCRIPT = "turns:\n  - reply:\n      - call: {respond: {}}\n"


class Server(chatkit.server.ChatKitServer[Any]):
    """The server of a test: its requests go to a project of ours, which calls its methods."""

    async def process(self, request: str | bytes | bytearray, context: Any) -> Any:
        current_request.set(json.loads(request))
        project = getattr(self, "_project", None)
        if project is None:
            project = self._project = await self._start()
        return await project.server.process(request, context, user=context.user_id)

    async def _start(self) -> Any:
        name = f"server-{len(servers)}"
        servers[name] = self
        folder = Path(tempfile.mkdtemp())
        (folder / "agents.yaml").write_text(json.dumps(PROJECT))
        (folder / "script.yaml").write_text(SCRIPT)
        (folder / "bridge.py").write_text(CODE.replace("{name!r}", repr(name)))
        project = load(folder)
        await project.open()
        return project

    async def answer(self, context: RuntimeContext) -> str:
        """Send the events of `respond`."""
        message = await _message_of_turn(context)
        async for event in self.respond(context.thread, message, context.request_context):
            await context.stream(event)
        return ""


async def _message_of_turn(context: RuntimeContext) -> UserMessageItem | None:
    request = current_request.get()
    if request["type"] == "threads.retry_after_item":
        item = await context.store.load_item(context.thread.id, request["params"]["item_id"], None)
        assert isinstance(item, UserMessageItem)
        return item
    if request["type"] not in ("threads.create", "threads.add_user_message"):
        return None
    page = await context.store.load_thread_items(context.thread.id, None, 20, "desc", None)
    return next((item for item in page.data if isinstance(item, UserMessageItem)), None)


def make_context(client_tool_call: Any = None, **fields: Any) -> RuntimeContext:
    """Make our context in the place of an AgentContext."""
    context = new_context(RuntimeContext, TurnState({}, {}), **fields)
    if client_tool_call is not None:
        context.client_tool_call = client_tool_call
    return context


async def stream_agent_response(context: RuntimeContext, result: Any, *, converter: Any = None) -> AsyncIterator[Any]:
    """Convert a run by our stream."""
    converter = converter or chatkit.agents.ResponseStreamConverter()
    run = RunEvents(context, converter, (), Agent(name="test"))
    for event in result._event_queue._queue:
        # The mock of an item, which has no more than the names of its class.
        if event.__class__.__name__ == "RunItemStreamEvent" and not hasattr(event.item, "raw_item"):
            event.item.raw_item = None
    events = run.events(result)
    while True:
        try:
            # An event that never comes is no event: these tests wait for it without a limit.
            async with asyncio.timeout(WAIT_S):
                event = await anext(events)
        except StopAsyncIteration:
            return
        yield event.event() if isinstance(event, TextDelta) else event


def _module(name: str, **names: Any) -> None:
    sys.modules[name] = made = modules.ModuleType(name)
    vars(made).update(names)


_module("helpers")
_module("helpers.mock_store", SQLiteStore=OurStore)
_module("tests._types", RequestContext=RequestContext)
chatkit.server.ChatKitServer = Server  # type: ignore[misc]
chatkit.agents.AgentContext = make_context  # type: ignore[assignment,misc]
chatkit.agents.stream_agent_response = stream_agent_response
chatkit.agents.ThreadItemConverter = RuntimeConverter  # type: ignore[misc]
