"""A table for clicks, and no statistics of what users write: PostgreSQL keeps samples of it after it was deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


# The columns that hold words; no query looks for a value of theirs.
_WORDS = {
    "chatkit_threads": ("title", "status", "allowed_image_domains", "metadata"),
    "chatkit_items": ("payload",),
    "chatkit_turn_events": ("events",),
    "chatkit_attachments": ("payload",),
}


def upgrade() -> None:
    op.create_table(
        "chatkit_clicks",
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("until", sa.Double),
        sa.PrimaryKeyConstraint("thread_id", "item_id", "action", "payload", name="chatkit_clicks_pk"),
        sa.ForeignKeyConstraint(
            ["thread_id", "item_id"],
            ["chatkit_items.thread_id", "chatkit_items.id"],
            name="chatkit_clicks_item",
            ondelete="CASCADE",
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in _WORDS.items():
            for column in columns:
                # A change of the type deletes the samples that there are; to the same type, it rewrites nothing.
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE text")
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0")
