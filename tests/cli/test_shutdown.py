"""A signal in the middle of an answer: its reader gets the end of a stream, and the thread keeps what was said."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from runtime.server.turns.chatkit_server import RESTARTING
from runtime.testing import parse_events
from tests.cli.test_serve import serving
from tests.conversations.talking import texts, user_input

CONFIG = """
version: 1
models: {default: {scripted: script.yaml}}
agents: {helper: {instructions: Help., tools: [hang]}}
tools: {hang: "acts:hang"}
store: sqlite:///threads.db
server: {grace: GRACE}
"""
SCRIPT = f"""
turns:
  - user: slowly
    reply: {{say: one two{" and so on" * 2000}, delay: 50ms}}
  - user: briefly
    reply: {{say: one two three four five six, delay: 50ms}}
  - user: hang
    reply: {{call: hang}}
"""
ACTS = """
import sys
import threading

def hang() -> str:
    "Hang."
    sys.stdout.write("hanging\\n")
    sys.stdout.flush()
    threading.Event().wait()
    return "never"
"""
ENDED = {"type": "error", "code": "custom", "message": RESTARTING, "allow_retry": True}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agents.yaml").write_text(CONFIG.replace("GRACE", "0s"))
    (tmp_path / "script.yaml").write_text(SCRIPT)
    (tmp_path / "acts.py").write_text(ACTS)
    return tmp_path


class Reader:
    """Reads a stream up to where a test wants it."""

    def __init__(self, answer: httpx.Response) -> None:
        self._body = b""
        self._chunks = answer.iter_raw()

    def until(self, words: str) -> None:
        """Read until these words have come."""
        while words not in answer_text(self.events):
            self._body += next(self._chunks)

    def rest(self) -> list[dict[str, Any]]:
        """Every event; a connection that is cut before the stream's end raises."""
        self._body += b"".join(self._chunks)
        return self.events

    @property
    def events(self) -> list[dict[str, Any]]:
        return parse_events(self._body[: self._body.rfind(b"\n\n") + 2])


def answer_text(events: list[dict[str, Any]]) -> str:
    return "".join(event["update"].get("delta", "") for event in events if event["type"] == "thread.item.updated")


@contextmanager
def asking(url: str, text: str) -> Iterator[Reader]:
    request = {"type": "threads.create", "params": {"input": user_input(text)}}
    with httpx.Client(trust_env=False, timeout=180) as client, client.stream("POST", url, json=request) as answer:
        assert answer.status_code == 200
        yield Reader(answer)


def ask(url: str, kind: str, **params: Any) -> httpx.Response:
    answer = httpx.post(url, json={"type": kind, "params": params}, trust_env=False, timeout=180)
    assert answer.status_code == 200, answer.text
    return answer


def _items(url: str, thread: str) -> list[dict[str, Any]]:
    return list(ask(url, "items.list", thread_id=thread, order="asc").json()["data"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_an_answer_that_takes_too_long_ends_as_an_error_and_its_beginning_is_kept(
    folder: Path, number: int, code: int
) -> None:
    with serving(folder, "serve") as server, asking(server.url, "slowly") as reader:
        reader.until("one two")
        assert server.stop(number) == (code, "")
        events = reader.rest()
    assert events[-1] == ENDED
    assert [event["type"] for event in events].count("error") == 1
    thread, said = events[0]["thread"]["id"], answer_text(events)

    (folder / "script.yaml").write_text("otherwise: All of it.\n")
    with serving(folder, "serve") as server:
        items = _items(server.url, thread)
        assert [item["type"] for item in items] == ["user_message", "assistant_message"]
        assert texts(items[1:]) == [said]
        assert "cancel" not in json.dumps(items).lower()
        ask(server.url, "threads.retry_after_item", thread_id=thread, item_id=items[0]["id"])
        assert texts(_items(server.url, thread)[1:]) == ["All of it."]


def test_an_answer_that_ends_within_the_limit_arrives_whole(folder: Path) -> None:
    (folder / "agents.yaml").write_text(CONFIG.replace("GRACE", "1h"))
    with serving(folder, "serve") as server, asking(server.url, "briefly") as reader:
        reader.until("one")
        assert server.stop(signal.SIGTERM) == (0, "")
        events = reader.rest()
    assert [event for event in events if event["type"] == "error"] == []
    assert events[-1]["type"] == "thread.item.done"
    assert answer_text(events) == "one two three four five six"


def test_a_message_that_comes_while_the_server_ends_is_refused(folder: Path) -> None:
    (folder / "agents.yaml").write_text(CONFIG.replace("GRACE", "1h"))
    with serving(folder, "serve") as server, asking(server.url, "slowly") as reader:
        reader.until("one two")
        at = urlsplit(server.url)
        body = json.dumps({"type": "threads.create", "params": {"input": user_input("briefly")}}).encode()
        head = f"POST {at.path} HTTP/1.1\r\nhost: {at.netloc}\r\ncontent-type: application/json\r\n"
        with socket.create_connection((at.hostname, at.port), timeout=180) as late:
            late.sendall(f"{head}content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n".encode())
            assert late.recv(65536).startswith(b"HTTP/1.1 100")
            server.process.send_signal(signal.SIGTERM)
            _wait_until_nobody_listens(str(at.hostname), at.port or 0)
            late.sendall(body)
            answer = b"".join(iter(lambda: late.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 503")
        assert b'"shutting_down"' in answer


def _wait_until_nobody_listens(host: str, port: int) -> None:
    for _ in range(18_000):
        try:
            socket.create_connection((host, port), timeout=180).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    pytest.fail("the server still accepts connections")


def test_a_plain_tool_that_hangs_is_named_and_does_not_hold_up_the_end(folder: Path) -> None:
    with serving(folder, "serve") as server, asking(server.url, "hang") as reader:
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == "hanging\n"
        code, out = server.stop(signal.SIGTERM)
        events = reader.rest()
    assert (code, out) == (0, "acts:hang is still running in a thread: the server exits without waiting for it\n")
    assert events[-1] == ENDED
