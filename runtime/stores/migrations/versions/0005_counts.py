"""A table of counts in windows of time: the requests of users and addresses, and the probes of `/ready`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "chatkit_counts",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key", name="chatkit_counts_pk"),
    )
    op.create_index("chatkit_counts_until", "chatkit_counts", ["until"])
