"""Convert threads and items to the rows of a SQL store and back, and read single rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from chatkit.store import NotFoundError
from chatkit.types import ThreadItem, ThreadMetadata

from runtime.stores import serialization as codec
from runtime.stores import statements as sql
from runtime.stores.prepared_statements import Row, Statement, Values
from runtime.stores.sqlite import SqlSession, Work, first
from runtime.stores.store import GenerationMark, kind_of, not_found


def read_one(statement: Statement, values: Values, missing: Exception) -> Work[Row]:
    """Return the work that runs a statement and returns its row; without one, it raises `missing`."""

    def work(session: SqlSession) -> Row:
        row = first(session, statement, values)
        if row is None:
            raise missing
        return row

    return work


def column_value(value: Any) -> str | None:
    """Return the value of a thread's field as it is stored."""
    return codec.clean(value) if isinstance(value, str) else None if value is None else codec.dump_value(value)


def thread_keys(owner: str, thread_id: str) -> dict[str, str]:
    """Return the parameters that identify a thread of an owner."""
    return {"by_owner": codec.check_owner(owner), "thread": codec.clean(thread_id)}


def require_thread(session: SqlSession, owner: str, thread_id: str, *, lock: bool = False) -> None:
    """Raise NotFoundError unless the thread exists; with `lock`, hold its row until the transaction ends."""
    statement = sql.LOCK_THREAD if lock else sql.FIND_THREAD
    read_one(statement, thread_keys(owner, thread_id), not_found("thread", thread_id))(session)


def item_missing(session: SqlSession, owner: str, thread_id: str, item_id: str) -> NotFoundError:
    """Return the error for a missing item. Raise NotFoundError for its thread."""
    require_thread(session, owner, thread_id)
    return not_found("item", item_id)


def thread_row(owner: str, thread: ThreadMetadata, generation: GenerationMark | None = None) -> dict[str, Any]:
    """Return the row of a new thread."""
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


def item_rows(thread_id: str, items: Sequence[ThreadItem]) -> list[dict[str, Any]]:
    """Return the rows of items, without their numbers."""
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


def load_thread_row(row: Row) -> ThreadMetadata:
    """Return the thread of a row."""
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


def deleted_rows(keys: Mapping[str, str], item_ids: Sequence[str]) -> list[dict[str, str]]:
    """Return the parameters that delete items of a thread."""
    return [{"thread": keys["thread"], "item": codec.clean(item_id)} for item_id in item_ids]


def write_rows(
    session: SqlSession,
    upserts: sql.Upserts,
    next_seq: int,
    rows: Sequence[dict[str, Any]],
    gone: Sequence[dict[str, str]] = (),
) -> None:
    """Delete items, then insert or replace `rows`, whose numbers end before `next_seq`."""
    if gone:
        session.run(sql.DELETE_ITEM, *gone)
    for seq, row in enumerate(rows, next_seq - len(rows)):
        row["seq"] = seq
    if rows:
        session.run(upserts.item, *rows)
