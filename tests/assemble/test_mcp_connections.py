"""The pool of connections to an MCP server: sharing, eviction, and errors without header values."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from runtime.assemble.mcp_connections import (
    FORWARDED_HEADERS,
    ConnectionPool,
    HeaderValues,
    McpUnavailable,
    ServerConnection,
)


class Lent:
    """A connection whose calls wait for `go_on`, and that records when it is closed."""

    def __init__(self, values: HeaderValues) -> None:
        self.name, self.values = "library", values
        self.entered, self.go_on, self.closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def tools(self) -> list[Any]:
        return []

    async def call(self, tool: str, arguments: Any, meta: Any) -> Any:
        self.entered.set()
        await self.go_on.wait()
        assert not self.closed.is_set()
        return dict(self.values)

    async def close(self) -> None:
        self.closed.set()


def _lending(**limits: Any) -> tuple[ConnectionPool, list[Lent]]:
    made: list[Lent] = []

    def make(values: HeaderValues) -> Lent:
        made.append(Lent(values))
        return made[-1]

    return ConnectionPool("library", ["Authorization"], make, **limits), made


async def _entered(pool: ConnectionPool, made: list[Lent]) -> None:
    await pool.tools()  # the same user's: the connection is there now, if it was not before
    await made[0].entered.wait()


def _as_user(token: str) -> None:
    FORWARDED_HEADERS.set({"authorization": token})


async def test_the_connection_that_was_used_least_recently_makes_room() -> None:
    pool, made = _lending(max_connections=2)
    for token in ("a", "b", "a", "c"):
        _as_user(token)
        await pool.tools()
    assert [dict(connection.values)["authorization"] for connection in made] == ["a", "b", "c"]
    await made[1].closed.wait()
    assert len(pool) == 2
    assert not made[0].closed.is_set()
    await pool.close()
    assert made[0].closed.is_set()
    assert made[2].closed.is_set()


async def test_a_connection_that_nobody_uses_is_closed() -> None:
    pool, made = _lending(idle_s=0.0)
    _as_user("a")
    await pool.tools()
    await made[0].closed.wait()
    assert len(pool) == 0


async def test_a_connection_in_use_is_not_closed() -> None:
    pool, made = _lending(max_connections=1)
    _as_user("a")
    first = asyncio.create_task(pool.call("who", {}, None))
    await _entered(pool, made)
    _as_user("b")
    await pool.tools()
    assert len(pool) == 1  # the second one has made room for the first, which can't
    assert not made[0].closed.is_set()
    made[0].go_on.set()
    assert await first == {"authorization": "a"}
    await pool.close()
    assert all(connection.closed.is_set() for connection in made)


async def test_one_that_was_in_use_when_all_were_closed_is_closed_again() -> None:
    pool, made = _lending()
    _as_user("a")
    call_of_a = asyncio.create_task(pool.call("who", {}, None))
    await _entered(pool, made)
    await pool.close()
    made[0].closed.clear()
    made[0].go_on.set()
    await call_of_a
    await made[0].closed.wait()
    assert len(pool) == 0


class Telling:
    """A server of the SDK that says in its errors what it was given."""

    def __init__(self, *, connects: bool) -> None:
        self.connects = connects

    async def connect(self) -> None:
        if not self.connects:
            self._tell()

    async def cleanup(self) -> None:
        pass

    async def list_tools(self) -> Any:
        self._tell()

    async def call_tool(self, *args: Any) -> Any:
        self._tell()

    def _tell(self) -> None:
        try:
            raise ValueError("Illegal header value b'Bearer ada-token-1'")
        except ValueError as error:
            raise RuntimeError("can't do it") from error


@pytest.mark.parametrize("connects", [True, False])
async def test_an_error_that_contains_a_value_is_not_shown(connects: bool, caplog: pytest.LogCaptureFixture) -> None:
    def connection(values: HeaderValues) -> ServerConnection:
        return ServerConnection("library", lambda: Telling(connects=connects), 5.0, values)  # type: ignore[arg-type,return-value]

    mine = connection((("authorization", "Bearer ada-token-1"),))
    tried: list[Callable[[], Awaitable[Any]]] = [mine.tools]
    if connects:
        mine_too = connection((("authorization", "Bearer ada-token-1"),))
        tried.append(lambda: mine_too.call("who", {}, None))
    for attempt in tried:
        with pytest.raises(McpUnavailable) as caught:
            await attempt()
        assert "ada-token-1" not in "".join(traceback.format_exception(caught.value))
        assert "text contains a user's header" in str(caught.value)
    assert "ada-token-1" not in caplog.text
    others = connection((("authorization", "Bearer ben-token-2"),))
    with pytest.raises(McpUnavailable, match="can't do it"):
        await others.tools()
