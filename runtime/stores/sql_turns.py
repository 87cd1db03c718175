"""The leases and events of turns in SQLite and PostgreSQL."""

from __future__ import annotations

from abc import ABC
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from datetime import date
from typing import Any, ClassVar, Unpack
from uuid import uuid4

from chatkit.types import Attachment, ThreadItem, ThreadMetadata

from runtime.resources.token_usage import TokenUsage
from runtime.stores import serialization as codec
from runtime.stores import statements as sql
from runtime.stores import turn_statements as turns
from runtime.stores.erasures import was_erased
from runtime.stores.event_cleaner import EventCleaner
from runtime.stores.prepared_statements import Statement
from runtime.stores.rows import (
    column_value,
    deleted_rows,
    item_rows,
    load_thread_row,
    read_one,
    require_thread,
    thread_keys,
    thread_row,
    write_rows,
)
from runtime.stores.sql_attachments import bind_attachments
from runtime.stores.sqlite import Database, SqlSession, first
from runtime.stores.store import GenerationMark, ThreadChanges, not_found
from runtime.stores.turns import (
    EventChunk,
    LastEvents,
    Signals,
    TurnConflict,
    TurnLease,
    TurnLost,
    TurnState,
    TurnStatus,
    TurnStore,
    Wait,
)


