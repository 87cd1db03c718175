"""Large stores for `benchmarks.growth --only pages`: a thread of many items, an owner of many threads, and their pages.

The rows are inserted by the database itself, a million in a few seconds; they are those that the store would write.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from chatkit.types import ThreadMetadata
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.harness import BenchmarkError, Figure, Sample, count_noun
from benchmarks.prepare import make_item
from runtime.stores.rows import item_rows, thread_row
from runtime.stores.sql import SqlStore
from runtime.stores.statements import ITEMS, THREADS

POSTGRES = "postgresql"
LAST_ITEMS, FIRST_THREADS = 50, 20
"""The sizes of the pages that are read."""
_OWNER, _THREAD = "benchmark", "thr_long"
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Pages:
    """An open store that has one thread of `items` items, and `threads` threads of its owner."""

    store: SqlStore


@asynccontextmanager
async def fill_stores(
    folder: Path, postgres: str | None, sizes: Sequence[tuple[int, int]], log: Callable[[str], None]
) -> AsyncIterator[dict[tuple[int, int], dict[str, Pages]]]:
    """Make a store in each database for each of the sizes (items, threads), until the block ends."""
    async with AsyncExitStack() as stack:
        made: dict[tuple[int, int], dict[str, Pages]] = {}
        for items, threads in sizes:
            urls = {"sqlite": f"sqlite:///{folder}/{items}-{threads}.db"}
            if postgres is not None:
                urls[POSTGRES] = await stack.enter_async_context(_new_database(postgres))
            made[items, threads] = {}
            for name, url in urls.items():
                log(f"pages: filling {name} with {count_noun(items, 'item')} and {count_noun(threads, 'thread')}")
                await _fill(url, items, threads)
                store = SqlStore(url)
                await store.open()
                stack.push_async_callback(store.close)
                made[items, threads][name] = Pages(store)
        yield made


async def measure_pages(items: int, threads: int, reads: int, pages: Pages) -> Sample:
    """Read the last items of the long thread, and the first page of the threads; check what was read."""
    store = pages.store

    async def last_items() -> Sequence[str]:
        page = await store.load_items(_OWNER, _THREAD, limit=LAST_ITEMS)
        return [item.id for item in page.data]

    async def first_threads() -> Sequence[str]:
        page = await store.load_threads(_OWNER, limit=FIRST_THREADS, after=None, order="desc")
        return [thread.id for thread in page.data]

    wanted_items = [_name("msg", number) for number in range(items, max(items - LAST_ITEMS, 0), -1)]
    wanted_threads = [_name("thr", number) for number in range(threads, max(threads - FIRST_THREADS, 0), -1)]
    return {
        Figure("time of the last items", f"thread of {count_noun(items, 'item')}", "ms", series="items", size=items): (
            await _median_ms(last_items, wanted_items, reads)
        ),
        Figure("time of the first threads", count_noun(threads, "thread"), "ms", series="threads", size=threads): (
            await _median_ms(first_threads, wanted_threads, reads)
        ),
    }


async def _median_ms(read: Callable[[], Awaitable[Sequence[str]]], wanted: Sequence[str], reads: int) -> float:
    times = []
    for _ in range(reads):
        began = time.perf_counter()
        found = await read()
        times.append(time.perf_counter() - began)
        if list(found)[: len(wanted)] != list(wanted):
            raise BenchmarkError(f"a page has other entries than it should: {found[:3]}")
    return median(times) * 1000


def _name(prefix: str, number: int) -> str:
    return f"{prefix}_{number:0{_DIGITS}d}"


async def _fill(url: str, items: int, threads: int) -> None:
    """Create the schema, and let the database insert the rows."""
    store = SqlStore(url)
    await store.open()
    await store.close()
    if url.startswith("sqlite"):
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            _insert(connection, items, threads)
        engine.dispose()
        return
    server = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with server.begin() as connected:
        await connected.run_sync(_insert, items, threads)
    await server.dispose()


def _insert(connection: sa.Connection, items: int, threads: int) -> None:
    now = datetime.now(UTC)
    thread = thread_row(_OWNER, ThreadMetadata(id=_THREAD, created_at=now, title="Long"))
    samples = item_rows(_THREAD, [make_item(_THREAD, number, now) for number in (0, 1)])
    connection.execute(sa.insert(THREADS), thread | {"next_seq": items + 1})
    for parity, sample in enumerate(samples):
        row = {**sample, "payload": sample["payload"].replace(sample["id"], "{id}")}
        _insert_series(connection, ITEMS, row, "msg", range(1 + parity, items + 1, 2), seq="seq")
    row = thread_row(_OWNER, ThreadMetadata(id="", created_at=now, title="A thread"))
    _insert_series(connection, THREADS, row, "thr", range(1, threads + 1))
    # PostgreSQL does so by itself after a time, and only then knows how large the tables are.
    connection.execute(sa.text("ANALYZE"))


def _insert_series(
    connection: sa.Connection, table: sa.Table, row: dict[str, Any], prefix: str, numbers: range, seq: str | None = None
) -> None:
    """Insert a row for each number, with an id of it; `{id}` in its payload is that id."""
    if not numbers:
        return
    first, last, step = numbers.start, numbers[-1], numbers.step
    series = sa.select(sa.literal(first).label("n")).cte("series", recursive=True)
    series = series.union_all(sa.select(series.c.n + step).where(series.c.n < last))
    digits = sa.func.substr(sa.cast(series.c.n + 10**_DIGITS, sa.Text), 2)
    entry_id = sa.literal(f"{prefix}_").concat(digits)
    columns: dict[str, Any] = {
        name: sa.literal(value, table.c[name].type) if value is not None else sa.null() for name, value in row.items()
    }
    columns["id"] = entry_id
    if seq is not None:
        columns[seq] = series.c.n
    if "payload" in columns:
        columns["payload"] = sa.func.replace(columns["payload"], "{id}", entry_id)
    connection.execute(sa.insert(table).from_select(list(columns), sa.select(*columns.values())))


@asynccontextmanager
async def _new_database(url: str) -> AsyncIterator[str]:
    name = f"benchmark_{uuid4().hex}"
    admin = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    try:
        async with admin.connect() as connection:
            await connection.execute(sa.text(f"CREATE DATABASE {name}"))
        try:
            yield make_url(url).set(database=name).render_as_string(hide_password=False)
        finally:
            async with admin.connect() as connection:
                await connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        await admin.dispose()
