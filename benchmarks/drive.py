"""What every measurement does: requests, connections that carry them, and the checks of what came back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.children import Child
from benchmarks.client import Answer, BenchmarkError, Connection
from benchmarks.project.zero import TEXT

_TEXT = TEXT.encode()
_ERROR = b'"type":"error"'

Message = dict[str, Any]


@asynccontextmanager
async def connections_to(child: Child, count: int) -> AsyncIterator[list[Connection]]:
    """Open `count` connections for the block."""
    connections = [await Connection.open(child.port) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def drive(connections: list[Connection], messages: Iterable[Message]) -> list[Answer]:
    """Send the messages, as many at a time as there are connections."""
    queue = iter(messages)
    lists = await asyncio.gather(*(_work(connection, queue) for connection in connections))
    return [answer for answers in lists for answer in answers]


async def _work(connection: Connection, queue: Iterator[Message]) -> list[Answer]:
    return [await connection.post(message) for message in queue]


async def check_answers(child: Child) -> int:
    """Hold a turn, a tool turn and what was stored against what they must be; return the events of a plain turn."""
    async with connections_to(child, 1) as [connection]:
        plain = await connection.post(create_thread("plain"))
        tool = await connection.post(create_thread("tool"))
        check_turns([plain, tool])
        stored = await connection.post(list_items(thread_id_of(plain)))
    streamed = "".join(
        event["update"]["delta"]
        for event in plain.events
        if event.get("update", {}).get("type") == "assistant_message.content_part.text_delta"
    )
    if streamed != TEXT or not widgets_of(tool) or stored.content.count(_TEXT) != 1:
        raise BenchmarkError(f"the server {child.name!r} does not stream or store what the model said")
    return len(plain.events)


def check_turns(answers: Iterable[Answer]) -> None:
    """Raise BenchmarkError for an answer that lacks its text or holds an error."""
    for answer in answers:
        if answer.status != 200 or _TEXT not in answer.content or _ERROR in answer.content:
            raise BenchmarkError(f"a turn failed with status {answer.status}: {answer.content[-500:]!r}")


def widgets_of(answer: Answer) -> list[dict[str, Any]]:
    """The items with a widget in a stream."""
    return [event["item"] for event in answer.events if event.get("item", {}).get("type") == "widget"]


def thread_id_of(answer: Answer) -> str:
    """The thread that a turn created."""
    created = next((event for event in answer.events if event["type"] == "thread.created"), None)
    if created is None:
        raise BenchmarkError(f"no thread was created: {answer.content[-500:]!r}")
    return str(created["thread"]["id"])


def create_thread(command: str) -> Message:
    """Return the request that says `command` in a thread of its own."""
    return {"type": "threads.create", "params": {"input": _input(command)}}


def add_message(thread_id: str, command: str) -> Message:
    """Return the request that says `command` in a thread that is there."""
    return {"type": "threads.add_user_message", "params": {"thread_id": thread_id, "input": _input(command)}}


def list_items(thread_id: str) -> Message:
    """Return the request for the first items of a thread."""
    return {"type": "items.list", "params": {"thread_id": thread_id, "limit": 20, "order": "asc"}}


def read_requests(thread_id: str, limit: int = 20) -> dict[str, Message]:
    """Return what a page asks for when it opens, by the type of the request; all answers name the thread."""
    return {
        "threads.list": {"type": "threads.list", "params": {"limit": limit}},
        "threads.get_by_id": {"type": "threads.get_by_id", "params": {"thread_id": thread_id}},
        "items.list": list_items(thread_id),
    }


def check_reads(child: Child, request: str, thread_id: str, answers: Iterable[Answer]) -> None:
    """Raise BenchmarkError for an answer to one of `read_requests` that does not name the thread."""
    if any(answer.status != 200 or thread_id.encode() not in answer.content for answer in answers):
        raise BenchmarkError(f"the server {child.name!r} does not answer {request}")


def _input(command: str) -> Message:
    content = [{"type": "input_text", "text": command}]
    return {"content": content, "attachments": [], "quoted_text": "", "inference_options": {}}
