"""Alembic's environment: run a command in the transaction of the connection that `migrate` passes."""

from __future__ import annotations

from alembic import context

from runtime.stores.migrations import VERSION_TABLE
from runtime.stores.statements import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
