"""The lease of a thread's running turn, and a table for the events of running turns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    for column in (
        sa.Column("turn", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        sa.Column("turn_holder", sa.Text),
        sa.Column("turn_until", sa.Double),
        sa.Column("turn_signals", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    ):
        op.add_column("chatkit_threads", column)
    op.create_table(
        "chatkit_turn_events",
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("kept_until", sa.Double),
        sa.PrimaryKeyConstraint("thread_id", "turn", "first", name="chatkit_turn_events_pk"),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["chatkit_threads.id"], name="chatkit_turn_events_thread", ondelete="CASCADE"
        ),
    )
