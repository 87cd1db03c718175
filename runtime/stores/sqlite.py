"""Where the statements of a SQL store run: SQLite right in the call, PostgreSQL through asyncpg.

Both take a function of a session. A SQLite transaction of ours takes a tenth of a millisecond
and touches nothing but the page cache: in WAL mode a commit waits for no disk. Handing it to a thread costs more than
doing it, and while the event loop is busy a thread gets the interpreter's lock once in 5 ms: with 16 busy streams the
writing of one message took 25 to 45 ms that way. What may really take time stays in a thread: waiting for a lock that
another process holds, and checkpoints, which do wait for the disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import URL, Connection, Delete, Dialect, Engine, Insert, Select, Update, create_engine, event
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool
from sqlalchemy.types import TypeEngine

from runtime.stores.store import StoreError

# What a store's work does its statements with: SQLAlchemy's own connection, or SQLite's driver itself.

Statement = Select[Any] | Insert | Update | Delete
Values = Mapping[str, Any]
Row = Sequence[Any]
Process = Callable[[Any], Any]


class Session(Protocol):
    """One connection, inside a transaction where it writes; `connection` is SQLAlchemy's."""

    @property
    def connection(self) -> Connection:
        """The connection itself, for what is no prepared statement."""

    def all(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Carry out a statement and return its rows."""

    def run(self, statement: Statement, *values: Values) -> int:
        """Carry out a statement once for each of the values; return how many rows that has changed."""


def first(session: Session, statement: Statement, values: Values) -> Row | None:
    """Carry out a statement and return its first row, None where there is none."""
    rows = session.all(statement, values)
    return rows[0] if rows else None


class CoreSession:
    """A session that leaves everything to SQLAlchemy."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def all(self, statement: Statement, values: Values) -> Sequence[Row]:
        """See `Session`."""
        return self.connection.execute(statement, values).all()

    def run(self, statement: Statement, *values: Values) -> int:
        """See `Session`."""
        return self.connection.execute(statement, values).rowcount


class SqliteSession:
    """A session of SQLite's driver; `prepared` is shared by the sessions of one database."""

    __slots__ = ("_prepared", "connection", "raw")

    def __init__(self, connection: Connection, prepared: Prepared) -> None:
        self.connection, self._prepared = connection, prepared
        self.raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)

    def all(self, statement: Statement, values: Values) -> Sequence[Row]:
        """See `Session`."""
        ready = self._prepared.get(statement, values)
        rows = self.raw.execute(ready.text, ready.bind(values)).fetchall()
        return [ready.read(row) for row in rows] if ready.reads else rows

    def run(self, statement: Statement, *values: Values) -> int:
        """See `Session`."""
        ready = self._prepared.get(statement, values[0])
        if len(values) == 1:
            return self.raw.execute(ready.text, ready.bind(values[0])).rowcount
        return self.raw.executemany(ready.text, map(ready.bind, values)).rowcount


