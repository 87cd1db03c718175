"""Statements in the form of SQLite's driver, compiled once by SQLAlchemy: a call only binds values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Delete, Dialect, Insert, Select, Update
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.types import TypeEngine

Statement = Select[Any] | Insert | Update | Delete
Values = Mapping[str, Any]
Row = Sequence[Any]
Process = Callable[[Any], Any]


class PreparedStatements:
    """Statements in the form of SQLite's driver, each compiled at its first use with values of these names."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._ready: dict[tuple[Statement, tuple[str, ...]], PreparedStatement] = {}

    def get(self, statement: Statement, values: Values) -> PreparedStatement:
        """Return the statement for values of these names."""
        key = statement, tuple(values)
        ready = self._ready.get(key)
        if ready is None:
            ready = self._ready[key] = PreparedStatement(statement, key[1], self._dialect)
        return ready


class PreparedStatement:
    """The text of a statement, with the conversions between the values of Python and SQLite."""

    __slots__ = ("_binds", "reads", "text")

    def __init__(self, statement: Statement, names: tuple[str, ...], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        self.text = str(compiled)
        # SQLAlchemy compiles constants to parameters that have a value.
        self._binds: list[tuple[str, Any, Process | None]] = [
            (name, compiled.binds[name].value, _to_sqlite(compiled.binds[name].type, dialect))
            for name in compiled.positiontup or ()
        ]
        processes = (_from_sqlite(column.type, dialect) for column in statement.exported_columns)
        self.reads = [(index, process) for index, process in enumerate(processes) if process is not None]

    def bind(self, values: Values) -> list[Any]:
        """Return the parameters in order."""
        given = [(values.get(name, default), process) for name, default, process in self._binds]
        return [value if process is None else process(value) for value, process in given]

    def read(self, row: Row) -> Row:
        """Return the row with its values converted, such as text to datetime."""
        read = list(row)
        for index, process in self.reads:
            read[index] = process(read[index])
        return read


def _to_sqlite(kind: TypeEngine[Any], dialect: Dialect) -> Process | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _from_sqlite(kind: TypeEngine[Any], dialect: Dialect) -> Process | None:
    return kind.dialect_impl(dialect).result_processor(cast(DefaultDialect, dialect), None)
