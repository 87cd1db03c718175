"""Tables for threads, items, attachments and feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "chatkit_threads",
        sa.Column("seq", _SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("allowed_image_domains", sa.Text),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("next_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="chatkit_threads_pk"),
        sa.UniqueConstraint("id", name="chatkit_threads_id"),
    )
    op.create_index("chatkit_threads_owner", "chatkit_threads", ["owner", "seq"])
    op.create_table(
        "chatkit_items",
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "id", name="chatkit_items_pk"),
        sa.ForeignKeyConstraint(["thread_id"], ["chatkit_threads.id"], name="chatkit_items_thread", ondelete="CASCADE"),
    )
    op.create_index("chatkit_items_page", "chatkit_items", ["thread_id", "seq", "kind"])
    op.create_table(
        "chatkit_attachments",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("thread_id", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="chatkit_attachments_pk"),
    )
    op.create_index("chatkit_attachments_thread", "chatkit_attachments", ["thread_id"])
    op.create_table(
        "chatkit_feedback",
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("thread_id", "item_id", name="chatkit_feedback_pk"),
        sa.ForeignKeyConstraint(
            ["thread_id", "item_id"],
            ["chatkit_items.thread_id", "chatkit_items.id"],
            name="chatkit_feedback_item",
            ondelete="CASCADE",
        ),
    )
