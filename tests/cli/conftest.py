"""A ChatKit server with the answers of a test, and the command line called in this process."""

from __future__ import annotations

import io
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.app import run
from runtime.cli.uvicorn_server import app_in_background

SMALL = "version: 1\nmodels: {default: {scripted: script.yaml}}\nagents: {helper: {instructions: Help.}}\n"


@dataclass
class FakeServer:
    """Answers each POST with the next of `answers`: a list of events, a JSON value, or `(status, value)`."""

    url: str = ""
    answers: deque[Any] = field(default_factory=deque)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    screen: dict[str, Any] = field(default_factory=dict)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
        elif scope["method"] == "GET":
            await _send_json(send, 200, {"startScreen": self.screen})
        else:
            self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
            self.requests.append(json.loads(await _body(receive)))
            await self._answer(send, self.answers.popleft())

    async def _answer(self, send: Any, answer: Any) -> None:
        if not isinstance(answer, list):
            status, value = answer if isinstance(answer, tuple) else (200, answer)
            await _send_json(send, status, value)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for event in answer:
            if isinstance(event, Exception):
                raise event
            # Split in the middle: a client has to put the pieces together.
            text = f": ping\n\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
            for part in (text[:20], text[20:]):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _send_json(send: Any, status: int, value: Any) -> None:
    body = json.dumps(value).encode()
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def server() -> Iterator[FakeServer]:
    fake = FakeServer()
    with app_in_background(fake) as base:
        fake.url = f"{base}/chatkit"
        yield fake


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run the command line in this process; `stdin` is what is piped, `typed` what a person types."""

    def call(*arguments: str, stdin: str = "", typed: list[str] | None = None) -> Ran:
        stream = io.StringIO(stdin)
        if typed is not None:
            lines = iter(typed)
            monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
            monkeypatch.setattr("builtins.input", lambda prompt="": _next_line(lines, prompt))
        monkeypatch.setattr("sys.stdin", stream)
        capsys.readouterr()
        code = run(arguments)
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return call


def _next_line(lines: Iterator[str], prompt: str) -> str:
    sys.stdout.write(prompt)
    line = next(lines, None)
    if line is None:
        raise EOFError
    if line == "^C":
        raise KeyboardInterrupt
    sys.stdout.write(f"{line}\n")
    return line


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small offline project; the working folder is the one that contains it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "agents.yaml").write_text(SMALL + "store: memory\n")
    (folder / "script.yaml").write_text("otherwise: I am here.\n")
    return folder
