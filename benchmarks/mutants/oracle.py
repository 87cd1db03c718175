"""Run a project as a browser would use it: build it, start it, and chat.

The conversations send each start prompt of the sample, call the other tools, reach the other agent, return the result
of the browser's tool, and click on every button. The delays of the script are skipped.
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
"""The whole environment of a mutant, for the checks and for the run."""
CONVERSATIONS = (
    ("Find me an easy trail",),
    ("Add water to my packing list",),
    ("What's the weather on Saturday?",),
    ("What boots should I wear?", "The conditions for Saturday?"),
    ("Where am I?",),
)
"""The messages of each thread."""
LOCATION = {"city": "Lakeside"}
"""The result of the browser's tool, for any name: which names the browser knows is not in the project."""


class Broken(Exception):
    """The project fails: `step` is where, `reason` is why."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step, self.reason = step, reason


def try_out(folder: Path) -> dict[str, Any]:
    """Build and use the project; return the `step` that failed and its `reason`, or None for both."""
    _isolate()
    try:
        asyncio.run(_try_out(folder))
    except Broken as broken:
        return {"step": broken.step, "reason": broken.reason}
    return {"step": None, "reason": None}


async def _try_out(folder: Path) -> None:
    from runtime.server.app import build_app
    from runtime.server.generations.project_source import read_project
    from runtime.server.runtime import build_runtime
    from runtime.server.settings import ServerSettings

    warnings = _Warnings()
    logging.getLogger("runtime").addHandler(warnings)
    try:
        # As `dev` serves it: without `auth`, everybody is the local user.
        settings = ServerSettings(local_user="default", offline=True)
        app = build_app(build_runtime(read_project(folder, ENVIRON), ENVIRON, settings))
    except (Exception, SystemExit) as error:
        if _lacks_only_a_key(error):
            return
        raise Broken("build", _first_line(error)) from error
    try:
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                browser = _Browser(http, app.state.runtime.config.server.path, warnings)
                for messages in CONVERSATIONS:
                    await browser.talk(messages)
    except Broken:
        raise
    except (Exception, SystemExit) as error:
        raise Broken("open", _first_line(error)) from error


class _Browser:
    def __init__(self, http: httpx.AsyncClient, path: str, warnings: _Warnings) -> None:
        self._http, self._path, self._warnings = http, path, warnings

    async def talk(self, messages: tuple[str, ...]) -> None:
        """Send messages in a new thread, and click on every button of the answers."""
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
            # The sample sends no notice: the runtime sends one for a button without a handler.
            if event["type"] in ("error", "notice"):
                raise Broken(step, str(event.get("message") or event))
        return events

    async def _post(self, step: str, kind: str, **params: Any) -> bytes:
        try:
            answer = await self._http.post(self._path, json={"type": kind, "params": params})
        except Exception as error:
            raise Broken(step, _first_line(error)) from error
        if self._warnings.reasons:
            raise Broken(step, self._warnings.reasons[0])
        if answer.status_code >= 400:
            raise Broken(step, f"{answer.status_code} {answer.text[:200]}")
        return answer.content


class _Warnings(logging.Handler):
    """Collects the warnings of the runtime: a tool, a turn or a title that failed."""

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


def _lacks_only_a_key(error: BaseException) -> bool:
    """Return whether the project needs a key of this machine, and nothing else: then the files are not wrong."""
    codes = {diagnostic.code for diagnostic in getattr(error, "diagnostics", ()) if diagnostic.severity == "error"}
    return codes == {"A625"}


def _first_line(error: BaseException) -> str:
    diagnostics = getattr(error, "diagnostics", None)
    text = str(diagnostics[0]) if diagnostics else str(error)
    return text if diagnostics else f"{type(error).__name__}: {text}"[:400]


def _isolate() -> None:
    """Refuse connections in this process, and skip the delays of the script."""
    from runtime.assemble import scripted_events as script_events

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo"):
            raise OSError(f"a mutant wanted to speak to {arguments[1 if event == 'socket.connect' else 0]!r}")

    sys.addaudithook(refuse)

    async def skip(delay_s: float) -> None:
        await asyncio.sleep(0)

    vars(script_events)["asyncio"] = SimpleNamespace(sleep=skip)
