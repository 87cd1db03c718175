"""Databases that are full, read-only, frozen or gone: the error says so, comes in time, and passes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadMetadata
from sqlalchemy import event, make_url
from sqlalchemy.pool import Pool

from runtime.stores.ids import new_id
from runtime.stores.sql import SqlStore
from runtime.stores.sqlite import SqliteDatabase
from runtime.stores.store import StoreUnavailable
from tests.stores.breaking import NEEDS_POSTGRES, Proxy, database, make_read_only, sqlite_connections


@pytest.fixture
def connections() -> Iterator[list[sqlite3.Connection]]:
    with sqlite_connections() as made:
        yield made


async def new_thread(store: SqlStore, size: int = 100) -> str:
    thread = ThreadMetadata(id=new_id("thread"), created_at=datetime.now(UTC))
    content = [AssistantMessageContent(text="x" * size)]
    item = AssistantMessageItem(
        id=new_id("message"), thread_id=thread.id, created_at=datetime.now(UTC), content=content
    )
    await store.create_thread("ann", thread, [item])
    return thread.id


async def test_a_full_sqlite_file_is_unavailable_for_writing_and_readable(
    tmp_path: Path, connections: list[sqlite3.Connection]
) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'threads.db'}")
    await store.open()
    thread = await new_thread(store)
    await store.check()
    for connection in connections:
        connection.execute("PRAGMA max_page_count = 1").close()  # as many as there are now
    with pytest.raises(StoreUnavailable, match="database or disk is full"):
        await new_thread(store, 100_000)
    assert (await store.load_thread("ann", thread)).id == thread
    for connection in connections:
        connection.execute("PRAGMA max_page_count = 1000000").close()
    await new_thread(store, 100_000)
    await store.close()


async def test_a_read_only_sqlite_file_is_not_ready(tmp_path: Path, connections: list[sqlite3.Connection]) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'threads.db'}")
    await store.open()
    thread = await new_thread(store)
    for connection in connections:
        connection.execute("PRAGMA query_only = ON").close()
    for work in (store.check(), new_thread(store), store.update_thread("ann", thread, title="new")):
        with pytest.raises(StoreUnavailable, match="readonly"):
            await work
    assert (await store.load_thread("ann", thread)).id == thread
    await store.close()


async def test_a_disk_without_space_for_messages_is_not_ready(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "threads.db", min_free=1 << 60)
    with pytest.raises(StoreUnavailable, match="bytes left"):
        await database.check()


@NEEDS_POSTGRES
async def test_a_frozen_postgresql_is_unavailable_in_time_and_serves_again() -> None:
    async with database() as declared:
        url = make_url(declared)
        proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
        async with proxy.serve() as port:
            through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
            store = SqlStore(through, connections=2, timeout_s=10)
            await store.open()
            thread = await new_thread(store)
            await store.check()
            proxy.freeze()
            async with asyncio.timeout(120):
                works = [store.check(), new_thread(store), *(store.load_thread("ann", thread) for _ in range(6))]
                results = await asyncio.gather(*works, return_exceptions=True)
            assert [type(result) for result in results] == [StoreUnavailable] * 8, results
            proxy.thaw()
            assert (await store.load_thread("ann", thread)).id == thread
            await store.close()


@NEEDS_POSTGRES
async def test_a_connection_that_does_not_answer_is_cut_without_a_farewell() -> None:
    """SQLAlchemy's own close waits two seconds for the answer to it."""
    cut: list[bool] = []

    def note(connection: Any, _: Any) -> None:
        cut.append(connection.driver_connection.is_closed())

    async with database() as declared:
        url = make_url(declared)
        proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
        async with proxy.serve() as port:
            through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
            store = SqlStore(through, connections=1, timeout_s=10)
            await store.open()
            await new_thread(store)
            proxy.freeze()
            event.listen(Pool, "close", note)
            try:
                with pytest.raises(StoreUnavailable):
                    await new_thread(store)
            finally:
                event.remove(Pool, "close", note)
            proxy.thaw()
            await store.close()
    assert cut == [True]


@NEEDS_POSTGRES
async def test_a_read_only_postgresql_is_not_ready() -> None:
    async with database() as url:
        store = SqlStore(url, timeout_s=60)
        await store.open()
        thread = await new_thread(store)
        await make_read_only(url)
        for work in (store.check(), new_thread(store)):
            with pytest.raises(StoreUnavailable, match="read-only"):
                await work
        assert (await store.load_thread("ann", thread)).id == thread
        await store.close()


@NEEDS_POSTGRES
async def test_a_postgresql_that_is_gone_is_unavailable() -> None:
    async with database() as declared:
        url = make_url(declared)
        proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
        async with proxy.serve() as port:
            through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
            store = SqlStore(through, timeout_s=60)
            await store.open()
            thread = await new_thread(store)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.load_thread("ann", thread)
        await store.close()
