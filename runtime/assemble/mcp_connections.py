"""Connections to MCP servers: one for each server, or one for each set of header values that requests forward.

The tools of a server that is down are left out, with a warning in the log; connecting is retried after a pause. The
SDK requires that the task that opened a connection closes it, so each connection has a task of its own. Requests with
different forwarded headers never share a connection, because the server acts for the user whose headers it got.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from agents.mcp import MCPServer
from mcp.types import CallToolResult
from mcp.types import Tool as McpTool

from runtime.errors import RuntimeFault
from runtime.resources.containment import contained

logger = logging.getLogger("runtime.assemble")

MAX_CONNECTIONS = 100
"""How many connections a pool keeps; those in use are never closed, even if there are more."""
IDLE_S = 300.0
"""How long, in seconds, a pool keeps an unused connection."""
_MIN_SECRET = 4

FORWARDED_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("FORWARDED_HEADERS", default=MappingProxyType({}))
"""The headers to forward of the request that the running turn answers, by lower-case name."""

HeaderValues = tuple[tuple[str, str], ...]
"""Pairs of a lower-case header name and its value."""

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
"""The pause before another attempt to connect, in seconds; it doubles with each failure."""

_CLOSING_S = 8.0
"""How long a connection may take to close, in seconds. The SDK needs up to 6.5 s to end a program that ignores the end
of its input; cancelled before that, it would leave the program running."""
_CANCELLED_S = 2.0


class McpUnavailable(RuntimeFault):
    """The server can't be reached; `reason` contains no secrets."""

    def __init__(self, server: str, reason: str) -> None:
        self.server, self.reason = server, reason
        super().__init__(f"the MCP server {server!r} can't be reached: {reason}")


class ServerConnection:
    """A connection to one server, opened at its first use and after a failure; no error may contain `values`."""

    def __init__(
        self, name: str, make: Callable[[], MCPServer], connect_timeout_s: float, values: HeaderValues = ()
    ) -> None:
        self.name, self._make, self._connect_timeout_s, self._values = name, make, connect_timeout_s, values
        self._lock = asyncio.Lock()
        self._server: MCPServer | None = None
        self._owner: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._tools: list[McpTool] | None = None
        self._pause_s, self._not_before = FIRST_PAUSE_S, 0.0
        self._reason = ""

    async def tools(self) -> list[McpTool]:
        """Return the server's tools, which are listed once for each connection. Raise McpUnavailable."""
        async with self._lock:
            server = await self._connected()
            if self._tools is None:
                try:
                    with contained():
                        self._tools = await server.list_tools()
                except Exception as error:
                    await self._lost(error)
                    raise McpUnavailable(self.name, self._reason) from self._cause(error)
            return self._tools

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call a tool. Raise McpUnavailable, or the SDK's exception for a failed call."""
        async with self._lock:
            server = await self._connected()
        try:
            with contained():
                return await server.call_tool(tool, arguments, meta)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The call or the connection may have failed, so the next call gets a new connection.
            async with self._lock:
                if self._server is server:
                    await self._lost(error, pause=False)
            if self._cause(error) is None:
                raise McpUnavailable(self.name, self._reason_of(error)) from None
            raise

    async def close(self) -> None:
        """Close the connection; the next use opens it again."""
        async with self._lock:
            await self._end()

    async def _connected(self) -> MCPServer:
        if self._server is not None:
            return self._server
        if time.monotonic() < self._not_before:
            raise McpUnavailable(self.name, self._reason)
        opened: asyncio.Future[MCPServer] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        # An empty context: the connection outlives the turn that opens it.
        owner = self._own(opened, self._stop)
        self._owner = asyncio.create_task(owner, name=f"MCP server {self.name}", context=Context())
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                self._server = await asyncio.shield(opened)
        except asyncio.CancelledError:
            await self._end()
            raise
        except Exception as error:
            await self._lost(error)
            raise McpUnavailable(self.name, self._reason) from self._cause(error)
        self._pause_s, self._tools = FIRST_PAUSE_S, None
        return self._server

    async def _own(self, opened: asyncio.Future[MCPServer], stop: asyncio.Event) -> None:
        try:
            with contained():
                server = self._make()
        except Exception as error:
            _fail(opened, error)
            return
        try:
            with contained():
                await server.connect()  # type: ignore[no-untyped-call]
            if not opened.done():
                opened.set_result(server)
            await stop.wait()
        except Exception as error:
            _fail(opened, error)
        finally:
            try:
                with contained():
                    await server.cleanup()  # type: ignore[no-untyped-call]
            except Exception as error:
                logger.info("MCP server %s did not close cleanly: %s", self.name, type(error).__name__)

    async def _lost(self, error: BaseException, pause: bool = True) -> None:
        self._reason = self._reason_of(error)
        await self._end()
        if pause:
            self._not_before = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
            logger.warning("the MCP server %r is left out: %s", self.name, self._reason)

    def _cause(self, error: BaseException) -> BaseException | None:
        """Return the error, or None if it contains a forwarded header."""
        return None if contains_value(error, self._values) else error

    def _reason_of(self, error: BaseException) -> str:
        cause = self._cause(error)
        return reason_of(cause) if cause is not None else f"{type(error).__name__}, whose text contains a user's header"

    async def _end(self) -> None:
        owner, self._owner, self._server, self._tools = self._owner, None, None, None
        self._stop.set()
        if owner is not None:
            done, _ = await asyncio.wait({owner}, timeout=_CLOSING_S)
            if not done:
                owner.cancel()
                await asyncio.wait({owner}, timeout=_CANCELLED_S)


