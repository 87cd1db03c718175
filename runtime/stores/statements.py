"""The tables and statements of a SQL store. Statements are built once; a call only binds values.

Every statement that reads or writes a thread has the owner as a parameter, so that no caller can omit it.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Date,
    DateTime,
    Delete,
    Dialect,
    ForeignKeyConstraint,
    Index,
    Insert,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Select,
    Table,
    Text,
    UniqueConstraint,
    Update,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy import literal_column as literal

from runtime.resources.token_usage import TokenUsage
from runtime.stores.store import ALL_KINDS, ItemKind, Order

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

METADATA = MetaData()
# SQLite increments only a column whose type is exactly INTEGER.
_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")

THREADS = Table(
    "chatkit_threads",
    METADATA,
    Column("seq", _SEQUENCE, autoincrement=True, nullable=False),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("title", Text),
    Column("status", Text, nullable=False),
    Column("allowed_image_domains", Text),
    Column("metadata", Text, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("generation", Text),
    PrimaryKeyConstraint("seq", name="chatkit_threads_pk"),
    UniqueConstraint("id", name="chatkit_threads_id"),
    Index("chatkit_threads_owner", "owner", "seq"),
)

# `kind` is last in the index, so that items of other kinds are skipped without being read.
ITEMS = Table(
    "chatkit_items",
    METADATA,
    Column("thread_id", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("thread_id", "id", name="chatkit_items_pk"),
    ForeignKeyConstraint(["thread_id"], [THREADS.c.id], name="chatkit_items_thread", ondelete="CASCADE"),
    Index("chatkit_items_page", "thread_id", "seq", "kind"),
)

# No foreign key to the thread: an attachment is uploaded before the first message creates the thread.
ATTACHMENTS = Table(
    "chatkit_attachments",
    METADATA,
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("thread_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("payload", Text, nullable=False),
    PrimaryKeyConstraint("id", name="chatkit_attachments_pk"),
    Index("chatkit_attachments_thread", "thread_id"),
)

# No foreign key: usage is kept when its thread is deleted.
USAGE = Table(
    "chatkit_usage",
    METADATA,
    Column("owner", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("thread_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    PrimaryKeyConstraint("owner", "day", "thread_id", "model", name="chatkit_usage_pk"),
    Index("chatkit_usage_thread", "thread_id"),
    Index("chatkit_usage_day", "day"),
)

FEEDBACK = Table(
    "chatkit_feedback",
    METADATA,
    Column("thread_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("thread_id", "item_id", name="chatkit_feedback_pk"),
    ForeignKeyConstraint(
        ["thread_id", "item_id"], [ITEMS.c.thread_id, ITEMS.c.id], name="chatkit_feedback_item", ondelete="CASCADE"
    ),
)


# `by_owner`, because SQLAlchemy reserves the names of columns for the values that an UPDATE sets.
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
# Locks the row of the thread, so that concurrent writers get different numbers for their items.
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
    """Return the statement that sums the counts where these columns equal the parameters `by_<name>`."""
    wanted = [USAGE.c[name] == bindparam(f"by_{name}") for name in sorted(columns)]
    return select(*(func.coalesce(func.sum(count), 0) for count in _COUNTS)).where(*wanted)


class Upserts:
    """The statements that insert or update, which SQLAlchemy builds per dialect."""

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
    # Imported on demand: a dialect takes as long to import as SQLAlchemy Core.
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
    # A row of another owner is not updated, and RETURNING then gives no row.
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
