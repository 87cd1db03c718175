"""Events as bytes of a Server-Sent Events stream, and the channel that carries them to the response."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple

from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)
from pydantic import BaseModel
from pydantic_core import to_json

PING = b": ping\n\n"


class TextDelta(NamedTuple):
    """A piece of an assistant message: by far the most frequent event, so it is kept out of pydantic."""

    item_id: str
    content_index: int
    delta: str

    def event(self) -> ThreadItemUpdatedEvent:
        """The same as ChatKit's own event."""
        update = AssistantMessageContentPartTextDelta(content_index=self.content_index, delta=self.delta)
        return ThreadItemUpdatedEvent(item_id=self.item_id, update=update)


Event = ThreadStreamEvent | TextDelta


def to_bytes(value: BaseModel) -> bytes:
    """The JSON that ChatKit's own server would send."""
    return value.model_dump_json(by_alias=True, exclude_none=True, context={"exclude_metadata": True}).encode()


def frame(event: Event) -> bytes:
    """One event as a frame of the stream."""
    if type(event) is TextDelta:
        return (
            b'data: {"type":"thread.item.updated","item_id":%b,"update":'
            b'{"type":"assistant_message.content_part.text_delta","content_index":%d,"delta":%b}}\n\n'
            % (to_json(event.item_id), event.content_index, to_json(event.delta))
        )
    return b"data: " + to_bytes(event) + b"\n\n"  # type: ignore[arg-type]  # a delta has returned above


class Channel:
    """From the turn to its response: whoever writes never waits, whoever reads takes all there is at once."""

    __slots__ = ("_chunks", "_closed", "_waiter")

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False

    def put(self, chunk: bytes) -> None:
        """Add bytes to be sent."""
        self._chunks.append(chunk)
        self._wake()

    def close(self) -> None:
        """Say that nothing follows."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self, ping_s: float) -> bytes | None:
        """Return what has gathered, a ping when nothing came for `ping_s` seconds, or None at the end."""
        while not self._chunks:
            if self._closed:
                return None
            if not await self._wait(ping_s):
                return PING
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken

    async def _wait(self, ping_s: float) -> bool:
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(ping_s, _give_up, waiter)
        try:
            await waiter
            return True
        except TimeoutError:
            return False
        finally:
            timer.cancel()
            self._waiter = None


def _give_up(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
