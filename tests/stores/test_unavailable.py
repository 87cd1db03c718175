"""Databases that are full, read-only, frozen or gone: the error says so, comes in time, and passes."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadMetadata
from sqlalchemy import event, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import create_async_engine

from runtime.stores.ids import new_id
from runtime.stores.sql import SqlStore
from runtime.stores.sqlite import SqliteDatabase
from runtime.stores.store import StoreUnavailable

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES", "")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")


@pytest.fixture
def connections() -> Iterator[list[sqlite3.Connection]]:
    """The connections to SQLite that are made during the test."""
    made: list[sqlite3.Connection] = []

    def note(connection: Any, _: Any) -> None:
        made.append(connection)

    event.listen(Engine, "connect", note)
    yield made
    event.remove(Engine, "connect", note)


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


class Proxy:
    """Forwards connections to PostgreSQL until it is frozen: then they are open, and silent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._running = asyncio.Event()
        self._running.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def freeze(self) -> None:
        self._running.clear()

    def thaw(self) -> None:
        self._running.set()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[1]
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())  # type: ignore[arg-type]  # it runs in a task
        await self._running.wait()
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        await asyncio.gather(self._forward(reader, far_writer), self._forward(far_reader, writer))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self._running.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    """Create a database for one test; yield its URL."""
    url, name = make_url(POSTGRES), new_id("chatkit_test")
    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f'CREATE DATABASE "{name}"'))
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            await connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    await engine.dispose()


@NEEDS_POSTGRES
async def test_a_frozen_postgresql_is_unavailable_in_time_and_serves_again() -> None:
    async with database() as declared:
        url = make_url(declared)
        proxy = Proxy(url.host or "127.0.0.1", url.port or 5432)
        async with proxy.serve() as port:
            through = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
            store = SqlStore(through, pool_size=2, timeout_s=0.5)
            await store.open()
            thread = await new_thread(store)
            await store.check()
            proxy.freeze()
            async with asyncio.timeout(20):
                works = [store.check(), new_thread(store), *(store.load_thread("ann", thread) for _ in range(6))]
                results = await asyncio.gather(*works, return_exceptions=True)
            assert [type(result) for result in results] == [StoreUnavailable] * 8, results
            proxy.thaw()
            assert (await store.load_thread("ann", thread)).id == thread
            await store.close()


@NEEDS_POSTGRES
async def test_a_read_only_postgresql_is_not_ready() -> None:
    async with database() as url:
        store = SqlStore(url)
        await store.open()
        thread = await new_thread(store)
        name = make_url(url).database
        engine = create_async_engine(make_url(POSTGRES).set(drivername="postgresql+asyncpg"))
        async with engine.begin() as connection:
            await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
            await connection.execute(text(query), {"name": name})
        await engine.dispose()
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
            store = SqlStore(url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False))
            await store.open()
            thread = await new_thread(store)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await store.load_thread("ann", thread)
        await store.close()
