"""The statements for the leases of turns and for their events; `statements` has the tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from runtime.stores.statements import OF_OWNER, OF_TURN, TAKE, THREAD_COLUMNS, THREADS, TURN_EVENTS


class Now(FunctionElement[float]):
    """The seconds since 1970 by the clock of the database, also within a long transaction."""

    type = sa.Double()
    inherit_cache = True


@compiles(Now, "sqlite")
def _now_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(Now, "postgresql")
def _now_in_postgres(element: Any, compiler: Any, **options: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


LEASE_END = Now() + sa.bindparam("lease_s", type_=sa.Double)
HOLDER: sa.BindParameter[str] = sa.bindparam("by_holder", type_=sa.Text)
_RUNS = THREADS.c.turn_until > Now()
_IS_FREE = sa.or_(THREADS.c.turn_until.is_(None), THREADS.c.turn_until <= Now())
# A store may close a turn of its own whose end could not be stored.
_CAN_BE_CLOSED = sa.or_(_IS_FREE, THREADS.c.turn_holder == HOLDER)
_HELD = {"turn": THREADS.c.turn + 1, "turn_holder": HOLDER, "turn_until": LEASE_END, "turn_signals": 0}
_FREE = {"turn_holder": None, "turn_until": None, "turn_signals": 0}

LOAD_TURN: sa.Select[Any] = sa.select(
    *THREAD_COLUMNS, THREADS.c.turn, THREADS.c.turn_holder, sa.type_coerce(_RUNS, sa.Integer), THREADS.c.turn_signals
).where(*OF_OWNER)
RUNNING_TURN: sa.Select[Any] = sa.select(THREADS.c.id).where(_RUNS).limit(1)
BEGIN_TURN: sa.Update = TAKE.where(OF_TURN, _IS_FREE).values(_HELD).returning(THREADS.c.next_seq, THREADS.c.turn)
WRITE_IN_TURN: sa.Update = TAKE.where(OF_TURN).returning(THREADS.c.next_seq, THREADS.c.turn_signals)
# Locked, so that a later turn can't begin before the events are written; SQLite locks the whole database.
HELD_TURNS: sa.Select[Any] = (
    sa.select(THREADS.c.id, THREADS.c.turn, THREADS.c.turn_signals)
    .where(THREADS.c.id.in_(sa.bindparam("threads", expanding=True)))
    .order_by(THREADS.c.id)
    .with_for_update(read=True)
)
CLOSE_TURN: sa.Update = (
    TAKE.where(OF_TURN, _CAN_BE_CLOSED).values(_FREE | {"turn": THREADS.c.turn + 1}).returning(THREADS.c.next_seq)
)
START_FIRST_TURN: sa.Update = TAKE.values(_HELD).returning(THREADS.c.next_seq, THREADS.c.turn)
RENEW_TURNS: sa.Update = (
    sa.update(THREADS)
    .where(THREADS.c.id.in_(sa.bindparam("threads", expanding=True)), THREADS.c.turn_holder == HOLDER)
    .values(turn_until=LEASE_END)
    .returning(THREADS.c.id, THREADS.c.turn, THREADS.c.turn_signals)
)
# The old signals are still there when it returns: the next turn clears them.
END_TURN: sa.Update = (
    sa.update(THREADS)
    .where(*OF_OWNER, OF_TURN)
    .values(turn_holder=None, turn_until=None)
    .returning(THREADS.c.turn_signals)
)
SIGNAL_TURN: sa.Update = (
    sa.update(THREADS)
    .where(*OF_OWNER, _RUNS)
    .values(turn_signals=THREADS.c.turn_signals.bitwise_or(sa.bindparam("signal", type_=sa.SmallInteger)))
    .returning(THREADS.c.turn)
)

_EVENTS_OF_TURN = (
    TURN_EVENTS.c.thread_id == sa.bindparam("thread"),
    TURN_EVENTS.c.turn == sa.bindparam("of_turn"),
)
ADD_EVENTS: sa.Insert = sa.insert(TURN_EVENTS)
LOAD_EVENTS: sa.Select[Any] = (
    sa.select(TURN_EVENTS.c.first, TURN_EVENTS.c.events)
    .where(
        *_EVENTS_OF_TURN,
        TURN_EVENTS.c.first > sa.bindparam("after"),
        TURN_EVENTS.c.thread_id.in_(sa.select(THREADS.c.id).where(*OF_OWNER)),
    )
    .order_by(TURN_EVENTS.c.first)
)
KEEP_EVENTS: sa.Update = (
    sa.update(TURN_EVENTS).where(*_EVENTS_OF_TURN).values(kept_until=Now() + sa.bindparam("keep_s", type_=sa.Double))
)
DELETE_EVENTS: sa.Delete = sa.delete(TURN_EVENTS).where(*_EVENTS_OF_TURN)
DELETE_OLD_EVENTS: sa.Delete = sa.delete(TURN_EVENTS).where(TURN_EVENTS.c.kept_until <= Now())
