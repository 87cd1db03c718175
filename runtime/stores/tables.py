"""The tables of a SQL store, and the indexes that keep every page flat in the number of threads and items.

The names start with `chatkit_`, because a PostgreSQL database may hold other people's tables.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()
# SQLite counts up by itself only in a column that is an INTEGER to the letter.
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

# `kind` stands last in the index so that items of other kinds are passed over without being read.
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

# No foreign key to the thread: an attachment is uploaded before the first message makes the thread.
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

# No foreign key: what was used stays counted when its thread is deleted.
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
