"""The interface of the databases of a SQL store, and SQLite; PostgreSQL is in `postgres`.

A store passes each database a function of a session. SQLite runs it in the event loop: a transaction takes 0.1 ms and
only touches the page cache, because a commit in WAL mode does not wait for the disk. A thread costs more, and waits up
to 5 ms for the interpreter's lock while the loop is busy: with 16 busy streams, writing one message took 25 to 45 ms.
Two operations can block, and run in a thread: waiting for a lock of another process, and checkpoints.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, cast

from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from runtime.resources.threads import in_file_thread
from runtime.stores.prepared_statements import PreparedStatements, Row, Statement, Values
from runtime.stores.store import StoreError, StoreUnavailable


class SqlSession(Protocol):
    """One connection; for writes it is inside a transaction."""

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's connection, for what is not a prepared statement."""

    def all(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Run a statement and return its rows."""

    def run(self, statement: Statement, *values: Values) -> int:
        """Run a statement once for each of the values; return the number of rows that it changed."""


def first(session: SqlSession, statement: Statement, values: Values) -> Row | None:
    """Run a statement and return its first row, or None."""
    rows = session.all(statement, values)
    return rows[0] if rows else None


class SqlAlchemySession:
    """A session that runs statements through SQLAlchemy."""

    __slots__ = ("connection",)

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def all(self, statement: Statement, values: Values) -> Sequence[Row]:
        return self.connection.execute(statement, values).all()

    def run(self, statement: Statement, *values: Values) -> int:
        return self.connection.execute(statement, values).rowcount


class SqliteSession:
    """A session that runs statements through SQLite's driver; the sessions of a database share `prepared`."""

    __slots__ = ("_prepared", "connection", "raw")

    def __init__(self, connection: Connection, prepared: PreparedStatements) -> None:
        self.connection, self._prepared = connection, prepared
        self.raw = cast(sqlite3.Connection, connection.connection.dbapi_connection)

    def all(self, statement: Statement, values: Values) -> Sequence[Row]:
        ready = self._prepared.get(statement, values)
        rows = self.raw.execute(ready.text, ready.bind(values)).fetchall()
        return [ready.read(row) for row in rows] if ready.reads else rows

    def run(self, statement: Statement, *values: Values) -> int:
        ready = self._prepared.get(statement, values[0])
        if len(values) == 1:
            return self.raw.execute(ready.text, ready.bind(values[0])).rowcount
        return self.raw.executemany(ready.text, map(ready.bind, values)).rowcount


T = TypeVar("T")
Work = Callable[[SqlSession], T]

logger = logging.getLogger("runtime.stores")
# Only another process holds the lock for long, such as a backup or a database tool.
_BUSY_TIMEOUT_S = 10.0
_BUSY_PAUSE_S = 0.01
_OLDEST_SQLITE = (3, 35, 0)
_MIN_FREE = 1024 * 1024
_KINDS = ("PERM", "BUSY", "LOCKED", "READONLY", "IOERR", "CORRUPT", "FULL", "CANTOPEN", "PROTOCOL", "NOTADB")
# Error codes for what is wrong with the file or its disk, not with a statement.
_UNAVAILABLE = frozenset(getattr(sqlite3, f"SQLITE_{kind}") for kind in _KINDS)


class Database(ABC):
    """Runs functions of a session; `dialect` is the SQL dialect for building statements."""

    dialect: Dialect
    is_shared: ClassVar[bool] = False
    """Whether processes on other machines may use the database at the same time."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raise StoreError if that is impossible."""

    @abstractmethod
    async def close(self) -> None:
        """Wait for running work, and close every connection."""

    async def check(self) -> None:
        """Raise StoreUnavailable if it is known that writes will fail."""
        return None

    @abstractmethod
    async def read(self, work: Work[T], *, slow: bool = False) -> T:
        """Run work that only reads; each statement sees what was committed before it.

        Raise StoreUnavailable if that is not possible now. `slow` is for work that has no limit of time.
        """

    @abstractmethod
    async def write(self, work: Work[T], *, slow: bool = False) -> T:
        """Run work in one transaction: committed when it returns, rolled back when it raises. See `read`."""

    def exists(self) -> bool:
        """Return whether the database exists; `open` creates the file of a SQLite database."""
        return True

    @abstractmethod
    async def rewrite(self, tables: Sequence[str]) -> None:
        """Rewrite the database's files without the bytes of deleted rows. Raise StoreError if it is in use for long."""

    @asynccontextmanager
    async def watch(self, key: str) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
        """Yield a function that waits for so many seconds, or until a `notify` where the database can tell of it."""
        yield asyncio.sleep

    def notify(self, session: SqlSession, key: str) -> None:  # noqa: B027
        """Wake those that `watch` this key in any process, once the transaction is committed."""


class _NotOpen:
    """In place of a session, as long as the database is not open."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Any:
        raise StoreError(f"the store {str(self._path)!r} is not open (await its `open()`, or start the app, first)")


class SqliteDatabase(Database):
    """A SQLite file in WAL mode.

    Commits survive a kill of the process. A power cut may lose the last ones, but does not corrupt the file. The log is
    checkpointed after `checkpoint_commits` commits of about five pages each (SQLite's default is 1,000 pages), and
    truncated beyond `max_log_pages`. `min_free` bytes of the disk must be free.
    """

    def __init__(
        self, path: Path, *, checkpoint_commits: int = 250, max_log_pages: int = 16_000, min_free: int = _MIN_FREE
    ) -> None:
        self._min_free = min_free
        self._path, self._checkpoint_commits, self._max_log_pages = path, checkpoint_commits, max_log_pages
        self._engine = _sqlite_engine(str(path))
        event.listen(self._engine, "connect", _set_file_pragmas)
        self.dialect = self._engine.dialect
        self._prepared = PreparedStatements(self.dialect)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="chatkit-store")
        self._sessions: list[SqliteSession] = []
        self._near = self._far = self._not_open = cast(SqliteSession, _NotOpen(path))
        self._near_lock = threading.Lock()
        self._last: Future[Any] | None = None
        self._commits = 0
        self._file: tuple[int, int] | None = None  # see _identity

    async def open(self) -> None:
        """Create the file and its folder with access for this user only, and connect. Raise StoreError."""
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old (3.35 or newer is needed)")
        try:
            await in_file_thread(self._connect)
        except (OSError, SQLAlchemyError) as error:
            await self.close()
            reason = getattr(error, "orig", None) or error
            raise StoreError(f"can't open the store {str(self._path)!r}: {reason}") from error

    async def close(self) -> None:
        await in_file_thread(self._disconnect)

    async def check(self) -> None:
        """Raise StoreUnavailable if the file is gone, or the disk full: a small write may fit where messages do not."""
        self._check_file()
        free = shutil.disk_usage(self._path.parent).free
        if free < self._min_free:
            raise StoreUnavailable(f"the disk of {self._path} has only {free} bytes left")
        left = await self.read(_bytes_below_the_limit)
        if left < self._min_free:
            raise StoreUnavailable(f"{self._path} has only {left} bytes left below its largest size (max_page_count)")

    async def read(self, work: Work[T], *, slow: bool = False) -> T:
        try:
            return await self._read(work)
        except (sqlite3.Error, SQLAlchemyError) as error:
            if (unavailable := _unavailable(error)) is None:
                raise
            raise unavailable from error

    async def write(self, work: Work[T], *, slow: bool = False) -> T:
        self._check_file()
        try:
            return await self._write(work)
        except (sqlite3.Error, SQLAlchemyError) as error:
            if (unavailable := _unavailable(error)) is None:
                raise
            raise unavailable from error

    async def _read(self, work: Work[T]) -> T:
        if self._near_lock.acquire(blocking=False):
            try:
                return work(self._near)
            except (sqlite3.OperationalError, OperationalError) as error:
                if not _is_busy(getattr(error, "orig", error)):
                    raise
            finally:
                self._near_lock.release()
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, self._far)

    async def _write(self, work: Work[T]) -> T:
        # A write that comes while others wait must not overtake them.
        if (self._last is None or self._last.done()) and self._near_lock.acquire(blocking=False):
            try:
                if _begin(self._near.raw):
                    return self._finish(self._near, work)
            finally:
                self._near_lock.release()
        waiting = self._last = self._executor.submit(self._wait_and_write, work)
        # Shielded: a cancelled write stays queued, so that it can't overwrite a later one of the same caller.
        return await asyncio.shield(asyncio.wrap_future(waiting))

    def _check_file(self) -> None:
        """Raise StoreUnavailable if another file, or none, has the path: what is written would end with the process."""
        if self._file not in (None, _identity(self._path)):
            raise StoreUnavailable(f"{self._path} was deleted or replaced while it is open (restart the server)")

    def exists(self) -> bool:
        return self._path.exists()

    async def rewrite(self, tables: Sequence[str]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._executor, self._rewrite)

    def _rewrite(self) -> None:
        try:
            self._far.raw.execute("VACUUM").close()
            # The log still holds pages of the old file.
            is_busy, _, _ = self._far.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            is_busy = True
        if is_busy:
            raise StoreError(f"{str(self._path)!r} can't be rewritten while others read or write it (try again)")

    def _connect(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._far, self._near = self._new_session(), self._new_session()
        self._near.raw.execute("PRAGMA busy_timeout = 0").close()
        self._file = _identity(self._path)

    def _disconnect(self) -> None:
        # The store may be opened again. An executor starts its thread at the first use.
        executor, self._executor = self._executor, ThreadPoolExecutor(1, thread_name_prefix="chatkit-store")
        executor.shutdown()
        with self._near_lock:
            self._near = self._far = self._not_open
            self._file = None
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
        result = _commit(session, work)
        self._commits += 1
        if self._commits % self._checkpoint_commits == 0:
            # The executor is shut down while the store closes; closing the last connection checkpoints as well.
            with suppress(RuntimeError):
                self._executor.submit(self._checkpoint)
        return result

    def _checkpoint(self) -> None:
        try:
            _, pages, _ = self._far.raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages > self._max_log_pages:
                # The log can only restart while no one writes; TRUNCATE makes writers wait for it.
                self._far.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        except sqlite3.Error as error:
            logger.warning("can't checkpoint the log of %s: %s", self._path, error)


def _identity(path: Path) -> tuple[int, int]:
    """Return the device and the number of a file; zeros if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def _sqlite_engine(database: str) -> Engine:
    # AUTOCOMMIT, because the databases begin transactions themselves. No pool, because they keep their connections.
    # `close` runs in another thread than `open`.
    return create_engine(
        URL.create("sqlite", database=database),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_S},
    )


def _set_file_pragmas(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    enter_wal_mode(connection)
    for pragma in ("synchronous = NORMAL", "foreign_keys = ON", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}").close()


def enter_wal_mode(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL mode; retry while another process does the same, for which SQLite's timeout does not wait.

    Raise sqlite3.OperationalError after 10 seconds.
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
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


def _commit(session: SqliteSession, work: Work[T]) -> T:
    """Run work in the transaction that has begun, and end it."""
    try:
        result = work(session)
        session.raw.execute("COMMIT")
    except BaseException:
        # SQLite rolls back by itself when the disk is full; a second rollback would raise and hide that error.
        if session.raw.in_transaction:
            session.raw.execute("ROLLBACK")
        raise
    return result


def _bytes_below_the_limit(session: SqlSession) -> int:
    raw = cast(SqliteSession, session).raw
    names = ("max_page_count", "page_count", "freelist_count", "page_size")
    most, used, free, size = (int(raw.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (most - used + free) * size


def _unavailable(error: sqlite3.Error | SQLAlchemyError) -> StoreUnavailable | None:
    """Return the error for what is wrong with the file or its disk; None for any other error."""
    cause = getattr(error, "orig", error)
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return StoreUnavailable(str(cause)) if code in _UNAVAILABLE else None


def _is_busy(error: BaseException | None) -> bool:
    # The low byte of an extended error code is the primary code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
