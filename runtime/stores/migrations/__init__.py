"""Migrate the schema of a database to the newest version.

Alembic is imported only if there is something to migrate: at most starts, one query finds that the schema is current.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from runtime.stores.sqlite import Database
from runtime.stores.store import StoreError

# Every revision in `versions/`, oldest first. A newer runtime wrote a database that has any other one.
VERSIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
VERSION_TABLE = "chatkit_version"

# An arbitrary number: replicas of a service that start together take this lock, so that one of them migrates.
_LOCK = 0x636861746B6974


async def migrate(database: Database) -> None:
    """Migrate the schema to the newest version. Raise StoreError if it is newer than that."""
    if await database.read(lambda session: _is_current(session.connection)):
        return
    await database.write(lambda session: _upgrade(session.connection), slow=True)


async def stored_version(database: Database) -> str | None:
    """Return the version of the schema, or None for a database without one. Raise StoreError if it is newer."""
    return await database.read(lambda session: _version(session.connection))


def _is_current(connection: Connection) -> bool:
    return _version(connection) == VERSIONS[-1]


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()
    if version is not None and version not in VERSIONS:
        raise StoreError(
            f"the database has schema version {version!r}, newer than {VERSIONS[-1]!r} (upgrade chatkit-runtime)"
        )
    return version


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if _is_current(connection):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
