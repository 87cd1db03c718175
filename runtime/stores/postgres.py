"""PostgreSQL through asyncpg. Imported on demand, because SQLAlchemy's asyncio part takes 100 ms to import."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from sqlalchemy import URL, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from runtime.config.secrets.mask import mask
from runtime.stores.sqlite import Database, SqlAlchemySession, SqlSession, T, Work
from runtime.stores.store import StoreError, StoreUnavailable

logger = logging.getLogger("runtime.stores")

_CHANNEL = "chatkit_turns"
# Classes of SQLSTATE: no connection, read only, lock not available, resources, shutdown or cancelled, system error.
_UNAVAILABLE = ("08", "25006", "55P03", "53", "57", "58")
# The transactions of this database, and of PostgreSQL's own processes, that hold a snapshot.
_SNAPSHOTS = text(
    "SELECT pid, backend_xmin::text FROM pg_stat_activity WHERE backend_xmin IS NOT NULL"
    " AND pid <> pg_backend_pid() AND (datname IS NULL OR datname = current_database())"
)
# Of all databases of the server: a new snapshot is as old as the oldest transaction that writes.
_NEXT_TRANSACTION = text("SELECT txid_snapshot_xmax(txid_current_snapshot())")
_OLDEST_TRANSACTION = text("SELECT txid_snapshot_xmin(txid_current_snapshot())")
_WRITING = text("SELECT pid FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()")
_SNAPSHOT_CHECKS, _SNAPSHOT_PAUSE_S = 300, 0.1


class PostgresDatabase(Database):
    """A PostgreSQL database with a pool of `connections` connections.

    Work, with the wait for a connection, may take `timeout_s` seconds: a server or network may hang without an error.
    """

    is_shared = True

    def __init__(self, url: URL, *, connections: int, timeout_s: float = 5.0) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._engine = _postgres_engine(url, connections, timeout_s)
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self.dialect = self._engine.dialect
        self._listener = Listener(create_async_engine(self._engine.url, poolclass=NullPool), timeout_s)

    async def open(self) -> None:
        try:
            async with self._engine.connect():
                return
        except (OSError, SQLAlchemyError) as error:
            reason = getattr(error, "orig", None) or error
            # `hide_password` leaves one in the query.
            where = mask(self._url.render_as_string(hide_password=True))
            raise StoreError(mask(f"can't open the store {where!r}: {reason}")) from error

    async def close(self) -> None:
        await self._listener.close()
        await self._engine.dispose()

    async def read(self, work: Work[T], *, slow: bool = False) -> T:
        with _translated_errors():
            async with asyncio.timeout(None if slow else self._timeout_s), self._autocommit.connect() as connection:
                return await connection.run_sync(lambda core: work(SqlAlchemySession(core)))

    async def write(self, work: Work[T], *, slow: bool = False) -> T:
        with _translated_errors():
            async with asyncio.timeout(None if slow else self._timeout_s), self._engine.begin() as connection:
                return await connection.run_sync(lambda core: work(SqlAlchemySession(core)))

    async def rewrite(self, tables: Sequence[str]) -> None:
        async with self._autocommit.connect() as connection:
            await _wait_for_snapshots(connection)
            for table in tables:
                await connection.execute(text(f"VACUUM FULL {table}"))

    @asynccontextmanager
    async def watch(self, key: str) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
        async with self._listener.watch(key) as notified:

            async def wait(timeout_s: float) -> None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(notified.wait(), timeout_s)
                notified.clear()

            yield wait

    def notify(self, session: SqlSession, key: str) -> None:
        session.connection.execute(text("SELECT pg_notify(:channel, :key)"), {"channel": _CHANNEL, "key": key})


async def _wait_for_snapshots(connection: AsyncConnection) -> None:
    """Wait for the transactions that may still see what was deleted: VACUUM would keep it. Raise StoreError."""
    seeing = set((await connection.execute(_SNAPSHOTS)).all())
    until = (await connection.execute(_NEXT_TRANSACTION)).scalar_one()
    for _ in range(_SNAPSHOT_CHECKS):
        seeing &= set((await connection.execute(_SNAPSHOTS)).all())
        if not seeing and (await connection.execute(_OLDEST_TRANSACTION)).scalar_one() >= until:
            return
        await asyncio.sleep(_SNAPSHOT_PAUSE_S)
    seeing |= set((await connection.execute(_WRITING)).all())
    processes = ", ".join(sorted({str(row[0]) for row in seeing}))
    raise StoreError(
        f"transactions that began before still see what was deleted: process {processes} (try again later)"
    )


class Listener:
    """Hears notifications, on a connection of its own, which the first watcher makes.

    Notifications are hints: some are lost when the connection is, so whoever waits also looks from time to time.
    """

    def __init__(self, engine: AsyncEngine, timeout_s: float) -> None:
        self._engine, self._timeout_s = engine, timeout_s
        self._watchers: defaultdict[str, list[asyncio.Event]] = defaultdict(list)
        self._connection: AsyncConnection | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def watch(self, key: str) -> AsyncIterator[asyncio.Event]:
        """Yield an event that notifications with this key set."""
        notified = asyncio.Event()
        self._watchers[key].append(notified)
        try:
            await self._listen()
            yield notified
        finally:
            self._watchers[key].remove(notified)
            if not self._watchers[key]:
                del self._watchers[key]

    async def close(self) -> None:
        """Return the connection."""
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                with suppress(Exception):
                    await connection.close()

    async def _listen(self) -> None:
        async with self._lock:
            if self._connection is not None and not (await _driver_of(self._connection)).is_closed():
                return
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._connection = await self._engine.connect()
                    driver = await _driver_of(self._connection)
                    await driver.add_listener(_CHANNEL, self._notified)
            except (OSError, SQLAlchemyError) as error:
                logger.warning("can't listen to the database, which is polled instead: %s", error)

    def _notified(self, connection: Any, pid: int, channel: str, key: str) -> None:
        for watcher in self._watchers.get(key, ()):
            watcher.set()


async def _driver_of(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise StoreUnavailable for a server that can't be reached, is silent, or can't write."""
    try:
        yield
    except TimeoutError:
        raise StoreUnavailable("the database does not answer in time") from None
    except OSError as error:
        raise StoreUnavailable(f"the database can't be reached: {error}") from error
    except PoolTimeout:
        raise StoreUnavailable("every connection to the database is in use") from None
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        if error.connection_invalidated or isinstance(error, InterfaceError) or state.startswith(_UNAVAILABLE):
            raise StoreUnavailable(str(error.orig)) from error
        raise


def _postgres_engine(url: URL, connections: int, timeout_s: float) -> AsyncEngine:
    try:
        import asyncpg  # type: ignore[import-untyped]  # noqa: F401  # it ships no types
    except ImportError:
        raise StoreError("a postgresql store needs asyncpg (pip install 'chatkit-runtime[postgres]')") from None
    query = dict(url.query)
    # libpq and most hosting providers write `sslmode`; asyncpg calls it `ssl`.
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    url = url.set(drivername="postgresql+asyncpg", query=query)
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=timeout_s,
        connect_args={"timeout": timeout_s},
    )
    event.listen(engine.sync_engine, "invalidate", _cut)
    return engine


def _cut(connection: Any, record: Any, error: BaseException | None) -> None:
    """End a connection that is given up: SQLAlchemy would wait two more seconds for a server that does not answer."""
    connection.driver_connection.terminate()