class Prepared:
    """Statements as SQLite's driver takes them, each compiled when it is first met with values of these names."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._ready: dict[tuple[Statement, tuple[str, ...]], _Ready] = {}

    def get(self, statement: Statement, values: Values) -> _Ready:
        """Return the statement for values of these names."""
        key = statement, tuple(values)
        ready = self._ready.get(key)
        if ready is None:
            ready = self._ready[key] = _Ready(statement, key[1], self._dialect)
        return ready


class _Ready:
    """A statement's text, and how Python's values become SQLite's and back."""

    __slots__ = ("_binds", "reads", "text")

    def __init__(self, statement: Statement, names: tuple[str, ...], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        self.text = str(compiled)
        # Constants of a statement are parameters with a value of their own.
        self._binds: list[tuple[str, Any, Process | None]] = [
            (name, compiled.binds[name].value, _to_sqlite(compiled.binds[name].type, dialect))
            for name in compiled.positiontup or ()
        ]
        found = (_from_sqlite(column.type, dialect) for column in statement.exported_columns)
        self.reads = [(index, process) for index, process in enumerate(found) if process is not None]

    def bind(self, values: Values) -> list[Any]:
        """The parameters in their order."""
        given = [(values.get(name, default), process) for name, default, process in self._binds]
        return [value if process is None else process(value) for value, process in given]

    def read(self, row: Row) -> Row:
        """A row with the values that SQLite has no type for."""
        read = list(row)
        for index, process in self.reads:
            read[index] = process(read[index])
        return read


def _to_sqlite(kind: TypeEngine[Any], dialect: Dialect) -> Process | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _from_sqlite(kind: TypeEngine[Any], dialect: Dialect) -> Process | None:
    return kind.dialect_impl(dialect).result_processor(cast(DefaultDialect, dialect), None)


T = TypeVar("T")
Work = Callable[[Session], T]

_LOGGER = logging.getLogger(__name__)
# Only another process can hold the lock for long: a backup, or somebody with a database tool.
_BUSY_TIMEOUT_S = 10.0
_BUSY_PAUSE_S = 0.01
# A commit writes some five pages to the log; SQLite itself would check the log in after 1,000.
_CHECKPOINT_COMMITS = 250
_LARGEST_LOG_PAGES = 16_000
_OLDEST_SQLITE = (3, 35, 0)


class Database(ABC):
    """Runs work inside a transaction; `dialect` tells what SQL it speaks."""

    dialect: Dialect

    @abstractmethod
    async def open(self) -> None:
        """Get ready; raise StoreError when the database can't be reached."""

    @abstractmethod
    async def close(self) -> None:
        """Wait for work that runs and release every connection."""

    @abstractmethod
    async def read(self, work: Work[T]) -> T:
        """Run work that only reads; each of its statements sees what was committed before."""

    @abstractmethod
    async def write(self, work: Work[T]) -> T:
        """Run work in one transaction: committed when it returns, undone when it raises."""


class SqliteDatabase(Database):
    """A SQLite file in WAL mode.

    What was committed survives a kill of the process; a power cut may take the last moments, but never breaks the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _sqlite_engine(path)
        self.dialect = self._engine.dialect
        self._prepared = Prepared(self.dialect)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="chatkit-store")
        self._sessions: list[SqliteSession] = []
        self._near_lock = threading.Lock()
        self._last: Future[Any] | None = None
        self._commits = 0

    async def open(self) -> None:
        """Create the file and its folder, for this user alone, and connect."""
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old (3.35 or newer is needed)")
        try:
            await asyncio.to_thread(self._connect)
        except (OSError, SQLAlchemyError) as error:
            await self.close()
            reason = getattr(error, "orig", None) or error
            raise StoreError(f"can't open the store {str(self._path)!r}: {reason}") from error

    async def close(self) -> None:
        """See `Database`."""
        await asyncio.to_thread(self._disconnect)

    async def read(self, work: Work[T]) -> T:
        """See `Database`."""
        if self._near_lock.acquire(blocking=False):
            try:
                return work(self._near)
            except (sqlite3.OperationalError, OperationalError) as error:
                if not _is_busy(getattr(error, "orig", error)):
                    raise
            finally:
                self._near_lock.release()
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._far)

    async def write(self, work: Work[T]) -> T:
        """See `Database`."""
        # Whoever comes while others wait has to wait behind them.
        if (self._last is None or self._last.done()) and self._near_lock.acquire(blocking=False):
            try:
                if _begin(self._near.raw):
                    return self._finish(self._near, work)
            finally:
                self._near_lock.release()
        waiting = self._last = self._executor.submit(self._wait_and_write, work)
        # A caller that is cancelled leaves its write in the queue, or a later one of its own could be undone by it.
        return await asyncio.shield(asyncio.wrap_future(waiting))

    def _connect(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._far, self._near = self._new_session(), self._new_session()
        self._near.raw.execute("PRAGMA busy_timeout = 0").close()

    def _disconnect(self) -> None:
        # A store may be opened again, or for the first time after it could not be; this starts no thread yet.
        executor, self._executor = self._executor, ThreadPoolExecutor(1, thread_name_prefix="chatkit-store")
        executor.shutdown()
        with self._near_lock:
            while self._sessions:
                self._sessions.pop().connection.close()
        self._engine.dispose()

    def _new_session(self) -> SqliteSession:
        session = SqliteSession(self._engine.connect(), self._prepared)
        self._sessions.append(session)
        return session

    def _wait_and_write(self, work: Work[T]) -> T:
        self._far.raw.execute("BEGIN IMMEDIATE")
        return self._finish(self._far, work)

    def _finish(self, session: SqliteSession, work: Work[T]) -> T:
        try:
            result = work(session)
            session.raw.execute("COMMIT")
        except BaseException:
            _roll_back(session.raw)
            raise
        self._commits += 1
        if self._commits % _CHECKPOINT_COMMITS == 0:
            # Where the store is closing, the last connection to go does the same.
            with suppress(RuntimeError):
                self._executor.submit(self._checkpoint)
        return result

    def _checkpoint(self) -> None:
        try:
            _, pages, _ = self._far.raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages > _LARGEST_LOG_PAGES:
                # Writers never paused long enough for the log to start over: now they queue up behind this.
                self._far.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        except sqlite3.Error as error:
            _LOGGER.warning("can't write the log of %s back: %s", self._path, error)


def _sqlite_engine(path: Path) -> Engine:
    # AUTOCOMMIT: transactions are begun by hand, as IMMEDIATE ones. The connections outlive the calls, so no pool is
    # needed; `close` runs in another thread than the one that connected.
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_S},
    )
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    _enter_wal_mode(connection)
    for pragma in ("synchronous = NORMAL", "foreign_keys = ON", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}").close()


def _enter_wal_mode(connection: sqlite3.Connection) -> None:
    # Processes that make the same file together both switch it over, and for that SQLite never waits by itself.
    give_up = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > give_up:
                raise
            time.sleep(_BUSY_PAUSE_S)


def _begin(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if _is_busy(error):
            return False
        raise
    return True


def _is_busy(error: BaseException | None) -> bool:
    # The low byte is the kind of error, the rest says more about it.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _roll_back(connection: sqlite3.Connection) -> None:
    # A full disk ends the transaction by itself; a second rollback would hide that error behind its own.
    if connection.in_transaction:
        connection.execute("ROLLBACK")
