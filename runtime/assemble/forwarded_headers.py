"""`forward_headers`: an MCP server has a connection for each set of values that the headers of requests bring.

No two sets of values ever share one: what a server does, it does for the user whose headers it was connected with.
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

MOST_CONNECTIONS = 100
"""How many connections of one server are kept; those in use are never closed, even where there are more."""
IDLE_S = 300.0
"""How long a connection is kept that nobody uses."""
_SHORTEST = 4

FORWARDED_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("FORWARDED_HEADERS", default=MappingProxyType({}))
"""The headers of the request that the turn answers which are passed on, by their names in lower case."""

HeaderValues = tuple[tuple[str, str], ...]
"""Headers by name; the names are in lower case."""


class McpConnection(Protocol):
    """A way to a server: one connection, or the one among several that is meant."""

    name: str

    async def tools(self) -> list[McpTool]:
        """The server's tools."""

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call one of them."""

    async def close(self) -> None:
        """Close it; it may be opened again."""


@dataclass(slots=True, eq=False)
class _Held:
    link: McpConnection
    users: int = 0
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class ConnectionPool:
    """The connections of a server by the values that they were made with."""

    def __init__(self, name: str, names: Sequence[str], make: Callable[[HeaderValues], McpConnection]) -> None:
        self.name = name
        self._names, self._make = [header.lower() for header in names], make
        self._held: OrderedDict[HeaderValues, _Held] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._held)

    async def tools(self) -> list[McpTool]:
        """What the server offers to the one who asks."""
        async with self._in_use() as link:
            return await link.tools()

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call a tool for the one who asks."""
        async with self._in_use() as link:
            return await link.call(tool, arguments, meta)

    async def close(self) -> None:
        """Close every connection; they may be opened again."""
        held, self._held = list(self._held.values()), OrderedDict()
        for one in held:
            one.stop_timer()
            self._close_soon(one)
        await asyncio.gather(*self._closing)

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[McpConnection]:
        given = FORWARDED_HEADERS.get()
        values = tuple((name, given[name]) for name in self._names if name in given)
        held = self._held.get(values)
        if held is None:
            held = self._held[values] = _Held(self._make(values))
        self._held.move_to_end(values)
        held.stop_timer()
        held.users += 1
        self._make_room()
        try:
            yield held.link
        finally:
            held.users -= 1
            if not held.users:
                self._rest(values, held)

    def _rest(self, values: HeaderValues, held: _Held) -> None:
        if self._held.get(values) is not held:
            self._close_soon(held)  # all were closed meanwhile, and this one may have been opened again
            return
        held.timer = asyncio.get_running_loop().call_later(IDLE_S, self._let_go, values, context=Context())
        self._make_room()

    def _make_room(self) -> None:
        idle = [values for values, held in self._held.items() if not held.users] if self._is_full() else []
        while self._is_full() and idle:
            self._let_go(idle.pop(0))

    def _is_full(self) -> bool:
        return len(self._held) > MOST_CONNECTIONS

    def _let_go(self, values: HeaderValues) -> None:
        held = self._held.pop(values)
        held.stop_timer()
        self._close_soon(held)

    def _close_soon(self, held: _Held) -> None:
        closing = asyncio.create_task(held.link.close(), name=f"close MCP server {self.name}", context=Context())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def merged(declared: Mapping[str, str], values: HeaderValues) -> dict[str, str]:
    """The headers of a connection: what was forwarded takes the place of what was declared."""
    forwarded = dict(values)
    return {name: value for name, value in declared.items() if name.lower() not in forwarded} | forwarded


def betrays(error: BaseException, values: HeaderValues) -> bool:
    """Tell whether an error, or what led to it, has the value of a header in its words."""
    words = {word for _, value in values for word in (value, value.partition(" ")[2]) if len(word) >= _SHORTEST}
    if not words:
        return False
    text = "".join(traceback.format_exception(error))
    return any(word in text or repr(word)[1:-1] in text for word in words)
