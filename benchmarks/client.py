"""The client: connections, ChatKit requests, the checks of the answers, and the load that is measured.

It costs as little CPU as possible, so that the server is measured: it speaks only the HTTP/1.1 that these servers use,
searches a stream only until the first text, and checks answers after the measurement.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, Self, cast

from benchmarks.harness import BenchmarkError
from benchmarks.project.instant_model import TEXT
from benchmarks.servers import Server

ERROR = b'"type":"error"'
HANG_S = 20.0
"""A request without a complete answer after this many seconds has failed."""

_EVENT = b"data: "
_TEXT_EVENT = b"content_part.text_delta"
_TEXT = TEXT.encode()
_HEAD = b"POST /chatkit HTTP/1.1\r\nhost: localhost\r\n%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
_CHUNKS_END = b"\r\n0\r\n\r\n"

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; times are seconds since the request was sent, 0 if the moment did not occur."""

    status: int
    content: bytes
    first_event_s: float
    first_text_s: float
    total_s: float
    longest_gap_s: float
    """The longest silence from the first text to the end."""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The ChatKit events of a stream."""
        lines = self.content.split(b"\n")
        return [json.loads(line[len(_EVENT) :]) for line in lines if line.startswith(_EVENT)]


class Connection(asyncio.Protocol):
    """One connection that carries one request after another."""

    _first_event_s: float
    _first_text_s: float
    _longest_gap_s: float
    _last_s: float

    def __init__(self, token: str = "") -> None:
        self._transport: asyncio.Transport | None = None
        self._login = f"authorization: Bearer {token}\r\n".encode() if token else b""
        self._begin()

    @classmethod
    async def open(cls, port: int, token: str = "") -> Self:
        """Connect to a loopback port; each request carries the bearer token, if there is one."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(token), "127.0.0.1", port)
        return connection

    @property
    def has_begun(self) -> bool:
        """Whether a part of the answer has arrived."""
        return bool(self._received)

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close the connection."""
        if self._transport:
            self._transport.close()

    async def post(self, message: Message) -> Answer:
        """Send a request and read the whole answer; may raise BenchmarkError."""
        self.send(message)
        return await self.answer()

    def send(self, message: Message) -> None:
        """Send a request; `text` and `answer` wait for the response."""
        body = json.dumps(message).encode()
        self._begin()
        if self._transport is None or not self.is_open:
            raise BenchmarkError("the server closed a connection between two requests")
        self._sent = time.perf_counter()
        self._transport.write(_HEAD % (self._login, len(body)) + body)

    async def text(self) -> None:
        """Wait for the first text, or for the end of an answer without text."""
        await self._text

    async def answer(self) -> Answer:
        """Wait for the end of the answer; raise BenchmarkError if it is incomplete."""
        await self._done
        raw = bytes(self._received[self._head :])
        return Answer(
            int(self._received[9:12]),
            _unchunk(raw) if self._length is None else raw,
            self._first_event_s,
            self._first_text_s,
            self._total_s,
            self._longest_gap_s,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter() - self._sent
        if self._first_text_s:
            self._longest_gap_s = max(self._longest_gap_s, now - self._last_s)
        self._last_s = now
        self._received += data
        if not self._head and not self._read_head():
            return
        if not self._first_event_s and _EVENT in self._received:
            self._first_event_s = now
        if not self._first_text_s and _TEXT_EVENT in self._received:
            self._first_text_s = now
            _resolve(self._text)
        if self._is_complete():
            self._total_s = now
            _resolve(self._text)
            _resolve(self._done)

    def connection_lost(self, exc: Exception | None) -> None:
        _resolve(self._text)
        if not self._done.done():
            self._done.set_exception(BenchmarkError("the server cut an answer short"))
            # An exception of a future that is never read is a warning.
            self._done.exception()

    def _begin(self) -> None:
        self._received = bytearray()
        self._head = 0
        self._length: int | None = None
        self._sent = self._first_event_s = self._first_text_s = self._total_s = 0.0
        self._last_s = self._longest_gap_s = 0.0
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
    while size := int(raw[at : (end := raw.index(b"\r\n", at))], 16):
        parts.append(raw[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Load:
    """The answers to some requests, and the CPU of the server and the time that they took together."""

    answers: list[Answer]
    cpu_s: float
    elapsed_s: float

    @property
    def cpu_ms(self) -> float:
        """CPU of the server per request."""
        return 1000 * self.cpu_s / len(self.answers)

    def median_ms(self, moment: Literal["first_event_s", "first_text_s", "total_s"]) -> float:
        """Return the median of a time of the answers, in milliseconds."""
        return 1000.0 * median(float(getattr(answer, moment)) for answer in self.answers)


@asynccontextmanager
async def connect(server: Server, count: int = 1) -> AsyncIterator[list[Connection]]:
    """Open connections for the block."""
    connections = [await Connection.open(server.port, server.token) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def send_load(server: Server, connections: list[Connection], messages: Iterable[Message]) -> Load:
    """Send the messages, one at a time on each connection."""
    queue = iter(messages)

    async def work(connection: Connection) -> list[Answer]:
        return [await connection.post(message) for message in queue]

    cpu_s, began = server.cpu_s, time.perf_counter()
    lists = await asyncio.gather(*map(work, connections))
    elapsed_s, cpu_s = time.perf_counter() - began, server.cpu_s - cpu_s
    return Load([answer for answers in lists for answer in answers], cpu_s, elapsed_s)


async def send_turns(server: Server, messages: list[Message], streams: int = 1, *, check: bool = True) -> Load:
    """Send turns on new connections, and check the answers; may raise BenchmarkError."""
    async with connect(server, streams) as connections:
        load = await send_load(server, connections, messages)
    if check:
        check_turns(load.answers)
    return load


async def check_server(server: Server) -> int:
    """Raise BenchmarkError unless a turn, a tool turn and the stored items are right; return a plain turn's events."""
    async with connect(server) as [connection]:
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
        raise BenchmarkError(f"the server {server.name!r} does not stream or store the text of the model")
    return len(plain.events)


