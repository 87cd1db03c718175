"""Talk to a ChatKit server over HTTP and note down what it answers, in a form that two servers can be compared by."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

Event = dict[str, Any]
CLICK_DEFAULTS = {"handler": "server", "loadingBehavior": "auto", "streaming": True}
"""What ChatKit takes where a click leaves it out: widgets made of Python classes write it down, templates need not."""
ID_KEYS = {"id", "item_id", "thread_id", "call_id", "after", "request_id"}


class Reader:
    """What a caller has read so far of the stream that is open, for those who must not run ahead of it."""

    def __init__(self) -> None:
        self._text = ""
        self._news = threading.Condition()

    def begin(self) -> None:
        with self._news:
            self._text = ""

    def feed(self, chunk: str) -> None:
        with self._news:
            self._text += chunk
            self._news.notify_all()

    def await_done(self, text: str) -> None:
        """Return once the message with this text is done; raise TimeoutError where that does not happen."""
        said = json.dumps(text)

        def is_done() -> bool:
            return any('"thread.item.done"' in line and said in line for line in self._text.splitlines())

        with self._news:
            if not self._news.wait_for(is_done, timeout=180):
                raise TimeoutError(f"the client was not told {said}")


@dataclass(frozen=True)
class Exchange:
    """One request by its name, and everything that came back: a stream's events, or one JSON body."""

    name: str
    status: int
    events: tuple[Event, ...]


@dataclass
class Caller:
    """A client of one server; `exchanges` holds what was said, ids and times made comparable."""

    http: httpx.AsyncClient
    reader: Reader
    exchanges: list[Exchange] = field(default_factory=list)
    _ids: dict[str, str] = field(default_factory=dict)

    async def chat(self, name: str, kind: str, params: Any = None, customer: str = "ida") -> list[Event]:
        """Post a ChatKit request; return its raw events, or its one JSON body as a list of one."""
        body = json.dumps({"type": kind, **({} if params is None else {"params": params})})
        return await self.post(name, body, customer)

    async def post(self, name: str, body: str, customer: str = "ida") -> list[Event]:
        headers = {"content-type": "application/json", "x-customer": customer, "x-desk": "harbour"}
        text = ""
        self.reader.begin()
        async with self.http.stream("POST", "/chatkit", content=body, headers=headers) as response:
            try:
                async for chunk in response.aiter_text():
                    text += chunk
                    self.reader.feed(chunk)
            except httpx.RemoteProtocolError:
                text += 'data: {"broken": "the connection closed in the middle of the stream"}\n\n'
        return self._note(name, response, text)

    async def get(self, name: str, path: str, customer: str = "ida") -> list[Event]:
        response = await self.http.get(path, headers={"x-customer": customer})
        return self._note(name, response, response.text)

    async def put(self, url: str, content: bytes, mime_type: str) -> int:
        """Upload something to an address that the server has given; return the status."""
        response = await self.http.put(url, content=content, headers={"content-type": mime_type})
        return response.status_code

    def _note(self, name: str, response: httpx.Response, text: str) -> list[Event]:
        content_type = response.headers.get("content-type", "")
        if content_type.startswith("text/event-stream"):
            events = [
                json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")
            ]
        elif content_type.startswith("application/json"):
            body = json.loads(text)
            events = [body if isinstance(body, dict) else {"body": body}]
        else:
            events = [{"text": text}]
        comparable = (self._comparable(event) for event in events)
        self.exchanges.append(Exchange(name, response.status_code, _title_last([*comparable])))
        return events

    def _comparable(self, value: Any, key: str = "") -> Any:
        """Number ids in the order in which they appear, and blank out times and durations, which are checked."""
        if isinstance(value, dict):
            if key.startswith("on") and key.endswith("Action"):
                value = {**CLICK_DEFAULTS, **value}
            return {name: self._comparable(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._comparable(inner) for inner in value]
        if key == "duration" and isinstance(value, int):
            return "a duration"
        if not isinstance(value, str):
            return value
        if key.endswith("url") and value.startswith("http://127.0.0.1:"):
            return "an address of the server's own"
        if key == "created_at":
            datetime.fromisoformat(value)
            return "a time"
        if key in ID_KEYS:
            return self._ids.setdefault(value, f"#{len(self._ids) + 1}")
        for known, number in self._ids.items():
            if len(known) > 8:
                value = value.replace(known, number)
        return value


def _title_last(events: list[Event]) -> tuple[Event, ...]:
    """Move the news of a new thread's title to the end: when it comes depends on how fast the title's model is."""
    is_new = events[0].get("type") == "thread.created" if events else False
    titles = [event for event in events if is_new and event.get("type") == "thread.updated"]
    return (*(event for event in events if event not in titles), *titles)
