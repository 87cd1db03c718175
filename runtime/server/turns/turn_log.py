"""The events of a turn, numbered from 1: for those who follow it in this process, and in chunks for the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence

from runtime.server.turns.sse import TextDelta
from runtime.stores.turns import EventChunk

MAX_LOG_BYTES = 1_000_000
"""Beyond this size, the older half of a turn's events is dropped: an item that is done is whole in its last event."""
_DATA, _END = len(b"data: "), len(b"\n\n")
_DELTA_OVERHEAD = 64

Entry = bytes | TextDelta
"""A frame of the stream, or a text delta, which only becomes a frame where somebody reads it."""


class TurnLog:
    """The last events of a turn, up to `max_bytes`."""

    __slots__ = ("_bytes", "_dropped", "_entries", "_max_bytes", "_waiters", "closed")

    def __init__(self, max_bytes: int = MAX_LOG_BYTES) -> None:
        self._entries: list[Entry] = []
        self._dropped = self._bytes = 0
        self._max_bytes = max_bytes
        self._waiters: list[asyncio.Future[None]] = []
        self.closed = False
        """Whether the turn has ended."""

    @property
    def last(self) -> int:
        """The number of the last event; 0 before the first one."""
        return self._dropped + len(self._entries)

    def add(self, entry: Entry) -> None:
        """Add an event."""
        self._entries.append(entry)
        self._bytes += _size(entry)
        if self._bytes > self._max_bytes:
            self._drop()
        if self._waiters:
            self.wake()

    def close(self) -> None:
        """End the log: no event follows."""
        self.closed = True
        self.wake()

    def after(self, number: int) -> tuple[int, Sequence[Entry]]:
        """Return the events after one, and the number of the first of them; dropped ones are missing."""
        start = max(number, self._dropped)
        return start + 1, self._entries[start - self._dropped :]

    async def wait(self, timeout_s: float) -> None:
        """Return at the next event, at the end, or after `timeout_s` seconds."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await asyncio.wait({waiter}, timeout=timeout_s)

    def wake(self) -> None:
        """Let those who wait look."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def _drop(self) -> None:
        half = len(self._entries) // 2
        self._dropped += half
        del self._entries[:half]
        self._bytes = sum(map(_size, self._entries))


def _size(entry: Entry) -> int:
    return len(entry.delta) + _DELTA_OVERHEAD if type(entry) is TextDelta else len(entry)


def to_chunk(first: int, entries: Sequence[Entry]) -> EventChunk:
    """Return events as JSON: a text for the data of an event, a list for text deltas of one part of a message."""
    packed: list[str | list[str | int]] = []
    part: tuple[str, int] | None = None
    for entry in entries:
        if type(entry) is TextDelta:
            if part != (entry.item_id, entry.content_index):
                part = (entry.item_id, entry.content_index)
                packed.append([*part])
            assert isinstance(packed[-1], list)
            packed[-1].append(entry.delta)
        else:
            assert isinstance(entry, bytes)
            part = None
            packed.append(entry[_DATA:-_END].decode())
    return EventChunk(first, json.dumps(packed, separators=(",", ":")))


def read_chunk(chunk: EventChunk) -> Iterator[Entry]:
    """Yield the events that `to_chunk` packed."""
    for packed in json.loads(chunk.events):
        if isinstance(packed, str):
            yield b"data: %b\n\n" % packed.encode()
        else:
            item_id, index, *deltas = packed
            yield from (TextDelta(item_id, index, delta) for delta in deltas)