def check_turns(answers: Iterable[Answer]) -> None:
    """Raise BenchmarkError for an answer without its text or with an error."""
    for answer in answers:
        if answer.status != 200 or not has_text(answer) or ERROR in answer.content:
            raise BenchmarkError(f"a turn failed with status {answer.status}: {answer.content[-500:]!r}")


def has_text(answer: Answer) -> bool:
    """Return whether the answer contains the whole text of the model."""
    return _TEXT in answer.content


def check_reads(server: Server, request: str, thread_id: str, answers: Iterable[Answer]) -> None:
    """Raise BenchmarkError for an answer to one of `read_requests` without the thread's id."""
    if any(answer.status != 200 or thread_id.encode() not in answer.content for answer in answers):
        raise BenchmarkError(f"the server {server.name!r} does not answer {request}")


def widgets_of(answer: Answer) -> list[dict[str, Any]]:
    """Return the widget items of a stream."""
    return [event["item"] for event in answer.events if event.get("item", {}).get("type") == "widget"]


def thread_id_of(answer: Answer) -> str:
    """Return the id of the thread that a turn created."""
    created = next((event for event in answer.events if event["type"] == "thread.created"), None)
    if created is None:
        raise BenchmarkError(f"no thread was created: {answer.content[-500:]!r}")
    return str(created["thread"]["id"])


def create_thread(command: str) -> Message:
    """Return the request that sends `command` in a new thread."""
    return {"type": "threads.create", "params": {"input": _input(command)}}


def add_message(thread_id: str, command: str) -> Message:
    """Return the request that sends `command` in a thread."""
    return {"type": "threads.add_user_message", "params": {"thread_id": thread_id, "input": _input(command)}}


def list_items(thread_id: str) -> Message:
    """Return the request for the first items of a thread."""
    return {"type": "items.list", "params": {"thread_id": thread_id, "limit": 20, "order": "asc"}}


def read_requests(thread_id: str, limit: int = 20) -> dict[str, Message]:
    """Return the requests of a page that opens, by type; each answer contains the thread's id."""
    return {
        "threads.list": {"type": "threads.list", "params": {"limit": limit}},
        "threads.get_by_id": {"type": "threads.get_by_id", "params": {"thread_id": thread_id}},
        "items.list": list_items(thread_id),
    }


def _input(command: str) -> Message:
    content = [{"type": "input_text", "text": command}]
    return {"content": content, "attachments": [], "quoted_text": "", "inference_options": {}}


@dataclass(slots=True)
class Tally:
    """What clients that continue after a failure observed; times in seconds."""

    turns: int = 0
    cut: int = 0
    failed: int = 0
    longest_stall_s: float = 0.0
    longest_gap_s: float = 0.0
    last_failure: str = ""


class Client:
    """Continues after failures, and reuses its connection as a browser does; `tally` counts the outcomes.

    With `resend`, a request on a reused connection that the server closed is sent again, and is not counted.
    """

    def __init__(self, port: int, tally: Tally, hang_s: float = HANG_S, *, resend: bool = True) -> None:
        self._port, self._tally, self._hang_s, self._resend = port, tally, hang_s, resend
        self._connection: Connection | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def ask(self, command: str) -> Answer | None:
        """Send `command` in a new thread; return None if the answer failed or was cut."""
        tally, began = self._tally, time.perf_counter()
        try:
            async with asyncio.timeout(self._hang_s):
                answer = await self._send(create_thread(command))
        except (OSError, BenchmarkError, TimeoutError) as error:
            self._count_lost(began, error)
            return None
        # The answer's clock starts when the request is sent for the last time, the client's at the first.
        stall_s = time.perf_counter() - began - answer.total_s + (answer.first_event_s or answer.total_s)
        tally.longest_stall_s = max(tally.longest_stall_s, stall_s)
        tally.last_failure = f"{answer.status} {answer.content[-300:].decode(errors='replace')}"
        if answer.status != 200:
            tally.failed += 1
            return None
        tally.longest_gap_s = max(tally.longest_gap_s, answer.longest_gap_s)
        if ERROR in answer.content:
            tally.cut += 1
            return None
        tally.turns += 1
        return answer

    async def _send(self, message: Message) -> Answer:
        connection = self._connection
        if connection is not None and connection.is_open:
            try:
                return await connection.post(message)
            except BenchmarkError:
                # A browser sends a request again if the server closed a reused connection before the answer began.
                if connection.has_begun or not self._resend:
                    raise
        self._connection = await Connection.open(self._port)
        return await self._connection.post(message)

    def _count_lost(self, began: float, error: Exception) -> None:
        self._tally.last_failure = f"{type(error).__name__}: {error}"
        if self._connection is not None and self._connection.has_begun:
            self._tally.cut += 1
        else:
            self._tally.failed += 1
            self._tally.longest_stall_s = max(self._tally.longest_stall_s, time.perf_counter() - began)
        self.close()
