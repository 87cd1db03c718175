"""What really happens to a project: it is built, opened and talked to, as a browser would.

The conversation begins with each start prompt of the sample, asks what leads to the other tools and to the other
agent, gives the browser's tool its result, and clicks on every button that it is shown. The script's pauses are left
out: they change when something is said, and never whether.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

ENVIRON = {"CHATKIT_STORE": "memory"}
"""The whole environment of a mutant, when it is checked and when it runs."""
CONVERSATIONS = (
    ("Find me an easy trail",),
    ("Add water to my packing list",),
    ("What's the weather on Saturday?",),
    ("What boots should I wear?", "The conditions for Saturday?"),
    ("Where am I?",),
)
"""What is said, one thread after the other."""
LOCATION = {"city": "Lakeside"}
"""What the browser's tool answers, whatever its name: a name that no browser knows can't be told from another."""


class Broken(Exception):
    """The project does not do what it should: `step` is where, `reason` is why."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step, self.reason = step, reason


def try_out(folder: Path) -> dict[str, Any]:
    """Build the project and talk to it; return the `step` that failed and its `reason`, or neither."""
    _stay_here()
    try:
        asyncio.run(_try_out(folder))
    except Broken as broken:
        return {"step": broken.step, "reason": broken.reason}
    return {"step": None, "reason": None}


async def _try_out(folder: Path) -> None:
    from runtime import create_app

    noted = _Noted()
    logging.getLogger("runtime").addHandler(noted)
    try:
        app = create_app(folder, environ=ENVIRON)
    except (Exception, SystemExit) as error:
        raise Broken("build", _first_line(error)) from error
    try:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
                browser = _Browser(http, app.state.runtime.config.server.path, noted)
                for messages in CONVERSATIONS:
                    await browser.talk(messages)
    except Broken:
        raise
    except (Exception, SystemExit) as error:
        raise Broken("open", _first_line(error)) from error


class _Browser:
    def __init__(self, http: httpx.AsyncClient, path: str, noted: _Noted) -> None:
        self._http, self._path, self._noted = http, path, noted

    async def talk(self, messages: tuple[str, ...]) -> None:
        """Say one thing after the other in a new thread, and click on all that comes back."""
        thread: str | None = None
        for message in messages:
            step, said = f"turn {message!r}", _user_input(message)
            if thread is None:
                events = await self._stream(step, "threads.create", input=said)
                thread = next(event["thread"]["id"] for event in events if event["type"] == "thread.created")
            else:
                events = await self._stream(step, "threads.add_user_message", thread_id=thread, input=said)
            items = [event["item"] for event in events if event["type"] == "thread.item.done"]
            for item in items:
                if item["type"] == "client_tool_call":
                    step = f"result of {item['name']!r}"
                    await self._stream(step, "threads.add_client_tool_output", thread_id=thread, result=LOCATION)
            for item in items:
                if item["type"] == "widget":
                    await self._click(thread, item)

    async def _click(self, thread: str, item: dict[str, Any]) -> None:
        for action in _actions(item["widget"]):
            if action.get("handler") == "client":
                continue
            if not isinstance(action.get("type"), str):
                raise Broken("click", f"a button's action has no type: {action}")
            clicked = {"type": action["type"], "payload": action.get("payload")}
            params = {"thread_id": thread, "item_id": item["id"], "action": clicked}
            step = f"click {action['type']!r}"
            if action.get("streaming", True):
                await self._stream(step, "threads.custom_action", **params)
            else:
                await self._post(step, "threads.sync_custom_action", **params)

    async def _stream(self, step: str, kind: str, **params: Any) -> list[dict[str, Any]]:
        from runtime.testing import parse_events

        events = parse_events(await self._post(step, kind, **params))
        for event in events:
            # The sample gives no notice of its own: one is the runtime's word that a button is dead.
            if event["type"] in ("error", "notice"):
                raise Broken(step, str(event.get("message") or event))
        return events

    async def _post(self, step: str, kind: str, **params: Any) -> bytes:
        try:
            answer = await self._http.post(self._path, json={"type": kind, "params": params})
        except Exception as error:
            raise Broken(step, _first_line(error)) from error
        if self._noted.reasons:
            raise Broken(step, self._noted.reasons[0])
        if answer.status_code >= 400:
            raise Broken(step, f"{answer.status_code} {answer.text[:200]}")
        return answer.content


class _Noted(logging.Handler):
    """Keeps what the runtime warns of: a tool or a turn that failed, a title that was not made."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.reasons.append(record.getMessage())


def _actions(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every action of a widget."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key.endswith("Action") and isinstance(value, dict):
                yield value
            else:
                yield from _actions(value)
    elif isinstance(part, list):
        for child in part:
            yield from _actions(child)


def _user_input(text: str) -> dict[str, Any]:
    return {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}


def _first_line(error: BaseException) -> str:
    diagnostics = getattr(error, "diagnostics", None)
    text = str(diagnostics[0]) if diagnostics else str(error)
    return text if diagnostics else f"{type(error).__name__}: {text}"[:400]


def _stay_here() -> None:
    """Let this process, a mutant's own, speak to nobody, and wait for nothing that the script says."""
    from runtime.assemble import scripted_events as script_events

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo"):
            raise OSError(f"a mutant wanted to speak to {arguments[1 if event == 'socket.connect' else 0]!r}")

    sys.addaudithook(refuse)

    async def go_on(delay_s: float) -> None:
        await asyncio.sleep(0)

    vars(script_events)["asyncio"] = SimpleNamespace(sleep=go_on)
