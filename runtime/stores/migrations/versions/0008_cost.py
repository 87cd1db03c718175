"""A column for what the used tokens cost, in billionths of a US dollar. What was used before has cost nothing known."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("chatkit_usage", sa.Column("nano_cost", sa.BigInteger, nullable=False, server_default="0"))
