"""The tables and statements of a SQL store. Statements are built once; a call only binds values.

Every statement that reads or writes a thread has the owner as a parameter, so that no caller can omit it.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from runtime.resources.token_usage import TokenUsage
from runtime.stores.encrypted_columns import EncryptedText
from runtime.stores.store import ALL_KINDS, ItemKind, Order

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

METADATA = sa.MetaData()
# SQLite increments only a column whose type is exactly INTEGER.
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

THREADS = sa.Table(
    "chatkit_threads",
    METADATA,
    sa.Column("seq", _SEQUENCE, autoincrement=True, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("title", EncryptedText(by_users=True)),
    # Its reason is a text, which a tool may have written.
    sa.Column("status", EncryptedText, nullable=False),
    sa.Column("allowed_image_domains", EncryptedText),
    sa.Column("metadata", EncryptedText, nullable=False),
    sa.Column("next_seq", sa.BigInteger, nullable=False),
    sa.Column("generation", sa.Text),
    # The lease of the turn that runs. Not indexed, so that PostgreSQL can update it in place.
    sa.Column("turn", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("turn_holder", sa.Text),
    sa.Column("turn_until", sa.Double),
    sa.Column("turn_signals", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    sa.PrimaryKeyConstraint("seq", name="chatkit_threads_pk"),
    sa.UniqueConstraint("id", name="chatkit_threads_id"),
    sa.Index("chatkit_threads_owner", "owner", "seq"),
)

TURN_COLUMNS = ("turn", "turn_holder", "turn_until", "turn_signals")

# `kind` is last in the index, so that items of other kinds are skipped without being read.
ITEMS = sa.Table(
    "chatkit_items",
    METADATA,
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("payload", EncryptedText, nullable=False),
    sa.PrimaryKeyConstraint("thread_id", "id", name="chatkit_items_pk"),
    sa.ForeignKeyConstraint(["thread_id"], [THREADS.c.id], name="chatkit_items_thread", ondelete="CASCADE"),
    sa.Index("chatkit_items_page", "thread_id", "seq", "kind"),
)

# The events of running turns, in parts: those of one that has died show what it had produced.
TURN_EVENTS = sa.Table(
    "chatkit_turn_events",
    METADATA,
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False),
    sa.Column("first", sa.BigInteger, nullable=False),
    sa.Column("events", EncryptedText, nullable=False),
    sa.Column("kept_until", sa.Double),
    sa.PrimaryKeyConstraint("thread_id", "turn", "first", name="chatkit_turn_events_pk"),
    sa.ForeignKeyConstraint(["thread_id"], [THREADS.c.id], name="chatkit_turn_events_thread", ondelete="CASCADE"),
)

# No foreign key to the thread: an attachment is uploaded before the first message creates the thread.
ATTACHMENTS = sa.Table(
    "chatkit_attachments",
    METADATA,
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("thread_id", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("payload", EncryptedText, nullable=False),
    sa.PrimaryKeyConstraint("id", name="chatkit_attachments_pk"),
    sa.Index("chatkit_attachments_thread", "thread_id"),
)

# No foreign key: usage is kept when its thread is deleted.
USAGE = sa.Table(
    "chatkit_usage",
    METADATA,
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("day", sa.Date, nullable=False),
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("cached_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
    sa.Column("nano_cost", sa.BigInteger, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("owner", "day", "thread_id", "model", name="chatkit_usage_pk"),
    sa.Index("chatkit_usage_thread", "thread_id"),
    sa.Index("chatkit_usage_day", "day"),
)

FEEDBACK = sa.Table(
    "chatkit_feedback",
    METADATA,
    sa.Column("thread_id", sa.Text, nullable=False),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("thread_id", "item_id", name="chatkit_feedback_pk"),
    sa.ForeignKeyConstraint(
        ["thread_id", "item_id"], [ITEMS.c.thread_id, ITEMS.c.id], name="chatkit_feedback_item", ondelete="CASCADE"
    ),
)

# What operators did to the data; the subject is the hash of a user's id.
AUDIT = sa.Table(
    "chatkit_audit",
    METADATA,
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)


# `by_owner`, because SQLAlchemy reserves the names of columns for the values that an UPDATE sets.
_OWNER: sa.BindParameter[str] = sa.bindparam("by_owner")
_THREAD: sa.BindParameter[str] = sa.bindparam("thread")
_ITEM: sa.BindParameter[str] = sa.bindparam("item")
OF_OWNER = (THREADS.c.id == _THREAD, THREADS.c.owner == _OWNER)
OF_TURN = THREADS.c.turn == sa.bindparam("of_turn")
OWNED_THREAD = sa.select(THREADS.c.id).where(*OF_OWNER).scalar_subquery()
THREAD_COLUMNS = (
    THREADS.c.id,
    THREADS.c.created_at,
    THREADS.c.title,
    THREADS.c.status,
    THREADS.c.allowed_image_domains,
    THREADS.c.metadata,
)

LOAD_THREAD: sa.Select[Any] = sa.select(*THREAD_COLUMNS).where(*OF_OWNER)
LOAD_GENERATION: sa.Select[Any] = sa.select(THREADS.c.generation).where(*OF_OWNER)
NEWEST_METADATA: sa.Select[Any] = sa.select(THREADS.c.metadata).order_by(THREADS.c.seq.desc()).limit(1)
FIND_THREAD: sa.Select[Any] = sa.select(THREADS.c.id).where(*OF_OWNER)
FIND_THREAD_SEQ: sa.Select[Any] = sa.select(THREADS.c.seq).where(*OF_OWNER)
LOCK_THREAD: sa.Select[Any] = FIND_THREAD.with_for_update()
DELETE_THREAD: sa.Delete = sa.delete(THREADS).where(*OF_OWNER)
# Locks the row of the thread, so that concurrent writers get different numbers for their items.
TAKE: sa.Update = (
    sa.update(THREADS)
    .where(*OF_OWNER)
    .values(
        next_seq=THREADS.c.next_seq + sa.bindparam("count"),
        generation=sa.func.coalesce(sa.bindparam("new_generation", type_=sa.Text), THREADS.c.generation),
    )
)
TAKE_NUMBERS: sa.Update = TAKE.returning(THREADS.c.next_seq)

LOAD_ITEM: sa.Select[Any] = sa.select(ITEMS.c.payload).where(ITEMS.c.thread_id == OWNED_THREAD, ITEMS.c.id == _ITEM)
FIND_ITEM: sa.Select[Any] = sa.select(ITEMS.c.seq).where(ITEMS.c.thread_id == OWNED_THREAD, ITEMS.c.id == _ITEM)
ITEM_IDS_AFTER: sa.Select[Any] = (
    sa.select(ITEMS.c.id)
    .where(ITEMS.c.thread_id == OWNED_THREAD, ITEMS.c.seq > sa.bindparam("seq"))
    .order_by(ITEMS.c.thread_id, ITEMS.c.seq)
)
DELETE_ITEM: sa.Delete = sa.delete(ITEMS).where(ITEMS.c.thread_id == _THREAD, ITEMS.c.id == _ITEM)

LOAD_ATTACHMENT: sa.Select[Any] = sa.select(ATTACHMENTS.c.payload, ATTACHMENTS.c.thread_id).where(
    ATTACHMENTS.c.id == _ITEM, ATTACHMENTS.c.owner == _OWNER
)
DELETE_ATTACHMENT: sa.Delete = sa.delete(ATTACHMENTS).where(ATTACHMENTS.c.id == _ITEM, ATTACHMENTS.c.owner == _OWNER)
DELETE_THREAD_ATTACHMENTS: sa.Delete = sa.delete(ATTACHMENTS).where(
    ATTACHMENTS.c.thread_id == _THREAD, ATTACHMENTS.c.owner == _OWNER
)

_UNSENT = ATTACHMENTS.c.thread_id.is_(None)
BIND_ATTACHMENT: sa.Update = (
    sa.update(ATTACHMENTS)
    .where(
        ATTACHMENTS.c.id == _ITEM, ATTACHMENTS.c.owner == _OWNER, sa.or_(_UNSENT, ATTACHMENTS.c.thread_id == _THREAD)
    )
    .values(thread_id=_THREAD, payload=sa.bindparam("new_payload"))
)
DELETE_UNSENT_ATTACHMENT: sa.Delete = DELETE_ATTACHMENT.where(_UNSENT)
_OLD_UNSENT: sa.Delete = sa.delete(ATTACHMENTS).where(_UNSENT, ATTACHMENTS.c.created_at < sa.bindparam("before"))
DELETE_UNSENT_ATTACHMENTS = _OLD_UNSENT.returning(ATTACHMENTS.c.owner, ATTACHMENTS.c.id)
COUNT_UNSENT_ATTACHMENTS: sa.Select[Any] = sa.select(sa.func.count()).where(_UNSENT, ATTACHMENTS.c.owner == _OWNER)

LOAD_FEEDBACK: sa.Select[Any] = sa.select(FEEDBACK.c.item_id, FEEDBACK.c.kind).where(
    FEEDBACK.c.thread_id == OWNED_THREAD
)


LIST_FEEDBACK: sa.Select[Any] = (
    sa.select(THREADS.c.owner, FEEDBACK.c.thread_id, FEEDBACK.c.item_id, FEEDBACK.c.kind)
    .join(THREADS, THREADS.c.id == FEEDBACK.c.thread_id)
    .order_by(FEEDBACK.c.thread_id, FEEDBACK.c.item_id)
)


_COUNTS = tuple(USAGE.c[field.name] for field in fields(TokenUsage))
LIST_USAGE: sa.Select[Any] = (
    sa.select(USAGE.c.day, USAGE.c.owner, USAGE.c.thread_id, USAGE.c.model, *_COUNTS)
    .where(USAGE.c.day >= sa.bindparam("since"))
    .order_by(USAGE.c.day, USAGE.c.owner, USAGE.c.thread_id, USAGE.c.model)
)


@cache
def sum_usage(columns: frozenset[str]) -> sa.Select[Any]:
    """Return the statement that sums the counts where these columns equal the parameters `by_<name>`."""
    wanted = [USAGE.c[name] == sa.bindparam(f"by_{name}") for name in sorted(columns)]
    return sa.select(*(sa.func.coalesce(sa.func.sum(count), 0) for count in _COUNTS)).where(*wanted)


class Upserts:
    """The statements that insert or update, which SQLAlchemy builds per dialect."""

    def __init__(self, dialect: sa.Dialect) -> None:
        thread = _upsert(
            dialect, THREADS, "id", keep=("seq", "owner", "next_seq", *TURN_COLUMNS), keep_for_null=("generation",)
        )
        self.thread: sa.Insert = thread.returning(THREADS.c.id)
        attachment = _upsert(dialect, ATTACHMENTS, "id", keep=("owner", "created_at"), keep_stored=("thread_id",))
        self.attachment: sa.Insert = attachment.returning(ATTACHMENTS.c.id)
        self.item: sa.Insert = _upsert(dialect, ITEMS, "thread_id", "id", keep=("seq",))
        self.feedback: sa.Insert = _upsert(dialect, FEEDBACK, "thread_id", "item_id")
        usage = insert_into(dialect, USAGE)
        self.usage: sa.Insert = usage.on_conflict_do_update(
            index_elements=["owner", "day", "thread_id", "model"],
            set_={count.name: count + usage.excluded[count.name] for count in _COUNTS},
        )


def insert_into(dialect: sa.Dialect, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT of the dialect, which may have an ON CONFLICT clause."""
    # Imported on demand: a dialect takes as long to import as SQLAlchemy Core.
    if dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def _upsert(
    dialect: sa.Dialect,
    table: sa.Table,
    *key: str,
    keep: tuple[str, ...] = (),
    keep_for_null: tuple[str, ...] = (),
    keep_stored: tuple[str, ...] = (),
) -> postgresql.Insert | sqlite.Insert:
    """`keep_for_null`: None leaves the stored value. `keep_stored`: a value replaces only NULL."""
    insert = insert_into(dialect, table)
    changes: dict[str, Any]
    changes = {column.name: insert.excluded[column.name] for column in table.c if column.name not in (*key, *keep)}
    changes |= {name: sa.func.coalesce(changes[name], table.c[name]) for name in keep_for_null}
    changes |= {name: sa.func.coalesce(table.c[name], changes[name]) for name in keep_stored}
    # A row of another owner is not updated, and RETURNING then gives no row.
    mine = table.c.owner == insert.excluded.owner if "owner" in table.c else None
    return insert.on_conflict_do_update(index_elements=list(key), set_=changes, where=mine)


