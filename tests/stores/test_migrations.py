"""The schema that the migrations create is the schema of the tables in the code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import SQLITE_BUSY, Cursor, OperationalError, connect
from sqlite3 import Connection as Connect
from typing import Any

import pytest
from alembic import command as alembic
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from chatkit.types import EndOfTurnItem, ThreadMetadata
from sqlalchemy import Connection, MetaData, Table, create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from runtime.stores import migrations, open_store
from runtime.stores.ids import new_id
from runtime.stores.migrations import VERSION_TABLE, VERSIONS
from runtime.stores.serialization import dump_item
from runtime.stores.sqlite import enter_wal_mode
from runtime.stores.statements import METADATA
from runtime.stores.store import StoreError
from runtime.testing.store_samples import new_mark

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES", "")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
AT = datetime(2026, 1, 2, tzinfo=UTC)
THREAD = ThreadMetadata(id="thr_1", title="Old", created_at=AT, metadata={"a": [1]})
ITEM = EndOfTurnItem(id="msg_1", thread_id="thr_1", created_at=AT)
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
    with pytest.raises(StoreError, match=r"schema version '9999', newer than '0008' \(upgrade chatkit-runtime\)"):
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


class SwitchedOverElsewhere(Connect):
    """A connection to a file that another process switches to WAL: SQLite refuses at once, without its busy timeout."""

    refusals = 3

    def execute(self, sql: str, *parameters: Any) -> Cursor:
        if "journal_mode" in sql and self.refusals:
            self.refusals -= 1
            error = OperationalError("database is locked")
            error.sqlite_errorcode = SQLITE_BUSY
            raise error
        return super().execute(sql, *parameters)


def test_a_connection_waits_until_the_file_has_been_switched_over(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "threads.db", factory=SwitchedOverElsewhere)) as connection:
        enter_wal_mode(connection)
        assert connection.refusals == 0
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def fill_first_version(connection: Connection) -> None:
    """Make the schema as it first was, with one thread of one item in it."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    alembic.upgrade(config, "0001")
    threads, items = (
        Table(name, MetaData(), autoload_with=connection) for name in ("chatkit_threads", "chatkit_items")
    )
    assert "generation" not in threads.c
    row = {"id": THREAD.id, "owner": "alice", "created_at": AT, "title": "Old", "status": '{"type":"active"}'}
    connection.execute(threads.insert(), row | {"metadata": '{"a":[1]}', "next_seq": 2})
    row = {"thread_id": THREAD.id, "id": ITEM.id, "seq": 1, "kind": "visible", "type": ITEM.type, "created_at": AT}
    connection.execute(items.insert(), row | {"payload": dump_item(ITEM)})


async def check_that_it_goes_on(url: str) -> None:
    store = open_store(url, timeout_s=60)
    await store.open()
    assert await store.load_thread("alice", THREAD.id) == THREAD
    assert (await store.load_items("alice", THREAD.id, limit=5)).data == [ITEM]
    assert await store.load_generation("alice", THREAD.id) is None
    following = ITEM.model_copy(update={"id": "msg_2"})
    await store.write_items("alice", THREAD.id, [following], generation=new_mark(3))
    assert (await store.load_items("alice", THREAD.id, limit=5, order="asc")).data == [ITEM, following]
    assert await store.load_generation("alice", THREAD.id) == new_mark(3)
    await store.close()


async def test_threads_of_the_first_version_go_on_in_this_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/threads.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        fill_first_version(connection)
    await check_that_it_goes_on(url)
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


@asynccontextmanager
async def new_database() -> AsyncIterator[str]:
    """Make an empty PostgreSQL database beside the one that is named, and yield its URL."""
    url, name = make_url(POSTGRES), new_id("chatkit_test")
    engine = create_async_engine(url.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            await connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    await engine.dispose()


@NEEDS_POSTGRES
async def test_threads_of_the_first_version_go_on_in_postgresql() -> None:
    async with new_database() as url:
        engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
        async with engine.begin() as connection:
            await connection.run_sync(fill_first_version)
        await check_that_it_goes_on(url)
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
        await engine.dispose()


@NEEDS_POSTGRES
async def test_postgresql_has_exactly_the_schema_of_the_tables() -> None:
    store = open_store(POSTGRES, timeout_s=60)
    await store.open()
    await store.close()
    engine = create_async_engine(make_url(POSTGRES).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        different = await connection.run_sync(differences)
    await engine.dispose()
    assert different == []