def _fail(opened: asyncio.Future[MCPServer], error: Exception) -> None:
    if not opened.done():
        opened.set_exception(error)
        opened.exception()  # marks it as retrieved: the waiting task may be gone


def reason_of(error: BaseException) -> str:
    """Return the message of the innermost cause; the SDK removes passwords from addresses."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    cause = error.__cause__ or error.__context__
    return str(error) or (str(cause) if cause is not None else "") or type(error).__name__


@dataclass(slots=True, eq=False)
class _Pooled:
    connection: ServerConnection
    users: int = 0
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class ConnectionPool:
    """The connections to a server, by the header values that they were opened with."""

    def __init__(
        self,
        name: str,
        headers: Sequence[str],
        connect: Callable[[HeaderValues], ServerConnection],
        *,
        max_connections: int = MAX_CONNECTIONS,
        idle_s: float = IDLE_S,
    ) -> None:
        self.name = name
        self._headers, self._connect = [header.lower() for header in headers], connect
        self._max_connections, self._idle_s = max_connections, idle_s
        self._pooled: OrderedDict[HeaderValues, _Pooled] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._pooled)

    async def tools(self) -> list[McpTool]:
        """Return the tools that the server offers with the current request's headers."""
        async with self._in_use() as connection:
            return await connection.tools()

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call a tool with the current request's headers."""
        async with self._in_use() as connection:
            return await connection.call(tool, arguments, meta)

    async def close(self) -> None:
        """Close every connection; the next use opens them again."""
        pooled, self._pooled = list(self._pooled.values()), OrderedDict()
        for one in pooled:
            one.stop_timer()
            self._close_soon(one)
        await asyncio.gather(*self._closing)

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[ServerConnection]:
        forwarded = FORWARDED_HEADERS.get()
        values = tuple((name, forwarded[name]) for name in self._headers if name in forwarded)
        pooled = self._pooled.get(values)
        if pooled is None:
            pooled = self._pooled[values] = _Pooled(self._connect(values))
        self._pooled.move_to_end(values)
        pooled.stop_timer()
        pooled.users += 1
        self._evict_idle()
        try:
            yield pooled.connection
        finally:
            pooled.users -= 1
            if not pooled.users:
                self._release(values, pooled)

    def _release(self, values: HeaderValues, pooled: _Pooled) -> None:
        if self._pooled.get(values) is not pooled:
            self._close_soon(pooled)  # the pool was closed meanwhile, and the call may have reopened this connection
            return
        loop = asyncio.get_running_loop()
        pooled.timer = loop.call_later(self._idle_s, self._evict, values, context=Context())
        self._evict_idle()

    def _evict_idle(self) -> None:
        """Close the least recently used idle connections while there are too many."""
        excess = len(self._pooled) - self._max_connections
        if excess > 0:
            idle = [values for values, pooled in self._pooled.items() if not pooled.users]
            for values in idle[:excess]:
                self._evict(values)

    def _evict(self, values: HeaderValues) -> None:
        pooled = self._pooled.pop(values)
        pooled.stop_timer()
        self._close_soon(pooled)

    def _close_soon(self, pooled: _Pooled) -> None:
        closing = asyncio.create_task(
            pooled.connection.close(), name=f"close MCP server {self.name}", context=Context()
        )
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


McpConnection = ServerConnection | ConnectionPool


def merge_headers(declared: Mapping[str, str], values: HeaderValues) -> dict[str, str]:
    """Return the headers of a connection: forwarded ones replace declared ones."""
    forwarded = dict(values)
    return {name: value for name, value in declared.items() if name.lower() not in forwarded} | forwarded


def contains_value(error: BaseException, values: HeaderValues) -> bool:
    """Return whether the text of an error, or of its causes, contains the value of a header."""
    secrets = {text for _, value in values for text in (value, value.partition(" ")[2]) if len(text) >= _MIN_SECRET}
    if not secrets:
        return False
    text = "".join(traceback.format_exception(error))
    return any(secret in text or repr(secret)[1:-1] in text for secret in secrets)
