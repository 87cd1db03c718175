"""Databases that tests make full, read-only, or silent while a store uses them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from sqlalchemy import event, make_url, text
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import create_async_engine

from runtime.stores.ids import new_id

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES", "")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")


@contextmanager
def sqlite_connections() -> Iterator[list[sqlite3.Connection]]:
    """Yield the connections to SQLite that are made meanwhile."""
    made: list[sqlite3.Connection] = []

    def note(connection: Any, _: Any) -> None:
        made.append(connection)

    event.listen(Engine, "connect", note)
    try:
        yield made
    finally:
        event.remove(Engine, "connect", note)


class Proxy:
    """Forwards connections to PostgreSQL until it is frozen: then they are open, and silent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._running = asyncio.Event()
        self._running.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_running(self) -> bool:
        return self._running.is_set()

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


async def count_connections(url: str) -> int:
    """Return how many connections a PostgreSQL database has."""
    engine = create_async_engine(make_url(POSTGRES).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE datname = :name")
        counted = int((await connection.execute(query, {"name": make_url(url).database})).scalar_one())
    await engine.dispose()
    return counted


async def make_read_only(url: str, read_only: bool = True) -> None:
    """Let a PostgreSQL database refuse writes, or accept them again; its connections are closed."""
    name = make_url(url).database
    engine = create_async_engine(make_url(POSTGRES).set(drivername="postgresql+asyncpg"))
    value = "on" if read_only else "off"
    async with engine.begin() as connection:
        await connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}'))
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        await connection.execute(text(query), {"name": name})
    await engine.dispose()
