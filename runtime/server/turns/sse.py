"""Events as the bytes of a Server-Sent Events stream, and the buffer between a turn and its response."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import NamedTuple, Protocol

from chatkit.types import AssistantMessageContentPartTextDelta, ThreadItemUpdatedEvent, ThreadStreamEvent
from pydantic import BaseModel
from pydantic_core import to_json

from runtime.documents.untrusted import clean, clean_value

_FRAME_END = b"\n\n"
PING = b": ping" + _FRAME_END
MERGE_S = 0.005
"""Text deltas that follow each other within this time, in seconds, share one write to the socket."""


class TextDelta(NamedTuple):
    """A piece of an assistant message: by far the most frequent event, so it is no pydantic model."""

    item_id: str
    content_index: int
    delta: str

    def event(self) -> ThreadItemUpdatedEvent:
        """Return ChatKit's event of the delta."""
        update = AssistantMessageContentPartTextDelta(content_index=self.content_index, delta=self.delta)
        return ThreadItemUpdatedEvent(item_id=self.item_id, update=update)


Event = ThreadStreamEvent | TextDelta


def to_bytes(value: BaseModel) -> bytes:
    """Return the JSON that ChatKit's own server sends."""
    context = {"exclude_metadata": True}
    try:
        return value.model_dump_json(by_alias=True, exclude_none=True, context=context).encode()
    except ValueError:
        # Models stream halves of emojis, which are valid in Python strings but not in UTF-8.
        return to_json(clean_value(value.model_dump(by_alias=True, exclude_none=True, context=context)))


def frame(event: Event) -> bytes:
    """Return an event as a frame of the stream."""
    if type(event) is TextDelta:
        return (
            b'data: {"type":"thread.item.updated","item_id":%b,"update":'
            b'{"type":"assistant_message.content_part.text_delta","content_index":%d,"delta":%b}}\n\n'
            % (to_json(event.item_id), event.content_index, _text_to_json(event.delta))
        )
    return b"data: " + to_bytes(event) + b"\n\n"  # type: ignore[arg-type]  # a delta has returned above


async def single_frames(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the frames of a stream one by one; a chunk contains whole frames, without a blank line inside of one."""
    async with aclosing(chunks):
        async for chunk in chunks:
            for one in chunk.split(_FRAME_END)[:-1]:
                yield one + _FRAME_END


def _text_to_json(text: str) -> bytes:
    try:
        return to_json(text)
    except ValueError:
        return to_json(clean(text))


class EventSink(Protocol):
    """What keeps the events of a turn besides its response."""

    def add(self, entry: bytes | TextDelta) -> None:
        """Keep a frame of the stream, or a text delta."""


class StreamBuffer:
    """Bytes from a turn to its response: writing never waits, reading takes all bytes at once.

    Each event is added to `sink` as well, whether it is read or not.
    """

    __slots__ = (
        "_chunks",
        "_closed",
        "_discarding",
        "_last_taken",
        "_merging",
        "_silent_since",
        "_sink",
        "_size",
        "_timer",
        "_urgent",
        "_waiter",
        "max_size",
        "on_overflow",
    )

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink
        self.max_size = 0
        self.on_overflow: Callable[[], None] | None = None
        """Called once, when more than `max_size` bytes wait to be read; None for no limit."""
        self._size = 0
        self._discarding = False
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._merging: asyncio.TimerHandle | None = None
        self._silent_since = self._last_taken = 0.0
        self._urgent = True
        self._closed = False

    def put(self, *frames: bytes) -> None:
        """Add frames to be sent at once."""
        for chunk in frames:
            self._sink.add(chunk)
            self._add(chunk)
        self._urgent = True
        self._wake()

    def put_soon(self, delta: TextDelta) -> None:
        """Add a text delta: it is sent at once, unless the one before was sent less than `MERGE_S` ago."""
        self._sink.add(delta)
        if self._discarding:
            return
        self._add(frame(delta))
        if self._waiter is None or self._merging is not None:
            return
        if self._urgent:
            # The user waits for the first delta after any other event.
            self._urgent = False
            self._wake()
            return
        loop = asyncio.get_running_loop()
        left_s = self._last_taken + MERGE_S - loop.time()
        if left_s <= 0:
            self._wake()
        else:
            self._merging = loop.call_later(left_s, self._wake)

    def _add(self, chunk: bytes) -> None:
        if self._discarding:
            return
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > self.max_size and self.on_overflow is not None:
            overflow, self.on_overflow = self.on_overflow, None
            overflow()

    def discard(self) -> None:
        """Drop what is added from now on: nobody reads it."""
        self._discarding = True

    def end_with(self, last: bytes) -> None:
        """End the stream after `last`, in place of what has not been read and what is added later."""
        self._chunks.clear()
        self._chunks.append(last)
        self._size, self._discarding = len(last), True
        self.close()

    def close(self) -> None:
        """End the stream after the bytes that were added."""
        self._closed = True
        # It refers to the turn, which refers to this: the cycle would live until the next full collection.
        self.on_overflow = None
        self._wake()

    def _wake(self, silent: bool = False) -> None:
        if self._merging is not None:
            self._merging.cancel()
            self._merging = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(silent)

    async def take(self, ping_s: float) -> bytes | None:
        """Return all bytes, a ping if there were none for `ping_s` seconds, or None at the end."""
        while not self._chunks:
            if self._closed:
                self._stop_timer()
                return None
            if await self._silent(ping_s):
                return PING
        taken = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._last_taken = asyncio.get_running_loop().time()
        return taken

    async def _silent(self, ping_s: float) -> bool:
        """Wait for bytes or the end; return True after `ping_s` silent seconds."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        self._silent_since = loop.time()
        if self._timer is None:
            # One timer for the whole stream, started again when it fires: one for each wait costs more than the wait.
            self._timer = loop.call_later(ping_s, self._tick, ping_s)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def _tick(self, ping_s: float) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        loop = asyncio.get_running_loop()
        left_s = self._silent_since + ping_s - loop.time()
        if left_s <= 0:
            self._wake(silent=True)
        else:
            self._timer = loop.call_later(left_s, self._tick, ping_s)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
