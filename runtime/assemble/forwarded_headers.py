"""`forward_headers`: an MCP server has one connection for each set of header values that requests bring.

Requests with different values never share a connection, because the server acts for the user whose headers it got.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from mcp.types import CallToolResult
from mcp.types import Tool as McpTool

MAX_CONNECTIONS = 100
"""How many connections a pool keeps; those in use are never closed, even if there are more."""
IDLE_S = 300.0
"""How long, in seconds, a pool keeps an unused connection."""
_MIN_SECRET = 4

FORWARDED_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("FORWARDED_HEADERS", default=MappingProxyType({}))
"""The headers to forward of the request that the running turn answers, by lower-case name."""

HeaderValues = tuple[tuple[str, str], ...]
"""Pairs of a lower-case header name and its value."""


class McpConnection(Protocol):
    """A connection to a server, or a pool of them."""

    name: str

    async def tools(self) -> list[McpTool]:
        """Return the server's tools."""

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call a tool."""

    async def close(self) -> None:
        """Close it; the next use opens it again."""


@dataclass(slots=True, eq=False)
class _Pooled:
    connection: McpConnection
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
        connect: Callable[[HeaderValues], McpConnection],
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
    async def _in_use(self) -> AsyncIterator[McpConnection]:
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
