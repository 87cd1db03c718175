"""The measurements: each drives one server for a moment and returns what it saw.

Everything is checked after the clock stopped: an answer that lacks its text or holds an error ends the benchmark, so
a server can't be fast by being wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from benchmarks.children import Child
from benchmarks.client import Answer, BenchmarkError, Connection
from benchmarks.project.zero import TEXT

_TEXT = TEXT.encode()
_ERROR = b'"type":"error"'


@dataclass(frozen=True, slots=True)
class Figure:
    """What a number says, under which load, in which unit, which direction is better, and what a run keeps of it."""

    name: str
    case: str
    unit: str
    better: Literal["lower", "higher"] = "lower"
    keep: Literal["median", "sum", "worst"] = "median"


Sample = dict[Figure, float]


async def check_answers(child: Child) -> int:
    """Hold a turn, a tool turn and what was stored against what they must be; return the events of a plain turn."""
    async with _connections(child, 1) as [connection]:
        plain = await connection.post(create_thread("plain"))
        tool = await connection.post(create_thread("tool"))
        _check([plain, tool])
        stored = await connection.post(_items_list(_thread_id(plain)))
    streamed = "".join(
        event["update"]["delta"]
        for event in plain.events
        if event.get("update", {}).get("type") == "assistant_message.content_part.text_delta"
    )
    widgets = [event["item"] for event in tool.events if event.get("item", {}).get("type") == "widget"]
    if streamed != TEXT or not widgets or stored.content.count(_TEXT) != 1:
        raise BenchmarkError(f"the server {child.name!r} does not stream or store what the model said")
    return len(plain.events)


async def measure_turns(child: Child, command: str, streams: int, turns: int) -> Sample:
    """Create `turns` threads with a message each, `streams` at a time."""
    async with _connections(child, streams) as connections:
        cpu_s, began = child.cpu_s, time.perf_counter()
        answers = await _drive(connections, [create_thread(command)] * turns)
        elapsed_s, cpu_s = time.perf_counter() - began, child.cpu_s - cpu_s
    _check(answers)
    case = f"{streams} stream{'s' if streams > 1 else ''}" + (", tool and widget" if command == "tool" else "")
    return {
        Figure("turns per second", case, "1/s", "higher"): turns / elapsed_s,
        Figure("time to first event", case, "ms"): 1000 * median(answer.first_event_s for answer in answers),
        Figure("time to first text", case, "ms"): 1000 * median(answer.first_text_s for answer in answers),
        Figure("CPU per turn", case, "ms"): 1000 * cpu_s / turns,
    }


async def measure_reads(child: Child, requests: int) -> Sample:
    """Ask for the list of threads, one thread, and its items."""
    sample: Sample = {}
    async with _connections(child, 1) as [connection]:
        thread_id = await _fill_thread(connection, 10)
        for case, message in (
            ("threads.list", {"type": "threads.list", "params": {"limit": 20}}),
            ("threads.get_by_id", {"type": "threads.get_by_id", "params": {"thread_id": thread_id}}),
            ("items.list", _items_list(thread_id)),
        ):
            cpu_s = child.cpu_s
            answers = await _drive([connection], [message] * requests)
            sample[Figure("CPU per request", case, "ms")] = 1000 * (child.cpu_s - cpu_s) / requests
            if any(answer.status != 200 or thread_id.encode() not in answer.content for answer in answers):
                raise BenchmarkError(f"the server {child.name!r} does not answer {case}")
    return sample


async def measure_idle(child: Child, streams: int) -> Sample:
    """Hold streams open in the middle of an answer; the first ones also pay for what all share, and are not counted."""
    first = max(streams // 4, 1)
    async with _connections(child, first + streams) as connections:
        await _hold(connections[:first])
        before = child.resident_bytes
        await _hold(connections[first:])
        grown = child.resident_bytes - before
        async with _connections(child, 1) as [releasing]:
            await releasing.post(create_thread("release"))
        _check([await connection.answer() for connection in connections])
    return {Figure("memory per open stream", f"{streams} idle streams", "KiB"): grown / streams / 1024}


async def measure_length(child: Child, items: int, turns: int) -> Sample:
    """Take turns in threads that hold about `items` items already."""
    async with _connections(child, 1) as [connection]:
        # A turn adds two items; a thread is left when it has grown by a tenth.
        per_thread = max(items // 20, 1)
        left, wall_s, cpu_s = turns, [], 0.0
        while left > 0:
            thread_id = await _thread_of(connection, child, items)
            messages = [_add(thread_id, "plain")] * min(per_thread, left)
            cpu_before = child.cpu_s
            answers = await _drive([connection], messages)
            cpu_s += child.cpu_s - cpu_before
            _check(answers)
            wall_s += [answer.total_s for answer in answers]
            left -= len(messages)
    case = f"thread of {items:,} items"
    return {
        Figure("time of a turn", case, "ms"): 1000 * median(wall_s),
        Figure("CPU per turn", case, "ms"): 1000 * cpu_s / turns,
    }


async def _thread_of(connection: Connection, child: Child, items: int) -> str:
    # Long threads are slow to fill and hardly grow: one serves all rounds.
    if items < 1000:
        return await _fill_thread(connection, items)
    if items not in child.threads:
        child.threads[items] = await _fill_thread(connection, items)
    return child.threads[items]


async def _fill_thread(connection: Connection, items: int) -> str:
    answer = await connection.post(create_thread("short"))
    thread_id = _thread_id(answer)
    for _ in range(items // 2 - 1):
        answer = await connection.post(_add(thread_id, "short"))
    if answer.status != 200 or _ERROR in answer.content:
        raise BenchmarkError(f"a turn failed: {answer.content[-500:]!r}")
    return thread_id


async def _hold(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.send(create_thread("hold"))
        await connection.text()


@asynccontextmanager
async def _connections(child: Child, count: int) -> AsyncIterator[list[Connection]]:
    connections = [await Connection.open(child.port) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def _drive(connections: list[Connection], messages: list[dict[str, Any]]) -> list[Answer]:
    queue = iter(messages)
    lists = await asyncio.gather(*(_work(connection, queue) for connection in connections))
    return [answer for answers in lists for answer in answers]


async def _work(connection: Connection, queue: Iterator[dict[str, Any]]) -> list[Answer]:
    return [await connection.post(message) for message in queue]


def _check(answers: Iterable[Answer]) -> None:
    for answer in answers:
        if answer.status != 200 or _TEXT not in answer.content or _ERROR in answer.content:
            raise BenchmarkError(f"a turn failed with status {answer.status}: {answer.content[-500:]!r}")


def _thread_id(answer: Answer) -> str:
    created = next((event for event in answer.events if event["type"] == "thread.created"), None)
    if created is None:
        raise BenchmarkError(f"no thread was created: {answer.content[-500:]!r}")
    return str(created["thread"]["id"])


def create_thread(command: str) -> dict[str, Any]:
    """Return the request that says `command` in a thread of its own."""
    return {"type": "threads.create", "params": {"input": _input(command)}}


def _add(thread_id: str, command: str) -> dict[str, Any]:
    return {"type": "threads.add_user_message", "params": {"thread_id": thread_id, "input": _input(command)}}


def _items_list(thread_id: str) -> dict[str, Any]:
    return {"type": "items.list", "params": {"thread_id": thread_id, "limit": 20, "order": "asc"}}


def _input(command: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": command}]
    return {"content": content, "attachments": [], "quoted_text": "", "inference_options": {}}
