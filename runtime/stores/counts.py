"""Counts in windows of time, in a SQL store: all processes that share the database count together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from runtime.stores.sqlite import Database, SqlSession, first
from runtime.stores.statements import METADATA, insert_into

COUNTS = sa.Table(
    "chatkit_counts",
    METADATA,
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.PrimaryKeyConstraint("key", name="chatkit_counts_pk"),
    sa.Index("chatkit_counts_until", "until"),
)

_DELETE_OLD: sa.Delete = sa.delete(COUNTS).where(COUNTS.c.until <= sa.bindparam("now"))
_DELETE_EVERY = 1000


class SqlCounts:
    """Counts by key, each from its first count until the end of its window. `clock` returns the time in seconds."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database, self._clock = database, clock
        insert = insert_into(database.dialect, COUNTS)
        is_over = COUNTS.c.until <= sa.bindparam("now")
        self._add: sa.Insert = insert.on_conflict_do_update(
            index_elements=["key"],
            set_={
                "count": sa.case((is_over, insert.excluded.count), else_=COUNTS.c.count + insert.excluded.count),
                "until": sa.case((is_over, insert.excluded.until), else_=COUNTS.c.until),
            },
        ).returning(COUNTS.c.count, COUNTS.c.until)
        self._calls = 0

    async def add(self, key: str, window_s: float, amount: int = 1) -> tuple[int, float]:
        """Add to a count; return it, and the time at which its window ends, in seconds since the epoch."""
        now = self._clock()
        values: dict[str, Any] = {"key": key, "count": amount, "until": now + window_s, "now": now}
        self._calls += 1
        deletes = self._calls % _DELETE_EVERY == 0

        def work(session: SqlSession) -> tuple[int, float]:
            if deletes:
                session.run(_DELETE_OLD, {"now": now})
            row = first(session, self._add, values)
            assert row is not None
            return int(row[0]), float(row[1])

        return await self._database.write(work)
