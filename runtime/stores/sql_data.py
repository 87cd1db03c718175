"""The data of a SQL store as a whole: of one user, of old threads, of another database, and its encryption."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

import sqlalchemy as sa
from chatkit.types import Attachment

from runtime.stores import serialization as codec
from runtime.stores.cipher import Cipher
from runtime.stores.counts import COUNTS
from runtime.stores.encrypted_columns import EncryptedText
from runtime.stores.erasures import mark_erased
from runtime.stores.prepared_statements import Row
from runtime.stores.sql_attachments import SqlAttachments
from runtime.stores.sql_clicks import SqlClicks
from runtime.stores.sql_turns import SqlTurns
from runtime.stores.sqlite import Database, SqlSession
from runtime.stores.statements import ATTACHMENTS, AUDIT, ITEMS, METADATA, THREADS, USAGE, Upserts
from runtime.stores.store import AuditEntry, StoreError
from runtime.stores.turn_statements import RUNNING_TURN

BATCH = 500
"""The rows that one transaction copies or encrypts."""

Progress = Callable[[str, int], None]
"""Called with a table and the number of its rows that are done."""

_OWNER: sa.BindParameter[str] = sa.bindparam("by_owner")
_LAST_ITEM = (
    sa.select(ITEMS.c.created_at).where(ITEMS.c.thread_id == THREADS.c.id).order_by(ITEMS.c.seq.desc()).limit(1)
)
_OLD_THREADS: sa.Select[Any] = (
    sa.select(
        THREADS.c.seq,
        THREADS.c.id,
        THREADS.c.owner,
        sa.func.coalesce(_LAST_ITEM.scalar_subquery(), THREADS.c.created_at),
    )
    .where(THREADS.c.seq > sa.bindparam("after"), THREADS.c.created_at < sa.bindparam("before"))
    .order_by(THREADS.c.seq)
    .limit(sa.bindparam("size"))
)
_OWN_ATTACHMENTS: sa.Select[Any] = (
    sa.select(ATTACHMENTS.c.payload).where(ATTACHMENTS.c.owner == _OWNER).order_by(ATTACHMENTS.c.id)
)
_THREAD_ATTACHMENTS: sa.Select[Any] = sa.select(ATTACHMENTS.c.id).where(
    ATTACHMENTS.c.owner == _OWNER, ATTACHMENTS.c.thread_id == sa.bindparam("thread")
)
_ERASE = tuple(sa.delete(table).where(table.c.owner == _OWNER) for table in (THREADS, ATTACHMENTS, USAGE))
_AUDIT_LOG: sa.Select[Any] = sa.select(AUDIT).order_by(AUDIT.c.at)


class SqlData(SqlTurns, SqlClicks, SqlAttachments, ABC):
    """The part of a SQL store that has to do with its data as a whole."""

    def __init__(self, database: Database, upserts: Upserts, cipher: Cipher | None) -> None:
        SqlTurns.__init__(self, database, upserts)
        SqlClicks.__init__(self, database, upserts)
        self._cipher = cipher

    async def list_attachments(self, owner: str) -> list[Attachment]:
        """Return the metadata of the owner's attachments, also of those that were never sent."""
        values = {"by_owner": codec.check_owner(owner)}
        rows = await self._database.read(lambda session: session.all(_OWN_ATTACHMENTS, values))
        return [codec.load_attachment(row[0]) for row in rows]

    async def thread_attachments(self, owner: str, thread_id: str) -> list[str]:
        """Return the ids of the attachments that were sent in a thread."""
        values = {"by_owner": codec.check_owner(owner), "thread": codec.clean(thread_id)}
        rows = await self._database.read(lambda session: session.all(_THREAD_ATTACHMENTS, values))
        return [row[0] for row in rows]

    async def erase_owner(self, owner: str) -> None:
        """Delete all rows of an owner in one transaction, and let turns that are running add none."""
        values = {"by_owner": codec.check_owner(owner)}

        def work(session: SqlSession) -> None:
            # Foreign keys delete items, feedback and the events of turns.
            for statement in _ERASE:
                session.run(statement, values)
            mark_erased(session, owner)

        await self._database.write(work, slow=True)

    async def old_threads(self, before: datetime, *, after: int = 0) -> tuple[list[tuple[str, str]], int | None]:
        """Return the owner and the id of threads without an item since `before`, from those created before it.

        Looks at the next threads after the sequence number `after`; the second value continues, None at the end.
        """
        values = {"after": after, "before": before, "size": BATCH}
        rows = await self._database.read(lambda session: session.all(_OLD_THREADS, values), slow=True)
        old = [(owner, thread_id) for _, thread_id, owner, last in rows if _aware(last) < before]
        return old, rows[-1][0] if len(rows) == BATCH else None

    async def record(self, action: str, subject: str, detail: str) -> None:
        """Add an entry to the audit log."""
        row = {"at": datetime.now(UTC), "action": action, "subject": subject, "detail": detail}
        await self._database.write(lambda session: session.run(sa.insert(AUDIT), row))

    async def audit_log(self) -> list[AuditEntry]:
        """Return the audit log, oldest entry first."""
        rows = await self._database.read(lambda session: session.all(_AUDIT_LOG, {}))
        return [AuditEntry(_aware(row[0]), *row[1:]) for row in rows]

    async def encrypt_again(self, progress: Progress) -> int:
        """Encrypt what is not encrypted with the first key; return the number of rows. Raise StoreError without keys.

        Runs beside other processes that use the store: each batch is a transaction, and locks its rows.
        """
        cipher = self._cipher
        if cipher is None:
            raise StoreError("the store has no keys (declare `store.encrypt`)")
        total = 0
        for table in METADATA.sorted_tables:
            columns = [column for column in table.c if isinstance(column.type, EncryptedText)]
            if columns:
                total += await self._encrypt_table(_Encryption(table, columns, cipher), progress)
        return total

    async def _encrypt_table(self, encryption: _Encryption, progress: Progress) -> int:
        changed, seen = 0, 0
        after: Row | None = None
        while True:
            rows, count = await self._database.write(partial(encryption.run, after=after), slow=True)
            changed += count
            seen += len(rows)
            progress(encryption.table.name, seen)
            if len(rows) < BATCH:
                return changed
            after = rows[-1][: len(encryption.keys)]

    async def has_running_turns(self) -> bool:
        """Return whether some process answers in a thread."""
        return bool(await self._database.read(partial(_execute, statement=RUNNING_TURN, values={})))

    async def copy_from(self, source: SqlData, progress: Progress) -> int:
        """Copy every row of another store into this one, which must be empty; return the number of rows.

        The rows are copied as they are: where they are encrypted, this store needs the same keys. Raise StoreError.
        """
        total = 0
        tables = [table for table in METADATA.sorted_tables if table is not COUNTS]
        for table in tables:
            row = sa.select(_raw(table)).limit(1)
            found = await self._database.read(partial(_execute, statement=row, values={}))
            if found and table is not AUDIT:
                raise StoreError(f"the target is not empty: its table {table.name!r} has rows (use another database)")
        for table in tables:
            total += await self._copy_table(source, table, progress)
        await self._database.write(_continue_sequence)
        return total

    async def _copy_table(self, source: SqlData, table: sa.Table, progress: Progress) -> int:
        raw, keys = _raw(table), _page_keys(table)
        names, copied, after = [column.name for column in raw.c], 0, None
        while True:
            page, values = _page(raw, keys, after)
            rows = await source._database.read(partial(_execute, statement=page, values=values), slow=True)
            entries = [dict(zip(names, map(_aware, row), strict=True)) for row in rows]
            if entries:
                await self._database.write(partial(_insert_all, table=raw, entries=entries), slow=True)
            copied += len(entries)
            progress(table.name, copied)
            if len(entries) < BATCH:
                return copied
            after = tuple(entries[-1][key] for key in keys)

    async def rewrite(self) -> None:
        """Rewrite the files of the database without the bytes of what was deleted. Raise StoreError if it is in use.

        PostgreSQL locks each table meanwhile. Its log of transactions, and backups, keep the bytes for a time.
        """
        await self._database.rewrite([table.name for table in METADATA.sorted_tables])


