"""Properties of databases: files, locks, killed processes, query plans and schemas."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadMetadata
from sqlalchemy.dialects import sqlite

from runtime.resources.token_usage import TokenUsage
from runtime.stores import open_store
from runtime.stores import statements as sql
from runtime.stores.ids import new_id
from runtime.stores.migrations import migrate
from runtime.stores.sql import SqlStore
from runtime.stores.sqlite import SqliteDatabase
from runtime.stores.store import ALL_KINDS, VISIBLE, VISIBLE_AND_HIDDEN, ThreadStore
from runtime.testing.store_samples import new_mark

KILLED_WRITER = """
import asyncio, os, signal, sys
from datetime import datetime
from chatkit.types import EndOfTurnItem, ThreadMetadata
from runtime.stores import open_store

async def main():
    store = open_store(sys.argv[1])
    await store.open()
    await store.create_thread("alice", ThreadMetadata(id="thr_1", created_at=datetime.now()))
    for number in range(20):
        item = EndOfTurnItem(id=f"msg_{number}", thread_id="thr_1", created_at=datetime.now())
        await store.write_items("alice", "thr_1", [item])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "threads.db"


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[ThreadStore]:
    store = open_store(f"sqlite:///{path}")
    await store.open()
    yield store
    await store.close()


def message(thread_id: str) -> AssistantMessageItem:
    content = [AssistantMessageContent(text="x" * 500)]
    return AssistantMessageItem(
        id=new_id("message"), thread_id=thread_id, created_at=datetime.now(UTC), content=content
    )


async def new_thread(store: ThreadStore, count: int = 0) -> str:
    thread = ThreadMetadata(id=new_id("thread"), created_at=datetime.now(UTC))
    await store.create_thread("alice", thread, [message(thread.id) for _ in range(count)])
    return thread.id


async def item_count(store: ThreadStore, thread_id: str) -> int:
    return len((await store.load_items("alice", thread_id, limit=10_000)).data)


