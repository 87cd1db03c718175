"""A store of threads in SQLite or PostgreSQL: the same SQLAlchemy Core statements for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Unpack

from chatkit.store import NotFoundError
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from runtime.resources.token_usage import TokenUsage, UsageEntry
from runtime.stores import serialization as codec
from runtime.stores import statements as sql
from runtime.stores.migrations import migrate
from runtime.stores.sqlite import Database, Row, SqliteDatabase, SqlSession, Statement, Values, Work, first
from runtime.stores.store import (
    VISIBLE,
    Feedback,
    FeedbackKind,
    GenerationMark,
    ItemKind,
    Order,
    StoreError,
    ThreadChanges,
    ThreadStore,
    invalid_cursor,
    kind_of,
    not_found,
    page_size,
)


class SqlStore(ThreadStore):
    """A `ThreadStore` in `sqlite:///path` or `postgresql://…`.

    `pool_size` is the number of PostgreSQL connections. `open` migrates the schema, and raises StoreError for a schema
    that a newer version wrote. Raise StoreError for any other URL.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self._database = _database(url, pool_size)
        self._upserts = sql.Upserts(self._database.dialect)

    async def open(self) -> None:
        """Connect, and create or migrate the schema. Raise StoreError."""
        await self._database.open()
        try:
            await migrate(self._database)
        except BaseException:
            await self._database.close()
            raise

    async def close(self) -> None:
        """Wait for running writes, and disconnect."""
        await self._database.close()

    async def load_thread(self, owner: str, thread_id: str) -> ThreadMetadata:
        work = _one(sql.LOAD_THREAD, _keys(owner, thread_id), not_found("thread", thread_id))
        return _thread(await self._database.read(work))

    async def create_thread(
        self,
        owner: str,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem] = (),
        *,
        generation: GenerationMark | None = None,
    ) -> None:
        row, rows = _thread_row(owner, thread, generation), _item_rows(thread.id, items)
        keys = _keys(owner, thread.id)

        def work(session: SqlSession) -> None:
            self._put_thread(session, row)
            if rows:
                self._put_items(session, keys, rows)

        await self._database.write(work)

    async def save_thread(self, owner: str, thread: ThreadMetadata) -> None:
        row = _thread_row(owner, thread)
        await self._database.write(lambda session: self._put_thread(session, row))

    async def update_thread(
        self, owner: str, thread_id: str, *, only_if_untitled: bool = False, **changes: Unpack[ThreadChanges]
    ) -> ThreadMetadata:
        if not changes:
            return await self.load_thread(owner, thread_id)
        statement = sql.update_thread(tuple(changes), only_if_untitled)
        keys = _keys(owner, thread_id) | {f"new_{name}": _column(value) for name, value in changes.items()}
        return _thread(await self._database.write(_one(statement, keys, not_found("thread", thread_id))))

    async def load_threads(self, owner: str, *, limit: int, after: str | None, order: Order) -> Page[ThreadMetadata]:
        size = page_size(limit)
        statement = sql.threads_page(order, after is not None)
        values: dict[str, Any] = {"by_owner": codec.check_owner(owner), "size": size + 1}

        def load(session: SqlSession) -> Sequence[Row]:
            if after is not None:
                work = _one(sql.FIND_THREAD_SEQ, _keys(owner, after), invalid_cursor(after))
                values["seq"] = work(session)[0]
            return session.all(statement, values)

        return codec.thread_page(list(map(_thread, await self._database.read(load))), size)

    async def delete_thread(self, owner: str, thread_id: str) -> None:
        keys = _keys(owner, thread_id)

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
    ) -> None:
        keys, rows = _keys(owner, thread_id), _item_rows(thread_id, items)
        gone = [{"thread": keys["thread"], "item": codec.clean(item_id)} for item_id in delete]
        mark = codec.dump_generation(generation)
        await self._database.write(lambda session: self._put_items(session, keys, rows, gone, mark))

    async def load_generation(self, owner: str, thread_id: str) -> GenerationMark | None:
        work = _one(sql.LOAD_GENERATION, _keys(owner, thread_id), not_found("thread", thread_id))
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
        keys: dict[str, Any] = _keys(owner, thread_id) | {"size": size + 1}
        if after is not None:
            keys["item"] = codec.clean(after)

        def work(session: SqlSession) -> Sequence[str]:
            payloads = [row[0] for row in session.all(statement, keys)]
            if not payloads:
                # Checked only now, because it is rare: an empty page, a missing thread, or an invalid cursor.
                _require_thread(session, owner, thread_id)
                if after is not None and first(session, sql.FIND_ITEM, keys) is None:
                    raise invalid_cursor(after)
            return payloads

        return codec.item_page(codec.load_items(await self._database.read(work)), size)

    async def load_item(self, owner: str, thread_id: str, item_id: str) -> ThreadItem:
        keys = _keys(owner, thread_id) | {"item": codec.clean(item_id)}

        def work(session: SqlSession) -> str:
            row = first(session, sql.LOAD_ITEM, keys)
            if row is None:
                raise _item_missing(session, owner, thread_id, item_id)
            return str(row[0])

        return codec.load_item(await self._database.read(work))

    async def item_ids_after(self, owner: str, thread_id: str, item_id: str) -> list[str]:
        keys: dict[str, Any] = _keys(owner, thread_id) | {"item": codec.clean(item_id)}

        def work(session: SqlSession) -> list[str]:
            item = first(session, sql.FIND_ITEM, keys)
            if item is None:
                raise _item_missing(session, owner, thread_id, item_id)
            return [row[0] for row in session.all(sql.ITEM_IDS_AFTER, keys | {"seq": item[0]})]

        return await self._database.read(work)

    async def save_attachment(self, owner: str, attachment: Attachment) -> None:
        row = {
            "id": codec.clean(attachment.id),
            "owner": codec.check_owner(owner),
            "thread_id": None if attachment.thread_id is None else codec.clean(attachment.thread_id),
            "created_at": datetime.now(UTC),
            "payload": codec.dump_attachment(attachment),
        }
        await self._database.write(_one(self._upserts.attachment, row, not_found("attachment", attachment.id)))

    async def load_attachment(self, owner: str, attachment_id: str) -> Attachment:
        keys = {"by_owner": codec.check_owner(owner), "item": codec.clean(attachment_id)}
        work = _one(sql.LOAD_ATTACHMENT, keys, not_found("attachment", attachment_id))
        return codec.load_attachment((await self._database.read(work))[0])

    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        keys = {"by_owner": codec.check_owner(owner), "item": codec.clean(attachment_id)}
        await self._database.write(lambda session: session.run(sql.DELETE_ATTACHMENT, keys))

    async def save_feedback(self, owner: str, thread_id: str, item_ids: Sequence[str], kind: FeedbackKind) -> None:
        keys, wanted = _keys(owner, thread_id), sorted({codec.clean(item_id) for item_id in item_ids})
        now = datetime.now(UTC)
        rows = [{"thread_id": keys["thread"], "item_id": item, "kind": kind, "created_at": now} for item in wanted]

        def work(session: SqlSession) -> None:
            _require_thread(session, owner, thread_id, lock=True)
            for item in wanted:
                _one(sql.FIND_ITEM, keys | {"item": item}, not_found("item", item))(session)
            if rows:
                session.run(self._upserts.feedback, *rows)

        await self._database.write(work)

    async def list_feedback(self) -> list[Feedback]:
        def work(session: SqlSession) -> list[Feedback]:
            return [Feedback(*row) for row in session.all(sql.LIST_FEEDBACK, {})]

        return await self._database.read(work)

    async def load_feedback(self, owner: str, thread_id: str) -> dict[str, str]:
        keys = _keys(owner, thread_id)

        def work(session: SqlSession) -> dict[str, str]:
            _require_thread(session, owner, thread_id)
            return {row[0]: row[1] for row in session.all(sql.LOAD_FEEDBACK, keys)}

        return await self._database.read(work)

    async def add_usage(self, owner: str, thread_id: str, day: date, used: Mapping[str, TokenUsage]) -> None:
        key = {"owner": codec.check_owner(owner), "thread_id": codec.clean(thread_id), "day": day}
        rows = [{**key, "model": codec.clean(model), **asdict(usage)} for model, usage in sorted(used.items())]
        if rows:
            await self._database.write(lambda session: session.run(self._upserts.usage, *rows))

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

        return await self._database.read(work)

    def _put_thread(self, session: SqlSession, row: Mapping[str, Any]) -> None:
        _one(self._upserts.thread, row, not_found("thread", row["id"]))(session)

    def _put_items(
        self,
        session: SqlSession,
        keys: Mapping[str, str],
        rows: Sequence[dict[str, Any]],
        gone: Sequence[dict[str, str]] = (),
        mark: str | None = None,
    ) -> None:
        values = {**keys, "count": len(rows), "new_generation": mark}
        numbered = _one(sql.TAKE_NUMBERS, values, not_found("thread", keys["thread"]))(session)
        if gone:
            session.run(sql.DELETE_ITEM, *gone)
        for seq, row in enumerate(rows, numbered[0] - len(rows)):
            row["seq"] = seq
        if rows:
            session.run(self._upserts.item, *rows)