class _Encryption:
    """Encrypts the columns of a table with the first key, batch by batch in the order of the primary key."""

    def __init__(self, table: sa.Table, columns: Sequence[sa.Column[Any]], cipher: Cipher) -> None:
        self.table, self._cipher = _raw(table), cipher
        self._columns = [column.name for column in columns]
        self.keys = _page_keys(table)

    def run(self, session: SqlSession, after: Row | None) -> tuple[Sequence[Row], int]:
        """Encrypt the next batch; return its rows, and how many were not encrypted with the first key."""
        wanted = (*self.keys, *self._columns)
        page, values = _page(self.table, self.keys, after, wanted)
        rows = _execute(session, page.with_for_update(), values)
        changes = [change for row in rows if (change := self._change(dict(zip(wanted, row, strict=True))))]
        if changes:
            update = sa.update(self.table).where(*(self.table.c[key] == sa.bindparam(f"by_{key}") for key in self.keys))
            sets: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in self._columns}
            session.connection.execute(update.values(sets), changes)
        return rows, len(changes)

    def _change(self, row: dict[str, Any]) -> dict[str, Any] | None:
        texts = {name: row[name] for name in self._columns if row[name] is not None}
        if all(self._cipher.is_current(text) for text in texts.values()):
            return None
        new = {name: self._cipher.encrypt(self._cipher.decrypt(text)) for name, text in texts.items()}
        return {f"by_{key}": row[key] for key in self.keys} | {f"new_{name}": new.get(name) for name in self._columns}


