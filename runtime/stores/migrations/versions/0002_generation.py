"""A column for the generation that answered last in a thread: JSON, or NULL."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("chatkit_threads", sa.Column("generation", sa.Text))
