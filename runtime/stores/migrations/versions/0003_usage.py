"""A table for the tokens used, by owner, thread, day and model. Rows outlive their thread."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "chatkit_usage",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("thread_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("input_tokens", sa.BigInteger, nullable=False),
        sa.Column("cached_tokens", sa.BigInteger, nullable=False),
        sa.Column("output_tokens", sa.BigInteger, nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("owner", "day", "thread_id", "model", name="chatkit_usage_pk"),
    )
    op.create_index("chatkit_usage_thread", "chatkit_usage", ["thread_id"])
    op.create_index("chatkit_usage_day", "chatkit_usage", ["day"])