def _database(url: str, pool_size: int) -> Database:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Without the URL, which may contain a password.
        raise StoreError("the store's URL can't be read (expected sqlite:///path or postgresql://…)") from None
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        from runtime.stores.postgres import PostgresDatabase

        return PostgresDatabase(parsed, pool_size=pool_size)
    if not parsed.database or parsed.database == ":memory:":
        raise StoreError("a sqlite store needs a file (sqlite:///path, or 'memory' to store nothing)")
    return SqliteDatabase(Path(parsed.database))


def _one(statement: Statement, values: Values, missing: Exception) -> Work[Row]:
    """Return the work that runs a statement and returns its row; without one, it raises `missing`."""

    def work(session: SqlSession) -> Row:
        row = first(session, statement, values)
        if row is None:
            raise missing
        return row

    return work


def _column(value: Any) -> str | None:
    return codec.clean(value) if isinstance(value, str) else None if value is None else codec.dump_value(value)


def _keys(owner: str, thread_id: str) -> dict[str, str]:
    return {"by_owner": codec.check_owner(owner), "thread": codec.clean(thread_id)}


def _require_thread(session: SqlSession, owner: str, thread_id: str, *, lock: bool = False) -> None:
    statement = sql.LOCK_THREAD if lock else sql.FIND_THREAD
    _one(statement, _keys(owner, thread_id), not_found("thread", thread_id))(session)


