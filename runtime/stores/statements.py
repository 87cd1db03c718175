"""Every statement of a SQL store, each built once: what is left per call is to bind values.

Each one that reads or writes a thread carries the owner, so that no caller can forget it.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    Text,
    Update,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import literal_column as literal

from runtime.stores.store import ALL_KINDS, ItemKind, Order
from runtime.stores.tables import ATTACHMENTS, FEEDBACK, ITEMS, THREADS, USAGE
from runtime.usage import TokenUsage

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

# SQLAlchemy keeps the names of columns for the values that an UPDATE sets, hence `by_owner`.
_OWNER: BindParameter[str] = bindparam("by_owner")
_THREAD: BindParameter[str] = bindparam("thread")
_ITEM: BindParameter[str] = bindparam("item")
_OF_OWNER = (THREADS.c.id == _THREAD, THREADS.c.owner == _OWNER)
_OWNED_THREAD = select(THREADS.c.id).where(*_OF_OWNER).scalar_subquery()
_THREAD_COLUMNS = (
    THREADS.c.id,
    THREADS.c.created_at,
    THREADS.c.title,
    THREADS.c.status,
    THREADS.c.allowed_image_domains,
    THREADS.c.metadata,
)

LOAD_THREAD: Select[Any] = select(*_THREAD_COLUMNS).where(*_OF_OWNER)
LOAD_GENERATION: Select[Any] = select(THREADS.c.generation).where(*_OF_OWNER)
FIND_THREAD: Select[Any] = select(THREADS.c.id).where(*_OF_OWNER)
FIND_THREAD_SEQ: Select[Any] = select(THREADS.c.seq).where(*_OF_OWNER)
LOCK_THREAD: Select[Any] = FIND_THREAD.with_for_update()
DELETE_THREAD: Delete = delete(THREADS).where(*_OF_OWNER)
# Writers of one thread queue up on its row here, so no two items get the same number; the generation comes along.
TAKE_NUMBERS: Update = (
    update(THREADS)
    .where(*_OF_OWNER)
    .values(
        next_seq=THREADS.c.next_seq + bindparam("count"),
        generation=func.coalesce(bindparam("new_generation", type_=Text), THREADS.c.generation),
    )
    .returning(THREADS.c.next_seq)
)

LOAD_ITEM: Select[Any] = select(ITEMS.c.payload).where(ITEMS.c.thread_id == _OWNED_THREAD, ITEMS.c.id == _ITEM)
FIND_ITEM: Select[Any] = select(ITEMS.c.seq).where(ITEMS.c.thread_id == _OWNED_THREAD, ITEMS.c.id == _ITEM)
ITEM_IDS_AFTER: Select[Any] = (
    select(ITEMS.c.id)
    .where(ITEMS.c.thread_id == _OWNED_THREAD, ITEMS.c.seq > bindparam("seq"))
    .order_by(ITEMS.c.thread_id, ITEMS.c.seq)
)
DELETE_ITEM: Delete = delete(ITEMS).where(ITEMS.c.thread_id == _THREAD, ITEMS.c.id == _ITEM)

LOAD_ATTACHMENT: Select[Any] = select(ATTACHMENTS.c.payload).where(
    ATTACHMENTS.c.id == _ITEM, ATTACHMENTS.c.owner == _OWNER
)
DELETE_ATTACHMENT: Delete = delete(ATTACHMENTS).where(ATTACHMENTS.c.id == _ITEM, ATTACHMENTS.c.owner == _OWNER)
DELETE_THREAD_ATTACHMENTS: Delete = delete(ATTACHMENTS).where(
    ATTACHMENTS.c.thread_id == _THREAD, ATTACHMENTS.c.owner == _OWNER
)

LOAD_FEEDBACK: Select[Any] = select(FEEDBACK.c.item_id, FEEDBACK.c.kind).where(FEEDBACK.c.thread_id == _OWNED_THREAD)


LIST_FEEDBACK: Select[Any] = (
    select(THREADS.c.owner, FEEDBACK.c.thread_id, FEEDBACK.c.item_id, FEEDBACK.c.kind)
    .join(THREADS, THREADS.c.id == FEEDBACK.c.thread_id)
    .order_by(FEEDBACK.c.thread_id, FEEDBACK.c.item_id)
)


_COUNTS = tuple(USAGE.c[field.name] for field in fields(TokenUsage))
LIST_USAGE: Select[Any] = (
    select(USAGE.c.day, USAGE.c.owner, USAGE.c.thread_id, USAGE.c.model, *_COUNTS)
    .where(USAGE.c.day >= bindparam("since"))
    .order_by(USAGE.c.day, USAGE.c.owner, USAGE.c.thread_id, USAGE.c.model)
)


@cache
def sum_usage(columns: frozenset[str]) -> Select[Any]:
    """Return the statement that adds up the counts; parameters are the columns to be equal, each `by_<name>`."""
    wanted = [USAGE.c[name] == bindparam(f"by_{name}") for name in sorted(columns)]
    return select(*(func.coalesce(func.sum(count), 0) for count in _COUNTS)).where(*wanted)


class Upserts:
    """The statements that insert or replace: SQLAlchemy builds them per dialect."""

    def __init__(self, dialect: Dialect) -> None:
        thread = _upsert(dialect, THREADS, "id", keep=("seq", "owner", "next_seq"), keep_for_null=("generation",))
        self.thread: Insert = thread.returning(THREADS.c.id)
        attachment = _upsert(dialect, ATTACHMENTS, "id", keep=("owner", "created_at"))
        self.attachment: Insert = attachment.returning(ATTACHMENTS.c.id)
        self.item: Insert = _upsert(dialect, ITEMS, "thread_id", "id", keep=("seq",))
        self.feedback: Insert = _upsert(dialect, FEEDBACK, "thread_id", "item_id")
        usage = _insert(dialect, USAGE)
        self.usage: Insert = usage.on_conflict_do_update(
            index_elements=["owner", "day", "thread_id", "model"],
            set_={count.name: count + usage.excluded[count.name] for count in _COUNTS},
        )


def _insert(dialect: Dialect, table: Table) -> postgresql.Insert | sqlite.Insert:
    # Imported for its own databases alone: each dialect takes as long to import as all of the core.
    if dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def _upsert(
    dialect: Dialect, table: Table, *key: str, keep: tuple[str, ...] = (), keep_for_null: tuple[str, ...] = ()
) -> postgresql.Insert | sqlite.Insert:
    insert = _insert(dialect, table)
    changes: dict[str, Any]
    changes = {column.name: insert.excluded[column.name] for column in table.c if column.name not in (*key, *keep)}
    changes |= {name: func.coalesce(changes[name], table.c[name]) for name in keep_for_null}
    # Another owner's row is left as it is; that no row comes back says so.
    mine = table.c.owner == insert.excluded.owner if "owner" in table.c else None
    return insert.on_conflict_do_update(index_elements=list(key), set_=changes, where=mine)


@cache
def threads_page(order: Order, from_cursor: bool) -> Select[Any]:
    """Return the statement for a page of threads; parameters `by_owner`, `size` and, from a cursor, its `seq`."""
    page = select(*_THREAD_COLUMNS).where(THREADS.c.owner == _OWNER).limit(bindparam("size"))
    if from_cursor:
        page = page.where(THREADS.c.seq > bindparam("seq") if order == "asc" else THREADS.c.seq < bindparam("seq"))
    return page.order_by(THREADS.c.seq.asc() if order == "asc" else THREADS.c.seq.desc())


@cache
def items_page(kinds: frozenset[ItemKind], order: Order, from_cursor: bool) -> Select[Any]:
    """Return the statement for a page of payloads; parameters `by_owner`, `thread`, `size` and `item`, the cursor."""
    page = select(ITEMS.c.payload).where(ITEMS.c.thread_id == _OWNED_THREAD).limit(bindparam("size"))
    if kinds != ALL_KINDS:
        page = page.where(or_(*(ITEMS.c.kind == literal(f"'{kind}'") for kind in sorted(kinds))))
    if from_cursor:
        cursor = FIND_ITEM.scalar_subquery()
        page = page.where(ITEMS.c.seq > cursor if order == "asc" else ITEMS.c.seq < cursor)
    return page.order_by(ITEMS.c.seq.asc() if order == "asc" else ITEMS.c.seq.desc())


@cache
def update_thread(columns: tuple[str, ...], only_if_untitled: bool) -> Update:
    """Return the statement that changes these columns, each a parameter `new_<name>`, and returns the thread."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
    if only_if_untitled and "title" in values:
        values["title"] = func.coalesce(THREADS.c.title, values["title"])
    return update(THREADS).where(*_OF_OWNER).values(values).returning(*_THREAD_COLUMNS)
