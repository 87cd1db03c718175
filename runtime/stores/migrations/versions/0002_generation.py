"""The generation of the configuration that answered last in a thread, as JSON; NULL where none has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("chatkit_threads", sa.Column("generation", sa.Text))