def _item_missing(session: SqlSession, owner: str, thread_id: str, item_id: str) -> NotFoundError:
    _require_thread(session, owner, thread_id)
    return not_found("item", item_id)


def _thread_row(owner: str, thread: ThreadMetadata, generation: GenerationMark | None = None) -> dict[str, Any]:
    thread = codec.metadata_only(thread)
    domains = thread.allowed_image_domains
    return {
        "id": thread.id,
        "owner": codec.check_owner(owner),
        "created_at": thread.created_at,
        "title": thread.title,
        "status": codec.dump_value(thread.status),
        "allowed_image_domains": None if domains is None else codec.dump_value(domains),
        "metadata": codec.dump_value(thread.metadata),
        "next_seq": 1,
        "generation": codec.dump_generation(generation),
    }


def _item_rows(thread_id: str, items: Sequence[ThreadItem]) -> list[dict[str, Any]]:
    return [
        {
            "thread_id": codec.clean(thread_id),
            "id": codec.clean(item.id),
            "kind": kind_of(item),
            "type": item.type,
            "created_at": codec.to_utc(item.created_at),
            "payload": codec.dump_item(item),
        }
        for item in items
    ]


def _thread(row: Row) -> ThreadMetadata:
    thread_id, created_at, title, status, domains, metadata = row
    return ThreadMetadata.model_construct(
        id=thread_id,
        # SQLite stores no time zone; the times are in UTC.
        created_at=created_at.replace(tzinfo=UTC) if created_at.tzinfo is None else codec.to_utc(created_at),
        title=title,
        status=codec.load_status(status),
        allowed_image_domains=None if domains is None else codec.load_domains(domains),
        metadata=codec.load_metadata(metadata),
    )