class SqlTurns(TurnStore, ABC):
    """The part of a SQL store that has to do with turns. Each instance is one holder of leases."""

    clean_margin_s: ClassVar[float] = 0.5
    """How much later than its events run out, by the database's clock, a turn's events are deleted, by this one."""

    def __init__(self, database: Database, upserts: sql.Upserts) -> None:
        self._database, self._upserts = database, upserts
        self._holder = uuid4().hex
        self._cleaner = EventCleaner(self.forget_events, self.clean_margin_s)

    async def load_turn(self, owner: str, thread_id: str) -> tuple[ThreadMetadata, TurnStatus]:
        work = read_one(turns.LOAD_TURN, thread_keys(owner, thread_id), not_found("thread", thread_id))
        *row, number, holder, runs, signals = await self._database.read(work)
        # A lease of our own that its turn does not hold any more: the database could not be reached at its end.
        state: TurnState = "ended"
        if holder is not None:
            state = "running" if runs and holder != self._holder else "expired"
        return load_thread_row(row), TurnStatus(number, state, Signals(signals))

    async def create_thread_in_turn(
        self,
        owner: str,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem],
        *,
        generation: GenerationMark | None,
        attachments: Sequence[Attachment] = (),
        lease_s: float,
    ) -> TurnLease:
        row, rows = thread_row(owner, thread, generation), item_rows(thread.id, items)
        values = {**thread_keys(owner, thread.id), "count": len(rows), "new_generation": None}
        missing = not_found("thread", thread.id)

        def work(session: SqlSession) -> TurnLease:
            read_one(self._upserts.thread, row, missing)(session)
            taken = {**values, "by_holder": self._holder, "lease_s": lease_s}
            next_seq, number = read_one(turns.START_FIRST_TURN, taken, missing)(session)
            write_rows(session, self._upserts, next_seq, rows)
            bind_attachments(session, values, attachments)
            return TurnLease(owner, row["id"], number)

        return await self._database.write(work)

    async def begin_turn(
        self,
        owner: str,
        thread_id: str,
        items: Sequence[ThreadItem],
        *,
        after: int,
        delete: Sequence[str] = (),
        generation: GenerationMark | None = None,
        attachments: Sequence[Attachment] = (),
        lease_s: float,
    ) -> TurnLease:
        write = _Write(owner, thread_id, after, items, delete, generation)

        def work(session: SqlSession) -> TurnLease:
            taken = {"by_holder": self._holder, "lease_s": lease_s}
            row = write.run(session, self._upserts, turns.BEGIN_TURN, taken, TurnConflict)
            bind_attachments(session, write.keys, attachments)
            return TurnLease(owner, write.keys["thread"], row[1])

        return await self._database.write(work)

    async def write_in_turn(
        self,
        lease: TurnLease,
        items: Sequence[ThreadItem],
        *,
        delete: Sequence[str] = (),
        generation: GenerationMark | None = None,
        events: EventChunk | None = None,
        changes: ThreadChanges | None = None,
    ) -> Signals:
        write = _Write(lease.owner, lease.thread_id, lease.number, items, delete, generation)
        update = _update(lease, changes) if changes else None

        def work(session: SqlSession) -> Signals:
            signals = Signals(write.run(session, self._upserts, turns.WRITE_IN_TURN, {}, TurnLost)[1])
            if update is not None:
                first(session, *update)
            if events is not None:
                session.run(turns.ADD_EVENTS, _event_row(lease, events))
                self._notify(session, lease, signals)
            return signals

        return await self._database.write(work)

    async def write_events(self, chunks: Mapping[TurnLease, EventChunk]) -> Mapping[TurnLease, Signals]:
        threads = {"threads": [lease.thread_id for lease in chunks]}

        def work(session: SqlSession) -> Mapping[TurnLease, Signals]:
            # Not prepared: the statement depends on the number of threads.
            rows = session.connection.execute(turns.HELD_TURNS, threads).all()
            last = {thread_id: (number, Signals(signals)) for thread_id, number, signals in rows}
            held = {
                lease: signals
                for lease in chunks
                for number, signals in [last.get(lease.thread_id, (0, Signals.NONE))]
                if number == lease.number
            }
            if held:
                session.run(turns.ADD_EVENTS, *(_event_row(lease, chunks[lease]) for lease in held))
            for lease, signals in held.items():
                self._notify(session, lease, signals)
            return held

        return await self._database.write(work)

    async def update_thread_in_turn(self, lease: TurnLease, **changes: Unpack[ThreadChanges]) -> ThreadMetadata:
        update = _update(lease, changes)

        def work(session: SqlSession) -> ThreadMetadata:
            row = first(session, *update)
            if row is None:
                raise _refused(session, lease.owner, lease.thread_id, TurnLost)
            return load_thread_row(row)

        return await self._database.write(work)

    async def renew_turns(self, leases: Collection[TurnLease], lease_s: float) -> Mapping[TurnLease, Signals]:
        held = {(lease.thread_id, lease.number): lease for lease in leases}
        values = {"threads": [thread_id for thread_id, _ in held], "by_holder": self._holder, "lease_s": lease_s}

        def work(session: SqlSession) -> Mapping[TurnLease, Signals]:
            # Not prepared: the statement depends on the number of threads.
            rows = session.connection.execute(turns.RENEW_TURNS, values).all()
            return {held[row[0], row[1]]: Signals(row[2]) for row in rows if (row[0], row[1]) in held}

        return await self._database.write(work)

    async def end_turn(
        self,
        lease: TurnLease,
        *,
        usage: tuple[date, Mapping[str, TokenUsage]] | None = None,
        events: LastEvents | None = None,
    ) -> bool:
        values = _turn_keys(lease)
        rows = [] if usage is None else usage_rows(lease.owner, lease.thread_id, *usage)

        def work(session: SqlSession) -> bool:
            row = first(session, turns.END_TURN, values)
            if rows and (row is not None or not was_erased(session, lease.owner, lease.thread_id)):
                session.run(self._upserts.usage, *rows)
            if row is None:
                # Who began the next turn has deleted the events.
                return False
            signals = Signals(row[0])
            keep = events is not None and (events.resumes or bool(signals & Signals.WATCHED))
            if events is not None and keep:
                if events.chunk is not None:
                    session.run(turns.ADD_EVENTS, _event_row(lease, events.chunk))
                session.run(turns.KEEP_EVENTS, {**values, "keep_s": events.keep_s})
            elif events is not None:
                session.run(turns.DELETE_EVENTS, values)
            self._notify(session, lease, signals)
            return keep

        kept = await self._database.write(work)
        if kept and events is not None:
            self._cleaner.clean_after(events.keep_s)
        return kept

    async def close_turn(
        self, owner: str, thread_id: str, number: int, items: Sequence[ThreadItem], *, delete: Sequence[str] = ()
    ) -> None:
        write = _Write(owner, thread_id, number, items, delete, None)
        lease = TurnLease(owner, write.keys["thread"], number)

        def work(session: SqlSession) -> None:
            write.run(session, self._upserts, turns.CLOSE_TURN, {"by_holder": self._holder}, TurnConflict)
            session.run(turns.DELETE_EVENTS, _turn_keys(lease))
            self._notify(session, lease, Signals.WATCHED)

        await self._database.write(work)

    async def signal_turn(self, owner: str, thread_id: str, signal: Signals) -> int | None:
        values = {**thread_keys(owner, thread_id), "signal": int(signal)}
        row = await self._database.write(lambda session: first(session, turns.SIGNAL_TURN, values))
        return None if row is None else int(row[0])

    def watch_turn(self, thread_id: str) -> AbstractAsyncContextManager[Wait]:
        return self._database.watch(codec.clean(thread_id))

    async def load_events(self, owner: str, thread_id: str, number: int, *, after: int = 0) -> list[EventChunk]:
        values = {**thread_keys(owner, thread_id), "of_turn": number, "after": after}
        rows = await self._database.read(lambda session: session.all(turns.LOAD_EVENTS, values))
        return [EventChunk(*row) for row in rows]

    async def forget_events(self) -> None:
        await self._database.write(lambda session: session.run(turns.DELETE_OLD_EVENTS, {}))

    def _notify(self, session: SqlSession, lease: TurnLease, signals: Signals) -> None:
        # Only where somebody waits: in PostgreSQL, transactions that notify commit one after the other.
        if signals & Signals.WATCHED:
            self._database.notify(session, lease.thread_id)


