"""A store of threads in SQLite or PostgreSQL: the same SQLAlchemy Core statements for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Unpack

from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from runtime.resources.token_usage import TokenUsage, UsageEntry
from runtime.stores import serialization as codec
from runtime.stores import statements as sql
from runtime.stores.cipher import Cipher, is_encrypted
from runtime.stores.counts import SqlCounts
from runtime.stores.encrypted_columns import use_cipher
from runtime.stores.erasures import was_erased
from runtime.stores.migrations import migrate, stored_version
from runtime.stores.prepared_statements import Row
from runtime.stores.rows import (
    column_value,
    deleted_rows,
    item_missing,
    item_rows,
    load_thread_row,
    read_one,
    require_thread,
    thread_keys,
    thread_row,
    write_rows,
)
from runtime.stores.sql_attachments import bind_attachments
from runtime.stores.sql_data import SqlData
from runtime.stores.sql_turns import usage_rows
from runtime.stores.sqlite import Database, SqliteDatabase, SqlSession, first
from runtime.stores.store import (
    VISIBLE,
    Feedback,
    FeedbackKind,
    GenerationMark,
    ItemKind,
    Order,
    StoreError,
    ThreadChanges,
    invalid_cursor,
    not_found,
    page_size,
)


class SqlStore(SqlData):
    """A `ThreadStore` in `sqlite:///path` or `postgresql://…`.

    `connections` is the number of PostgreSQL connections, and `timeout_s` how many seconds work may take there. With
    `keys`, the first of them encrypts what the store holds of conversations; all of them decrypt. Methods raise
    StoreUnavailable where the database can't be reached, is silent, or can't write. `open` migrates the schema, and
    raises StoreError for a schema that a newer version wrote, and where a key is missing. Raise StoreError for any
    other URL, and for a key that is none.
    """

    def __init__(self, url: str, *, keys: Sequence[str] = (), connections: int = 10, timeout_s: float = 5.0) -> None:
        database, cipher = _database(url, connections, timeout_s), Cipher(keys) if keys else None
        if cipher is not None:
            use_cipher(database.dialect, cipher)
        super().__init__(database, sql.Upserts(database.dialect), cipher)
        self.counts = SqlCounts(database)
        self.is_shared = database.is_shared
        """Whether processes on other machines may use the database at the same time."""

    async def open(self) -> None:
        """Connect, and create or migrate the schema. Raise StoreError."""
        await self._database.open()
        try:
            await migrate(self._database)
            await self._database.read(_check_keys)
        except BaseException:
            await self._database.close()
            raise

    async def schema_version(self) -> str | None:
        """Return the version of the schema, None if there is none yet. Raise StoreError if it is newer than ours.

        Nothing is created.
        """
        if not self._database.exists():
            return None
        await self._database.open()
        try:
            return await stored_version(self._database)
        finally:
            await self._database.close()

    async def close(self) -> None:
        """Wait for running writes, and disconnect."""
        await self._cleaner.close()
        await self._database.close()

    async def check(self) -> None:
        """Raise StoreUnavailable unless the database can be written."""
        await self._database.check()
        # Committed: a full disk shows only then.
        await self.counts.add("ready", window_s=60.0)

    async def load_thread(self, owner: str, thread_id: str) -> ThreadMetadata:
        work = read_one(sql.LOAD_THREAD, thread_keys(owner, thread_id), not_found("thread", thread_id))
        return load_thread_row(await self._database.read(work))

    async def create_thread(
        self,
        owner: str,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem] = (),
        *,
        generation: GenerationMark | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> None:
        row, rows = thread_row(owner, thread, generation), item_rows(thread.id, items)
        keys = thread_keys(owner, thread.id)

        def work(session: SqlSession) -> None:
            self._put_thread(session, row)
            if rows:
                self._put_items(session, keys, rows)
            bind_attachments(session, keys, attachments)

        await self._database.write(work)

    async def save_thread(self, owner: str, thread: ThreadMetadata) -> None:
        row = thread_row(owner, thread)
        await self._database.write(lambda session: self._put_thread(session, row))

    async def update_thread(
        self, owner: str, thread_id: str, *, only_if_untitled: bool = False, **changes: Unpack[ThreadChanges]
    ) -> ThreadMetadata:
        if not changes:
            return await self.load_thread(owner, thread_id)
        statement = sql.update_thread(tuple(changes), only_if_untitled)
        keys = thread_keys(owner, thread_id) | {f"new_{name}": column_value(value) for name, value in changes.items()}
        return load_thread_row(await self._database.write(read_one(statement, keys, not_found("thread", thread_id))))

    async def load_threads(self, owner: str, *, limit: int, after: str | None, order: Order) -> Page[ThreadMetadata]:
        size = page_size(limit)
        statement = sql.threads_page(order, after is not None)
        values: dict[str, Any] = {"by_owner": codec.check_owner(owner), "size": size + 1}

        def load(session: SqlSession) -> Sequence[Row]:
            if after is not None:
                work = read_one(sql.FIND_THREAD_SEQ, thread_keys(owner, after), invalid_cursor(after))
                values["seq"] = work(session)[0]
            return session.all(statement, values)

        return codec.thread_page(list(map(load_thread_row, await self._database.read(load))), size)

    async def delete_thread(self, owner: str, thread_id: str) -> None:
        keys = thread_keys(owner, thread_id)

        def work(session: SqlSession) -> None:
            # Foreign keys delete items and feedback.
            if session.run(sql.DELETE_THREAD, keys):
                session.run(sql.DELETE_THREAD_ATTACHMENTS, keys)

        await self._database.write(work)

    async def write_items(
        self,
        owner: str,
        thread_id: str,
        items: Sequence[ThreadItem],
        *,
        delete: Sequence[str] = (),
        generation: GenerationMark | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> None:
        keys, rows = thread_keys(owner, thread_id), item_rows(thread_id, items)
        gone = deleted_rows(keys, delete)
        mark = codec.dump_generation(generation)

        def work(session: SqlSession) -> None:
            self._put_items(session, keys, rows, gone, mark)
            bind_attachments(session, keys, attachments)

        await self._database.write(work)

    async def load_generation(self, owner: str, thread_id: str) -> GenerationMark | None:
        work = read_one(sql.LOAD_GENERATION, thread_keys(owner, thread_id), not_found("thread", thread_id))
        return codec.load_generation((await self._database.read(work))[0])

    async def load_items(
        self,
        owner: str,
        thread_id: str,
        *,
        limit: int,
        after: str | None = None,
        order: Order = "desc",
        kinds: frozenset[ItemKind] = VISIBLE,
    ) -> Page[ThreadItem]:
        size = page_size(limit)
        statement = sql.items_page(kinds, order, after is not None)
        keys: dict[str, Any] = thread_keys(owner, thread_id) | {"size": size + 1}
        if after is not None:
            keys["item"] = codec.clean(after)

        def work(session: SqlSession) -> Sequence[str]:
            payloads = [row[0] for row in session.all(statement, keys)]
            if not payloads:
                # Checked only now, because it is rare: an empty page, a missing thread, or an invalid cursor.
                require_thread(session, owner, thread_id)
                if after is not None and first(session, sql.FIND_ITEM, keys) is None:
                    raise invalid_cursor(after)
            return payloads

        return codec.item_page(codec.load_items(await self._database.read(work)), size)

    async def load_item(self, owner: str, thread_id: str, item_id: str) -> ThreadItem:
        keys = thread_keys(owner, thread_id) | {"item": codec.clean(item_id)}

        def work(session: SqlSession) -> str:
            row = first(session, sql.LOAD_ITEM, keys)
            if row is None:
                raise item_missing(session, owner, thread_id, item_id)
            return str(row[0])

        return codec.load_item(await self._database.read(work))

    async def item_ids_after(self, owner: str, thread_id: str, item_id: str) -> list[str]:
        keys: dict[str, Any] = thread_keys(owner, thread_id) | {"item": codec.clean(item_id)}

        def work(session: SqlSession) -> list[str]:
            item = first(session, sql.FIND_ITEM, keys)
            if item is None:
                raise item_missing(session, owner, thread_id, item_id)
            return [row[0] for row in session.all(sql.ITEM_IDS_AFTER, keys | {"seq": item[0]})]

        return await self._database.read(work)

    async def save_feedback(self, owner: str, thread_id: str, item_ids: Sequence[str], kind: FeedbackKind) -> None:
        keys, wanted = thread_keys(owner, thread_id), sorted({codec.clean(item_id) for item_id in item_ids})
        now = datetime.now(UTC)
        rows = [{"thread_id": keys["thread"], "item_id": item, "kind": kind, "created_at": now} for item in wanted]

        def work(session: SqlSession) -> None:
            require_thread(session, owner, thread_id, lock=True)
            for item in wanted:
                read_one(sql.FIND_ITEM, keys | {"item": item}, not_found("item", item))(session)
            if rows:
                session.run(self._upserts.feedback, *rows)

        await self._database.write(work)

    async def list_feedback(self) -> list[Feedback]:
        def work(session: SqlSession) -> list[Feedback]:
            return [Feedback(*row) for row in session.all(sql.LIST_FEEDBACK, {})]

        return await self._database.read(work, slow=True)

    async def load_feedback(self, owner: str, thread_id: str) -> dict[str, str]:
        keys = thread_keys(owner, thread_id)

        def work(session: SqlSession) -> dict[str, str]:
            require_thread(session, owner, thread_id)
            return {row[0]: row[1] for row in session.all(sql.LOAD_FEEDBACK, keys)}

        return await self._database.read(work)

    async def add_usage(self, owner: str, thread_id: str, day: date, used: Mapping[str, TokenUsage]) -> None:
        rows = usage_rows(owner, thread_id, day, used)

        def work(session: SqlSession) -> None:
            if not was_erased(session, owner, codec.clean(thread_id)):
                session.run(self._upserts.usage, *rows)

        if rows:
            await self._database.write(work)

    async def sum_usage(
        self, owner: str | None, *, thread_id: str | None = None, day: date | None = None
    ) -> TokenUsage:
        given = {
            "owner": None if owner is None else codec.check_owner(owner),
            "thread_id": None if thread_id is None else codec.clean(thread_id),
            "day": day,
        }
        wanted = {name: value for name, value in given.items() if value is not None}
        statement = sql.sum_usage(frozenset(wanted))
        values = {f"by_{name}": value for name, value in wanted.items()}
        # int(): PostgreSQL returns sums as Decimal.
        return await self._database.read(lambda session: TokenUsage(*map(int, session.all(statement, values)[0])))

    async def list_usage(self, since: date) -> list[UsageEntry]:
        def work(session: SqlSession) -> list[UsageEntry]:
            rows = session.all(sql.LIST_USAGE, {"since": since})
            return [UsageEntry(row[0], row[1], row[2], row[3], TokenUsage(*row[4:])) for row in rows]

        return await self._database.read(work, slow=True)

    def _put_thread(self, session: SqlSession, row: Mapping[str, Any]) -> None:
        read_one(self._upserts.thread, row, not_found("thread", row["id"]))(session)

    def _put_items(
        self,
        session: SqlSession,
        keys: Mapping[str, str],
        rows: Sequence[dict[str, Any]],
        gone: Sequence[dict[str, str]] = (),
        mark: str | None = None,
    ) -> None:
        values = {**keys, "count": len(rows), "new_generation": mark}
        numbered = read_one(sql.TAKE_NUMBERS, values, not_found("thread", keys["thread"]))(session)
        write_rows(session, self._upserts, numbered[0], rows, gone)


def _check_keys(session: SqlSession) -> None:
    """Raise StoreError if the newest thread is encrypted, and no key decrypts it."""
    newest = first(session, sql.NEWEST_METADATA, {})
    if newest is not None and is_encrypted(newest[0]):
        raise StoreError("the store is encrypted (declare the key in `store.encrypt`)")


def _database(url: str, connections: int, timeout_s: float) -> Database:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Without the URL, which may contain a password.
        raise StoreError("the store's URL can't be read (expected sqlite:///path or postgresql://…)") from None
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        from runtime.stores.postgres import PostgresDatabase

        return PostgresDatabase(parsed, connections=connections, timeout_s=timeout_s)
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError("a sqlite store needs a file (sqlite:///path, or 'memory' to store nothing)")
    return SqliteDatabase(Path(parsed.database))