def permissions(folder: Path) -> tuple[set[int], set[int]]:
    return {stat.S_IMODE(folder.stat().st_mode)}, {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


async def test_file_and_folder_are_for_this_user_alone(store: ThreadStore, path: Path) -> None:
    await new_thread(store)
    assert permissions(path.parent) == ({0o700}, {0o600})


async def test_a_store_that_is_opened_again_holds_what_it_held(store: ThreadStore, path: Path) -> None:
    thread_id = await new_thread(store, 3)
    await store.close()
    again = open_store(f"sqlite:///{path}")
    await again.open()
    assert await item_count(again, thread_id) == 3
    await again.close()
    assert os.listdir(path.parent) == ["threads.db"]


async def test_a_store_that_never_opened_can_be_closed(path: Path) -> None:
    await open_store(f"sqlite:///{path}").close()
    assert not await asyncio.to_thread(path.exists)


async def test_what_was_written_survives_a_kill(path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", KILLED_WRITER, f"sqlite:///{path}"]
    killed = await asyncio.to_thread(subprocess.run, command, check=False)
    assert killed.returncode == -signal.SIGKILL
    store = open_store(f"sqlite:///{path}")
    await store.open()
    assert await item_count(store, "thr_1") == 20
    await store.close()


async def test_a_lock_held_by_another_process_holds_up_nobody_but_the_writers(store: ThreadStore, path: Path) -> None:
    thread_id = await new_thread(store, 1)
    other = sqlite3.connect(path, isolation_level=None)
    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        items = [message(thread_id) for _ in range(8)]
        writes = [asyncio.ensure_future(store.write_items("alice", thread_id, [item])) for item in items]
        await asyncio.sleep(0)
        assert await item_count(store, thread_id) == 1
        assert not any(write.done() for write in writes)
        other.execute("COMMIT")
        # The lock is free before the waiting writes notice: a new write must not overtake them.
        items.append(message(thread_id))
        await asyncio.gather(*writes, store.write_items("alice", thread_id, [items[-1]]))
    page = await store.load_items("alice", thread_id, limit=20, order="asc")
    assert [item.id for item in page.data[1:]] == [item.id for item in items]


async def test_a_writer_that_is_cancelled_keeps_its_place(store: ThreadStore, path: Path) -> None:
    thread_id = await new_thread(store)
    items = [message(thread_id), message(thread_id)]
    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        write = asyncio.ensure_future(store.write_items("alice", thread_id, [items[0]]))
        await asyncio.sleep(0)
        write.cancel()
        with pytest.raises(asyncio.CancelledError):
            await write
        other.execute("COMMIT")
        await store.write_items("alice", thread_id, [items[1]])
        page = await store.load_items("alice", thread_id, limit=5, order="asc")
        assert [item.id for item in page.data] == [item.id for item in items]
        other.execute("BEGIN IMMEDIATE")


async def test_a_write_that_fails_in_the_database_is_undone(store: ThreadStore, path: Path) -> None:
    thread_id = await new_thread(store, 2)
    ids = [item.id for item in (await store.load_items("alice", thread_id, limit=5)).data]
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON chatkit_items BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    with pytest.raises(Exception, match="disk full"):
        await store.write_items("alice", thread_id, [message(thread_id)], delete=ids)
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TRIGGER full")
    await store.write_items("alice", thread_id, [message(thread_id)])
    assert await item_count(store, thread_id) == 3


async def test_a_generation_is_written_by_the_statements_that_are_there_anyway(
    store: ThreadStore, statements: list[str]
) -> None:
    texts = []
    for mark in (None, new_mark(1)):
        thread = ThreadMetadata(id=new_id("thread"), created_at=datetime.now(UTC))
        await store.create_thread("alice", thread, [message(thread.id)], generation=mark)
        await store.write_items("alice", thread.id, [message(thread.id)], generation=mark)
        texts.append(tuple(statements))
        statements.clear()
    assert len(texts[0]) == 5
    assert texts[0] == texts[1]
    assert await store.load_generation("alice", thread.id) == new_mark(1)


@pytest.mark.parametrize(
    "content", ["", "{", "null", "[1]", '{"number": 1}', '{"number": "x", "config": "", "code": ""}']
)
async def test_a_generation_that_cant_be_read_is_none_until_the_next_turn(
    store: ThreadStore, path: Path, content: str
) -> None:
    thread_id = await new_thread(store)
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE chatkit_threads SET generation = ?", (content,))
        other.commit()
    assert await store.load_generation("alice", thread_id) is None
    await store.write_items("alice", thread_id, [], generation=new_mark(2))
    assert await store.load_generation("alice", thread_id) == new_mark(2)


async def test_two_stores_on_one_file_take_turns(store: ThreadStore, path: Path) -> None:
    second = open_store(f"sqlite:///{path}")
    await second.open()
    thread_id = await new_thread(store)
    turns = [(store, second)[number % 2].write_items("alice", thread_id, [message(thread_id)]) for number in range(40)]
    await asyncio.gather(*turns)
    assert await item_count(second, thread_id) == 40
    await second.close()


async def test_sixty_four_turns_at_once_write_without_an_error(store: ThreadStore) -> None:
    threads = [await new_thread(store) for _ in range(64)]

    async def turn(thread_id: str) -> None:
        for _ in range(4):
            await store.write_items("alice", thread_id, [message(thread_id)])

    await asyncio.gather(*map(turn, threads))
    assert [await item_count(store, thread_id) for thread_id in threads] == [4] * 64


async def test_the_log_is_written_back_while_the_database_is_open(path: Path) -> None:
    database = SqliteDatabase(path, checkpoint_commits=5, max_log_pages=1)
    await database.open()
    await migrate(database)
    day = {"owner": "alice", "day": date(2026, 1, 2), "thread_id": "thr_1", "model": "m"}
    insert = sql.Upserts(database.dialect).usage
    for _ in range(10):
        row = day | dict.fromkeys((field.name for field in fields(TokenUsage)), 1)
        await database.write(lambda session, row=row: session.run(insert, row))
    await database.close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT requests FROM chatkit_usage").fetchall() == [(10,)]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("from_cursor", [False, True])
async def test_every_page_is_read_by_an_index(store: ThreadStore, path: Path, order: Any, from_cursor: bool) -> None:
    thread_id = await new_thread(store, 50)
    values = {"by_owner": "alice", "thread": thread_id, "item": "msg_1", "seq": 3, "size": 21}
    statements = [sql.items_page(kinds, order, from_cursor) for kinds in (VISIBLE, VISIBLE_AND_HIDDEN, ALL_KINDS)]
    statements += [sql.threads_page(order, from_cursor), sql.LOAD_THREAD, sql.LOAD_ITEM, sql.ITEM_IDS_AFTER]
    statements += [sql.LOAD_GENERATION]
    with closing(sqlite3.connect(path)) as other:
        other.execute("ANALYZE")
        for statement in statements:
            compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
            plan = other.execute(f"EXPLAIN QUERY PLAN {compiled}", {**compiled.params, **values}).fetchall()
            steps = [step[3] for step in plan]
            assert all("USING" in step and "INDEX" in step for step in steps if step.startswith(("SEARCH", "SCAN")))
            assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps


async def test_a_page_of_a_long_thread_loads_the_page_alone(store: ThreadStore) -> None:
    thread_id = await new_thread(store, 2_000)
    assert isinstance(store, SqlStore)
    page = await store.load_items("alice", thread_id, limit=50)
    assert (len(page.data), page.has_more) == (50, True)
    rest = await store.load_items("alice", thread_id, limit=50, after=page.after)
    assert {item.id for item in rest.data}.isdisjoint(item.id for item in page.data)


def test_no_folder_is_made_before_the_store_is_opened(path: Path) -> None:
    open_store(f"sqlite:///{path}")
    assert not os.path.lexists(path.parent)
