"""What Alembic runs for each command: inside the transaction of the connection it is given."""

from __future__ import annotations

from alembic import context

from runtime.stores.migrations import VERSION_TABLE
from runtime.stores.statements import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