@cache
def _raw(table: sa.Table) -> sa.Table:
    """Return the table with columns that are read and written as they are stored."""
    columns = (
        sa.Column(column.name, sa.Text() if isinstance(column.type, EncryptedText) else column.type)
        for column in table.c
    )
    return sa.Table(table.name, sa.MetaData(), *columns)


def _page_keys(table: sa.Table) -> tuple[str, ...]:
    """Return the columns that order the rows of a table, and identify each."""
    return tuple(column.name for column in table.primary_key) or tuple(column.name for column in table.c)


def _page(
    table: sa.Table, keys: tuple[str, ...], after: Row | None, wanted: Sequence[str] | None = None
) -> tuple[sa.Select[Any], dict[str, Any]]:
    columns = [table.c[name] for name in (wanted or table.c.keys())]
    order = [table.c[key] for key in keys]
    page = sa.select(*columns).order_by(*order).limit(BATCH)
    if after is None:
        return page, {}
    values = {f"after_{key}": value for key, value in zip(keys, after, strict=True)}
    bounds = (sa.bindparam(name, type_=table.c[key].type) for name, key in zip(values, keys, strict=True))
    return page.where(sa.tuple_(*order) > sa.tuple_(*bounds)), values


def _execute(session: SqlSession, statement: sa.Select[Any], values: dict[str, Any]) -> Sequence[Row]:
    # Not prepared: a page is read once.
    return session.connection.execute(statement, values).all()


def _insert_all(session: SqlSession, table: sa.Table, entries: list[dict[str, Any]]) -> None:
    session.connection.execute(sa.insert(table), entries)


def _continue_sequence(session: SqlSession) -> None:
    """Let PostgreSQL number new threads after the copied ones; SQLite does so by itself."""
    if session.connection.dialect.name == "postgresql":
        newest = sa.select(sa.func.max(THREADS.c.seq)).scalar_subquery()
        sequence = sa.func.pg_get_serial_sequence(THREADS.name, "seq")
        session.connection.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(newest, 1))))


def _aware(value: Any) -> Any:
    """Make a time of SQLite, which stores no time zone, time zone aware."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
