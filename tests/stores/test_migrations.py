"""The schema that the migrations make is the schema that the code expects, whoever made it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from runtime.stores import migrations, open_store
from runtime.stores.migrations import VERSION_TABLE, VERSIONS
from runtime.stores.store import StoreError
from runtime.stores.tables import METADATA

OPEN = """
import asyncio, sys
from runtime.stores import open_store

async def main():
    store = open_store(sys.argv[1])
    await store.open()
    await store.close()
    print("alembic" in sys.modules)

asyncio.run(main())
"""


async def make(path: Path) -> None:
    store = open_store(f"sqlite:///{path}")
    await store.open()
    await store.close()


def differences(connection: Connection) -> list[object]:
    options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA))


async def test_a_fresh_database_has_exactly_the_schema_of_the_tables(tmp_path: Path) -> None:
    await make(tmp_path / "threads.db")
    engine = create_engine(f"sqlite:///{tmp_path}/threads.db")
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


def test_the_versions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in scripts)[::-1] == VERSIONS


def test_a_current_database_opens_without_alembic(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", OPEN, f"sqlite:///{tmp_path}/threads.db"]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs == ["True\n", "False\n"]


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    await make(path)
    with closing(connect(path)) as database:
        database.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
        database.commit()
    with pytest.raises(StoreError, match=r"schema version '9999', newer than '0001' \(upgrade chatkit-runtime\)"):
        await make(path)
    with closing(connect(path)) as database:
        assert database.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [("9999",)]


async def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    with closing(connect(path)) as database:
        database.execute("CREATE TABLE chatkit_feedback (mine TEXT)")
    with pytest.raises(Exception, match="chatkit_feedback"):
        await make(path)
    with closing(connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert tables == ["chatkit_feedback"]


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", OPEN, f"sqlite:///{tmp_path}/threads.db"]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outcomes = [(starter.communicate()[1], starter.returncode) for starter in starters]
    assert outcomes == [("", 0), ("", 0)]


@pytest.mark.skipif("CHATKIT_TEST_POSTGRES" not in os.environ, reason="CHATKIT_TEST_POSTGRES names no database")
async def test_postgresql_has_exactly_the_schema_of_the_tables() -> None:
    url = os.environ["CHATKIT_TEST_POSTGRES"]
    store = open_store(url)
    await store.open()
    await store.close()
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []
