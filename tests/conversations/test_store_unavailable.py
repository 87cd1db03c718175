"""A store that is full, read-only or silent: a JSON error with Retry-After, an error event in a turn, and `/ready`."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from runtime.server.generations import generation
from runtime.stores.sql import SqlStore
from tests.conversations.conftest import Chat, MakeChat
from tests.stores.breaking import NEEDS_POSTGRES, Proxy, database, make_read_only, sqlite_connections


@dataclass
class Broken:
    """A store's URL, and how to break and to mend the database behind it."""

    url: str
    breaks: Callable[[], Awaitable[None]]
    mends: Callable[[], Awaitable[None]]


def pragma(connections: list[sqlite3.Connection], statement: str) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        for connection in connections:
            connection.execute(f"PRAGMA {statement}").close()

    return run


@pytest.fixture(
    params=[
        "full sqlite",
        "read-only sqlite",
        "deleted sqlite",
        "replaced sqlite",
        pytest.param("read-only postgresql", marks=NEEDS_POSTGRES),
    ]
)
async def broken(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broken]:
    if request.param == "read-only postgresql":
        async with database() as url:
            yield Broken(url, lambda: make_read_only(url), lambda: make_read_only(url, False))
        return
    if request.param in ("deleted sqlite", "replaced sqlite"):
        file, aside = tmp_path / "threads.db", tmp_path / "aside.db"

        async def breaks_path() -> None:
            file.rename(aside)
            if request.param == "replaced sqlite":
                file.touch()

        async def mends_path() -> None:
            aside.replace(file)

        yield Broken(f"sqlite:///{file}", breaks_path, mends_path)
        return
    full = request.param == "full sqlite"
    breaks, mends = ("max_page_count = 1", "max_page_count = 1000000") if full else ("query_only = 1", "query_only = 0")
    with sqlite_connections() as connections:
        yield Broken(f"sqlite:///{tmp_path / 'threads.db'}", pragma(connections, breaks), pragma(connections, mends))


async def check_refused(client: Chat, thread: str) -> None:
    """Every request that writes is a 503 that says when to come back; it reveals nothing of the database."""
    text = "x" * 20_000  # more than what is left on the pages of the file
    for exchange in (
        await client.say(text),
        await client.say(text, thread),
        await client.call("threads.update", thread_id=thread, title=text[:200]),
    ):
        if exchange.status == 200 and exchange.body.startswith(b"{"):
            continue  # a small write may still fit in a full file
        assert (exchange.status, exchange.error["code"]) == (503, "store_unavailable"), exchange.body
        assert int(exchange.headers["retry-after"]) > 0
        assert exchange.error["message"] == "conversations can't be read or stored right now (try again in a moment)"


async def test_requests_get_503_and_are_served_again(chat: MakeChat, broken: Broken) -> None:
    client = await chat({"store": broken.url})
    thread = (await client.say("hi")).thread_id
    assert (await client.get("/ready")).status == 200
    await broken.breaks()
    await check_refused(client, thread)
    ready = await client.get("/ready")
    assert (ready.status, ready.error["code"]) == (503, "not_ready"), ready.body
    assert int(ready.headers["retry-after"]) > 0
    # What is stored can still be read.
    assert (await client.items(thread))[0]["content"][0]["text"] == "hi"
    await broken.mends()
    assert (await client.get("/ready")).status == 200
    assert (await client.say("again", thread)).status == 200
    assert client.runtime.server.slots.running == 0


async def test_a_turn_in_its_middle_ends_with_an_error_that_allows_a_retry(chat: MakeChat, broken: Broken) -> None:
    client = await chat({"store": broken.url})
    thread = (await client.say("hi")).thread_id
    client.player.replies = ["alpha beta " + "x" * 30_000]
    gate = client.player.gate("beta")
    exchange = client.begin("go on", thread)
    await gate.reached.wait()
    await broken.breaks()
    gate.open.set()
    await exchange.end()
    error = exchange.events[-1]
    assert (error["type"], error["allow_retry"]) == ("error", True), exchange.events[-3:]
    assert error["message"].startswith("The conversation can't be stored right now. Please try again.")
    await broken.mends()
    assert (await client.get("/ready")).status == 200
    client.player.replies = ["Fine."]
    assert (await client.say("again", thread)).said == ["Fine."]


@NEEDS_POSTGRES
async def test_a_silent_database_is_reported_in_time_by_every_request_and_by_ready(chat: MakeChat) -> None:
    async with database() as declared:
        url = make_url(declared)
        proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
        async with proxy.serve() as port:
            through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
            client = await chat({"store": {"url": through, "timeout": "10s"}})
            thread = (await client.say("hi")).thread_id
            proxy.freeze()
            waiting = [client.begin("hello"), client.begin("hello", thread), client.ask("threads.list")]
            ready = asyncio.ensure_future(client.get("/ready"))
            assert (await client.get("/health")).status == 200
            for exchange in waiting:
                await exchange.end()
                assert (exchange.status, exchange.error["code"]) == (503, "store_unavailable"), exchange.body
                assert int(exchange.headers["retry-after"]) > 0
            assert (await ready).status == 503
            proxy.thaw()
            assert (await client.say("again", thread)).status == 200


@NEEDS_POSTGRES
async def test_a_turn_on_a_silent_database_sends_an_error_before_it_waits_again(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    class Store(SqlStore):
        async def end_turn(self, *args: Any, **options: Any) -> bool:
            if not proxy.is_running:
                await go_on.wait()
            return await super().end_turn(*args, **options)

    async with database() as declared:
        url = make_url(declared)
        proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
        async with proxy.serve() as port:
            through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
            monkeypatch.setattr(generation, "open_declared_store", lambda declared, root: Store(through, timeout_s=10))
            client = await chat({"store": through})
            thread = (await client.say("hi")).thread_id
            client.player.replies = ["alpha beta gamma"]
            gate = client.player.gate("beta")
            exchange = client.begin("go on", thread)
            await gate.reached.wait()
            proxy.freeze()
            gate.open.set()
            await exchange.until(lambda said: said.of("error"))
            error = exchange.events[-1]
            assert error["message"].startswith("The conversation can't be stored right now.")
            proxy.thaw()
            go_on.set()
            await exchange.end()
            client.player.replies = ["Fine."]
            assert (await client.say("again", thread)).said == ["Fine."]
