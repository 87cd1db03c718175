"""A client that costs next to nothing, so that what is measured is the server.

It speaks as much HTTP/1.1 as these servers do (chunked and counted bodies, connections that stay open), looks into a
stream only until the first text, and leaves everything else to the time after the measurement.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Self, cast

_EVENT = b"data: "
_TEXT = b"content_part.text_delta"
_HEAD = b"POST /chatkit HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_CHUNKS_END = b"\r\n0\r\n\r\n"


class BenchmarkError(Exception):
    """The benchmark can't go on: a server failed, or answered something else than it should."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; times are seconds since the request was sent, 0 where the moment never came."""

    status: int
    content: bytes
    first_event_s: float
    first_text_s: float
    total_s: float

    @property
    def events(self) -> list[dict[str, Any]]:
        """The ChatKit events of a stream."""
        lines = self.content.split(b"\n")
        return [json.loads(line[len(_EVENT) :]) for line in lines if line.startswith(_EVENT)]


class Connection(asyncio.Protocol):
    """One connection that carries one request after the other."""

    _sent: float
    _first_event_s: float
    _first_text_s: float
    _total_s: float

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._begin()

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to the server on a loopback port."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    @property
    def has_begun(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self._received)

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent: the server has not hung up."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport:
            self._transport.close()

    async def post(self, message: dict[str, Any]) -> Answer:
        """Send a ChatKit request and read the whole answer."""
        self.send(message)
        return await self.answer()

    def send(self, message: dict[str, Any]) -> None:
        """Send a ChatKit request; `text` and `answer` wait for what comes back."""
        body = json.dumps(message).encode()
        self._begin()
        if self._transport is None or not self.is_open:
            raise BenchmarkError("the server closed a connection between two requests")
        self._sent = time.perf_counter()
        self._transport.write(_HEAD % len(body) + body)

    async def text(self) -> None:
        """Wait for the first text, or for the end of an answer without text."""
        await self._text

    async def answer(self) -> Answer:
        """Wait for the end of the answer."""
        await self._done
        status = int(self._received[9:12])
        raw = bytes(self._received[self._head :])
        content = _unchunk(raw) if self._length is None else raw
        return Answer(status, content, self._first_event_s, self._first_text_s, self._total_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Add to the answer, and note the moments that matter."""
        now = time.perf_counter() - self._sent
        self._received += data
        if not self._head and not self._read_head():
            return
        if not self._first_event_s and _EVENT in self._received:
            self._first_event_s = now
        if not self._first_text_s and _TEXT in self._received:
            self._first_text_s = now
            _resolve(self._text)
        if self._is_complete():
            self._total_s = now
            _resolve(self._text)
            _resolve(self._done)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever still waits for the answer."""
        _resolve(self._text)
        if not self._done.done():
            self._done.set_exception(BenchmarkError("the server cut an answer short"))
            # Nobody may be waiting, and a future's exception that nobody reads is a warning.
            self._done.exception()

    def _begin(self) -> None:
        self._received = bytearray()
        self._head = 0
        self._length: int | None = None
        self._sent = self._first_event_s = self._first_text_s = self._total_s = 0.0
        loop = asyncio.get_running_loop()
        self._text: asyncio.Future[None] = loop.create_future()
        self._done: asyncio.Future[None] = loop.create_future()

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = end + 4
        lines = bytes(self._received[:end]).lower().split(b"\r\n")
        self._length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), None)
        return True

    def _is_complete(self) -> bool:
        if self._length is None:
            return self._received.endswith(_CHUNKS_END)
        return len(self._received) >= self._head + self._length


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _unchunk(raw: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        end = raw.index(b"\r\n", at)
        size = int(raw[at:end], 16)
        if not size:
            return b"".join(parts)
        parts.append(raw[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
