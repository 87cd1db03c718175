"""What a store's work does its statements with: SQLAlchemy's own connection, or SQLite's driver itself.

For SQLite a statement is compiled once and then handed to the driver, which keeps it prepared: SQLAlchemy's bookkeeping
for one execution takes several times as long as SQLite takes to carry it out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import TypeEngine

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