@cache
def threads_page(order: Order, from_cursor: bool) -> sa.Select[Any]:
    """Return the statement for a page of threads; parameters `by_owner`, `size` and, from a cursor, its `seq`."""
    page = sa.select(*THREAD_COLUMNS).where(THREADS.c.owner == _OWNER).limit(sa.bindparam("size"))
    if from_cursor:
        page = page.where(
            THREADS.c.seq > sa.bindparam("seq") if order == "asc" else THREADS.c.seq < sa.bindparam("seq")
        )
    return page.order_by(THREADS.c.seq.asc() if order == "asc" else THREADS.c.seq.desc())


@cache
def items_page(kinds: frozenset[ItemKind], order: Order, from_cursor: bool) -> sa.Select[Any]:
    """Return the statement for a page of payloads; parameters `by_owner`, `thread`, `size` and `item`, the cursor."""
    page = sa.select(ITEMS.c.payload).where(ITEMS.c.thread_id == OWNED_THREAD).limit(sa.bindparam("size"))
    if kinds != ALL_KINDS:
        page = page.where(sa.or_(*(ITEMS.c.kind == sa.literal_column(f"'{kind}'") for kind in sorted(kinds))))
    if from_cursor:
        cursor = FIND_ITEM.scalar_subquery()
        page = page.where(ITEMS.c.seq > cursor if order == "asc" else ITEMS.c.seq < cursor)
    return page.order_by(ITEMS.c.seq.asc() if order == "asc" else ITEMS.c.seq.desc())


@cache
def update_thread(columns: tuple[str, ...], only_if_untitled: bool = False, of_turn: bool = False) -> sa.Update:
    """Return the statement that changes these columns, each a parameter `new_<name>`, and returns the thread.

    With `of_turn` it changes nothing if the thread's last turn is not the parameter `of_turn`.
    """
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}", type_=THREADS.c[name].type) for name in columns}
    if only_if_untitled and "title" in values:
        values["title"] = sa.func.coalesce(THREADS.c.title, values["title"])
    wanted = (*OF_OWNER, OF_TURN) if of_turn else OF_OWNER
    return sa.update(THREADS).where(*wanted).values(values).returning(*THREAD_COLUMNS)