class _Write:
    """The items that one call writes to a thread, on the condition that `number` is its last turn."""

    def __init__(
        self,
        owner: str,
        thread_id: str,
        number: int,
        items: Sequence[ThreadItem],
        delete: Sequence[str],
        generation: GenerationMark | None,
    ) -> None:
        self.owner, self.keys = owner, thread_keys(owner, thread_id)
        self._rows, self._gone = item_rows(thread_id, items), deleted_rows(self.keys, delete)
        self._values = {
            **self.keys,
            "of_turn": number,
            "count": len(self._rows),
            "new_generation": codec.dump_generation(generation),
        }

    def run(
        self,
        session: SqlSession,
        upserts: sql.Upserts,
        statement: Statement,
        values: Mapping[str, Any],
        refused: type[TurnConflict | TurnLost],
    ) -> Sequence[Any]:
        """Take the numbers of the items with a statement, write the items, and return the statement's row."""
        row = first(session, statement, {**self._values, **values})
        if row is None:
            raise _refused(session, self.owner, self.keys["thread"], refused)
        write_rows(session, upserts, row[0], self._rows, self._gone)
        return row


def usage_rows(owner: str, thread_id: str, day: date, used: Mapping[str, TokenUsage]) -> list[dict[str, Any]]:
    """Return the rows of the tokens that a turn has used."""
    key = {"owner": codec.check_owner(owner), "thread_id": codec.clean(thread_id), "day": day}
    return [{**key, "model": codec.clean(model), **asdict(usage)} for model, usage in sorted(used.items())]


def _refused(
    session: SqlSession, owner: str, thread_id: str, error: type[TurnConflict | TurnLost]
) -> TurnConflict | TurnLost:
    require_thread(session, owner, thread_id)
    return error(f"another turn has begun in thread {thread_id!r}")


def _event_row(lease: TurnLease, events: EventChunk) -> dict[str, Any]:
    return {"thread_id": lease.thread_id, "turn": lease.number, **asdict(events)}


def _update(lease: TurnLease, changes: ThreadChanges) -> tuple[Statement, dict[str, Any]]:
    values = {f"new_{name}": column_value(value) for name, value in changes.items()}
    statement = sql.update_thread(tuple(changes), of_turn=True)
    return statement, {**thread_keys(lease.owner, lease.thread_id), **values, "of_turn": lease.number}


def _turn_keys(lease: TurnLease) -> dict[str, Any]:
    return {**thread_keys(lease.owner, lease.thread_id), "of_turn": lease.number}
