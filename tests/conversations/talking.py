"""A client of an ASGI app in this process: it reads a stream while it is written, and can go away in its middle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.testing import parse_events

Event = dict[str, Any]
PATIENCE_S = 180.0
_running: dict[asyncio.Task[None], Exchange] = {}


def leave_all() -> None:
    """Let the clients go away whose answers are still being written: a server waits for them before it closes."""
    for exchange in _running.values():
        exchange.leave()


class Exchange:
    """One request and what has come back so far; `broken` is what the app raised, as a client sees a cut connection."""

    def __init__(self, body: bytes) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.chunks: list[bytes] = []
        self.complete = False
        self.broken: BaseException | None = None
        self.known_thread = ""
        self._request: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
        self._left = asyncio.Event()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, app: Any, scope: dict[str, Any]) -> None:
        self._task = asyncio.create_task(self._run(app, scope))
        # The loop holds tasks weakly: without this, an exchange whose result nobody keeps could be collected midway.
        _running[self._task] = self
        self._task.add_done_callback(_running.pop)

    async def _run(self, app: Any, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:
            self.broken = error
        finally:
            self._left.set()
            self._news.set()

    async def _receive(self) -> dict[str, Any]:
        if self._request:
            return self._request.pop()
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            if not self._left.is_set():
                self.chunks.append(message.get("body", b""))
                self.body += message.get("body", b"")
            if not message.get("more_body", False):
                self.complete = True
                self._left.set()
        self._news.set()

    def leave(self) -> None:
        """Go away, as a browser does whose tab is closed."""
        self._left.set()

    async def until(self, said: Callable[[Exchange], Any]) -> Exchange:
        """Wait until what has come makes `said` true; raise AssertionError where the answer ends without."""
        async with asyncio.timeout(PATIENCE_S):
            while not said(self):
                assert self._task is not None
                assert not self._task.done(), f"the answer ended without it: {self.status} {self.body.decode()}"
                self._news.clear()
                await self._news.wait()
        return self

    async def end(self) -> Exchange:
        """Wait until the app is done with the request."""
        assert self._task is not None
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait({self._task})
        return self

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a request that was refused."""
        assert self.headers["content-type"] == "application/json", self.body
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"code", "message", "request_id"}
        assert error["request_id"] == self.headers["x-request-id"]
        return error

    @property
    def events(self) -> list[Event]:
        whole = self.body[: self.body.rfind(b"\n\n") + 2]
        return parse_events(whole)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def thread_id(self) -> str:
        if self.known_thread:
            return self.known_thread
        event = next(event for event in self.events if event["type"] == "thread.created")
        return str(event["thread"]["id"])

    def of(self, kind: str) -> list[Event]:
        """The events of this type."""
        return [event for event in self.events if event["type"] == kind]

    def done(self, kind: str) -> list[dict[str, Any]]:
        """The items of this type that are done."""
        return [event["item"] for event in self.of("thread.item.done") if event["item"]["type"] == kind]

    @property
    def said(self) -> list[str]:
        """The texts of the assistant's messages."""
        return texts(self.done("assistant_message"))

    @property
    def deltas(self) -> str:
        """All pieces of text that have come so far."""
        updates = [event["update"] for event in self.of("thread.item.updated")]
        return "".join(update.get("delta", "") for update in updates)


def texts(items: list[dict[str, Any]]) -> list[str]:
    return ["".join(part["text"] for part in item["content"]) for item in items]


@dataclass
class Client:
    """Speaks the ChatKit protocol to an app; `headers` go with every request."""

    app: Any
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/chatkit"

    def start(self, body: bytes, headers: Mapping[str, str] | None = None, path: str | None = None) -> Exchange:
        """Send a body and return at once."""
        return self.request("POST", path or self.path, body, headers)

    def request(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Exchange:
        path, _, query = path.partition("?")
        named = {"host": "localhost", "content-type": "application/json", **self.headers, **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in named.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
            "state": {},
        }
        exchange = Exchange(body)
        exchange.begin(self.app, scope)
        return exchange

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Exchange:
        return await self.request("GET", path, headers=headers).end()

    def ask(self, kind: str, headers: Mapping[str, str] | None = None, /, **params: Any) -> Exchange:
        """Send a request of the protocol and return at once."""
        return self.start(json.dumps({"type": kind, "params": params}).encode(), headers)

    async def call(self, kind: str, headers: Mapping[str, str] | None = None, /, **params: Any) -> Exchange:
        """Send a request of the protocol and wait for the whole answer."""
        return await self.ask(kind, headers, **params).end()

    def begin(self, text: str, thread: str | None = None, **more: Any) -> Exchange:
        """Say something, in a new thread or an old one, and return at once."""
        message = user_input(text, **more)
        if thread is None:
            return self.ask("threads.create", input=message)
        return self.ask("threads.add_user_message", thread_id=thread, input=message)

    async def say(self, text: str, thread: str | None = None, **more: Any) -> Exchange:
        """Say something and wait for the whole answer."""
        return await self.begin(text, thread, **more).end()

    async def items(self, thread: str) -> list[dict[str, Any]]:
        """The items of a thread that its user sees, oldest first."""
        listed = await self.call("items.list", thread_id=thread, order="asc", limit=100)
        assert listed.status == 200, listed.body
        return list(listed.json["data"])

    async def act(self, thread: str, kind: str, payload: Any = None, item: str | None = None) -> Exchange:
        return await self.call(
            "threads.custom_action", thread_id=thread, item_id=item, action={"type": kind, "payload": payload}
        )

    async def act_now(self, thread: str, kind: str, payload: Any = None, item: str | None = None) -> Exchange:
        return await self.call(
            "threads.sync_custom_action", thread_id=thread, item_id=item, action={"type": kind, "payload": payload}
        )

    async def ask_feedback(self, thread: str, item: str) -> Exchange:
        feedback = {"type": "items.feedback", "params": {"thread_id": thread, "item_ids": [item], "kind": "positive"}}
        return await self.start(json.dumps(feedback).encode()).end()

    async def result(self, thread: str, result: Any) -> Exchange:
        return await self.call("threads.add_client_tool_output", thread_id=thread, result=result)


def user_input(text: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}, **more}
