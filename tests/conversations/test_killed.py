"""A server is killed (SIGKILL) while 16 clients read its answers; another process on the same store goes on.

CHATKIT_TEST_KILLS is the number of kills on each database; with `-s` the figures are printed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conversations.conftest import write_project
from tests.conversations.killed_server import CODE, WORDS, project
from tests.conversations.talking import user_input
from tests.forked import ForkedProcess

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
KILLS = int(os.environ.get("CHATKIT_TEST_KILLS", "3"))
CLIENTS = 16
LEASE_S = 2.0
TEXT = " ".join(WORDS)
SERVE = "tests.conversations.killed_server:serve"


@dataclass
class Conversation:
    """What a client knows of its thread: the messages that were acknowledged, and the text of the last answer."""

    thread: str = ""
    acknowledged: list[str] = field(default_factory=list)
    pieces: list[tuple[float, str]] = field(default_factory=list)

    def hear(self, event: dict[str, Any], message: str) -> None:
        if event["type"] == "thread.created":
            self.thread = event["thread"]["id"]
        if event["type"] == "thread.item.done" and event["item"]["type"] == "user_message":
            self.acknowledged.append(message)
            self.pieces.clear()
        if delta := event.get("update", {}).get("delta"):
            self.pieces.append((time.monotonic(), delta))


@contextmanager
def _serving(folder: Path, ledger: Path) -> Iterator[tuple[ForkedProcess, str]]:
    environ = {**os.environ, "LEDGER": str(ledger), "WORDS": TEXT}
    process, reader = ForkedProcess([str(LEASE_S)], folder, environ, program=SERVE), None
    try:
        heard = []
        for line in process.stdout:
            heard.append(line)
            if line.startswith("serving "):
                # Its log would fill the pipe, and the server would wait for ever.
                reader = threading.Thread(target=process.stdout.read)
                reader.start()
                yield process, line.split()[1]
                break
        else:
            pytest.fail("".join(heard))
    finally:
        process.kill()
        process.wait()
        if reader is not None:
            reader.join()
        process.stdout.close()


async def _events(http: httpx.AsyncClient, url: str, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    async with http.stream("POST", f"{url}/chatkit", json=request) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def _orders(name: str) -> Iterator[str]:
    return (f"{name}-{number}" for number in itertools.count())


def _request(thread: str, text: str) -> dict[str, Any]:
    if not thread:
        return {"type": "threads.create", "params": {"input": user_input(text)}}
    return {"type": "threads.add_user_message", "params": {"thread_id": thread, "input": user_input(text)}}


async def _talk(http: httpx.AsyncClient, url: str, conversation: Conversation, orders: Iterator[str]) -> None:
    while True:
        order = next(orders)
        async for event in _events(http, url, _request(conversation.thread, order)):
            conversation.hear(event, order)


async def _items(http: httpx.AsyncClient, url: str, thread: str) -> list[dict[str, Any]]:
    params = {"thread_id": thread, "order": "asc", "limit": 100}
    response = await http.post(f"{url}/chatkit", json={"type": "items.list", "params": params})
    assert response.status_code == 200, response.text
    return list(response.json()["data"])


async def _check(
    http: httpx.AsyncClient, url: str, conversation: Conversation, killed_at: float, done: set[str]
) -> float:
    """Let a conversation go on at another process, and check its thread; return the seconds of text that were lost."""
    said = [event async for event in _events(http, url, _request(conversation.thread, "go on"))]
    assert not [event for event in said if event["type"] == "error"], said
    items = await _items(http, url, conversation.thread)
    assert max(Counter(item["id"] for item in items).values()) == 1
    texts = [(item["type"], item["content"][0]["text"]) for item in items if "content" in item]
    messages = [text for kind, text in texts if kind == "user_message" and text != "go on"]
    # The last message may have been stored without having been acknowledged.
    assert messages[: len(conversation.acknowledged)] == conversation.acknowledged
    assert len(messages) <= len(conversation.acknowledged) + 1
    answers = [text for kind, text in texts if kind == "assistant_message" and not text.startswith("knows ")]
    assert all(TEXT.startswith(answer) for answer in answers)
    known = texts[-1][1].removeprefix("knows ").split(",")
    assert done & set(messages) <= set(known), "a tool that has run is not in the history"
    whole = "".join(piece for _, piece in conversation.pieces)
    cards = [item for item in items if item["type"] == "widget"]
    if whole != TEXT and conversation.pieces:
        assert cards, "an answer was cut off, and nobody is told"
    shown = answers[-1] if answers and whole != TEXT and answers[-1] != TEXT else whole
    missing = [at for at, text in _ends(conversation) if len(text) > len(shown)]
    return max(killed_at - missing[0], 0.0) if missing else 0.0


def _ends(conversation: Conversation) -> Iterator[tuple[float, str]]:
    text = ""
    for at, piece in conversation.pieces:
        text += piece
        yield at, text


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=NEEDS_POSTGRES)])
async def test_what_was_acknowledged_is_there_and_every_thread_goes_on(tmp_path: Path, database: str) -> None:
    url = f"sqlite:///{tmp_path}/threads.db" if database == "sqlite" else str(POSTGRES)
    folder, ledger, chance = tmp_path / "project", tmp_path / "ledger", random.Random(0)
    write_project(folder, project(url), {"acts.py": CODE})
    ledger.touch()
    lost: list[float] = []
    with _serving(folder, ledger) as (_, other):
        # A connection that is kept may be closed by the server in the moment of its next use.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(timeout=180, trust_env=False, limits=limits) as http:
            for kill in range(KILLS):
                conversations = [Conversation() for _ in range(CLIENTS)]
                with _serving(folder, ledger) as (process, doomed):
                    orders = [_orders(f"{kill}-{n}") for n in range(CLIENTS)]
                    clients = [
                        asyncio.create_task(_talk(http, doomed, *pair))
                        for pair in zip(conversations, orders, strict=True)
                    ]
                    # A server on a busy machine takes a while until it answers at all.
                    async with asyncio.timeout(180):
                        while not any(conversation.acknowledged for conversation in conversations):  # noqa: ASYNC110
                            await asyncio.sleep(0.01)
                    await asyncio.sleep(chance.uniform(0.1, 4.0))
                    process.kill()
                    killed_at = time.monotonic()
                    for client in clients:
                        with suppress(httpx.HTTPError):
                            await client
                refunds = ledger.read_text().split()
                assert len(refunds) == len(set(refunds)), "a tool has run twice"
                began = [conversation for conversation in conversations if conversation.thread]
                checks = (_check(http, other, conversation, killed_at, set(refunds)) for conversation in began)
                lost += await asyncio.gather(*checks)
    most = 1000 * max(lost, default=0.0)
    sys.stdout.write(f"{database}: {KILLS} kills, {len(lost)} threads, at most {most:.0f} ms of text lost\n")
    assert lost
