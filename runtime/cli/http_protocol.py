"""uvicorn's HTTP protocol with limits for slow clients: those that do not send their request, or read no response.

uvicorn limits idle connections only. Without these limits, clients that each send half a request occupy every file
descriptor of the process, and nobody else can connect.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from runtime.config.model.limits import Limits
from runtime.server.http.addresses import counted_address

logger = logging.getLogger("runtime.server")

_MAX_OPEN_FILES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """Durations are in seconds."""

    sweep_s: float = 1.0
    """How often the connections are checked."""
    log_s: float = 60.0
    """How often closed connections are logged, at most."""
    max_pending: int = 2048
    """Connections without a complete request; half of the file descriptors if that is less. The oldest is closed."""
    max_head: int = 64 * 1024
    """Bytes of the request line and headers; of what is between two parts of a chunked body, and of its trailers."""


class ConnectionGuard:
    """Watches the connections of a server, and closes those of clients that are too slow.

    `limits` returns the current `limits` section: `receive` is the time to send a request's headers, `send` the time
    in which a client must read a part of a response. A quarter of the pending connections may have the same address.
    """

    def __init__(self, limits: Callable[[], Limits] = Limits, settings: GuardSettings | None = None) -> None:
        self._limits, self._settings = limits, settings or GuardSettings()
        self._max_pending = min(self._settings.max_pending, max(raise_open_files() // 2, 8))
        self._pending: dict[GuardedProtocol, float] = {}
        self._by_address: defaultdict[str, dict[GuardedProtocol, None]] = defaultdict(dict)
        self._unread: dict[GuardedProtocol, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed: dict[str, list[str]] = {}
        self._logged = float("-inf")

    def protocol(self, **options: Any) -> GuardedProtocol:
        """Return the protocol of a new connection, as uvicorn calls its protocol class."""
        return GuardedProtocol(self, **options)

    @property
    def max_head(self) -> int:
        """The most bytes that a request line and its headers, or the trailers of a body, may have."""
        return self._settings.max_head

    def pend(self, connection: GuardedProtocol) -> None:
        """Watch a connection that is open, or whose next request has begun, until the request is complete."""
        self._pending.pop(connection, None)  # to the end: the oldest is first
        self._pending[connection] = self._now()
        same = self._by_address[counted_address(connection.address)]
        same[connection] = None
        if len(same) > max(self._max_pending // 4, 1):
            self._close(next(iter(same)), "there were too many from one address")
        elif len(self._pending) > self._max_pending:
            self._close(next(iter(self._pending)), "there were too many")

    def settle(self, connection: GuardedProtocol) -> None:
        """Stop to wait for a request: it is complete, or the connection is lost."""
        if self._pending.pop(connection, None) is None:
            return
        address = counted_address(connection.address)
        same = self._by_address[address]
        same.pop(connection, None)
        if not same:
            del self._by_address[address]

    def pause(self, connection: GuardedProtocol) -> None:
        """Watch a connection whose client does not read, until it does."""
        self._unread[connection] = self._now()

    def resume(self, connection: GuardedProtocol) -> None:
        """Stop to watch whether the client reads."""
        self._unread.pop(connection, None)

    def _now(self) -> float:
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(self._settings.sweep_s, self._sweep)
        return loop.time()

    def _sweep(self) -> None:
        self._timer = None
        limits, now = self._limits(), asyncio.get_running_loop().time()
        for connection, since in list(self._pending.items()):
            if now - since < limits.receive:
                break  # the others are younger
            # While the app reads the body, it limits the time itself: it may be the one that is slow.
            if not connection.is_reading_body:
                self._close(connection, f"the request did not arrive within {limits.receive:g} s")
        for connection, since in list(self._unread.items()):
            if now - since < limits.send:
                break
            self.resume(connection)
            connection.transport.abort()
            self._count(connection, f"the client did not read the response for {limits.send:g} s")
        self._log(now)
        if self._pending or self._unread or self._closed:
            self._now()

    def _close(self, connection: GuardedProtocol, reason: str) -> None:
        self.settle(connection)
        connection.give_up()
        self._count(connection, reason)

    def _count(self, connection: GuardedProtocol, reason: str) -> None:
        self._closed.setdefault(reason, []).append(connection.address)

    def _log(self, now: float) -> None:
        """Log how many connections were closed since the last line, and why."""
        if self._closed and now - self._logged >= self._settings.log_s:
            self._logged = now
            for reason, addresses in self._closed.items():
                logger.warning("closed %d connections: %s (the last from %s)", len(addresses), reason, addresses[-1])
            self._closed.clear()


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which reports its state to a `ConnectionGuard`."""

    def __init__(self, guard: ConnectionGuard, **options: Any) -> None:
        super().__init__(**options)
        self._guard = guard
        self._size = 0
        """Bytes of the request's head so far, then those since the last part of its body."""
        self._head_complete = False
        self._has_body = False

    @property
    def address(self) -> str:
        """The address of the client, or of its proxy."""
        return self.client[0] if self.client else ""

    @property
    def is_reading_body(self) -> bool:
        """Whether the headers are complete, and the app has not responded yet."""
        return self._head_complete and not self.cycle.response_complete

    def give_up(self) -> None:
        """Respond 408 if a request has begun and has no response, and close the connection."""
        if self.transport.is_closing():
            return
        if self.is_reading_body and self.cycle.response_started:
            self.transport.abort()
            return
        if self._size or self._head_complete:
            self._respond(b"408 Request Timeout")
        self.transport.close()

    def _respond(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Watch the new connection."""
        super().connection_made(transport)
        self._guard.pend(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._guard.settle(self)
        self._guard.resume(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; respond 431 to a request whose headers or trailers are too large."""
        self._has_body = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        self._size = 0 if self._has_body else self._size + len(data)
        if self._size <= self._guard.max_head or (self._head_complete and self.cycle.response_complete):
            return
        if self._head_complete and self.cycle.response_started:
            self.transport.abort()
            return
        self._respond(b"431 Request Header Fields Too Large")
        self.transport.close()

    def on_message_begin(self) -> None:
        """Watch the request that begins."""
        super().on_message_begin()
        self._size, self._head_complete = 0, False
        self._guard.pend(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header. Drop a trailer: uvicorn would add it to the headers, which a proxy has checked before it."""
        if not self._head_complete:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the app, which reads the body."""
        super().on_headers_complete()
        self._head_complete = True

    def on_body(self, body: bytes) -> None:
        """A part of the body has arrived."""
        super().on_body(body)
        self._has_body = True

    def on_message_complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        self._guard.settle(self)

    def handle_websocket_upgrade(self) -> None:
        """The request is complete, and the connection gets another protocol."""
        self._guard.settle(self)
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """The client does not read as fast as the app writes."""
        self._guard.pause(self)
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._guard.resume(self)
        super().resume_writing()


def raise_open_files() -> int:
    """Allow this process as many open files as the system does, 65,536 at most; return how many it may open."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return _MAX_OPEN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MAX_OPEN_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _MAX_OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted
