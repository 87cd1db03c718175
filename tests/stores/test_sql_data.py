"""The data of a SQL store as a whole: erasure, moves, encryption and old threads, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import sqlalchemy as sa
from chatkit.types import LockedStatus
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from runtime.resources.token_usage import TokenUsage
from runtime.stores import open_store
from runtime.stores.cipher import new_key
from runtime.stores.sql import SqlStore
from runtime.stores.store import StoreError, ThreadStore
from runtime.stores.turns import Click, EventChunk, LastEvents
from runtime.testing.store_samples import new_file, new_hidden, new_mark, new_message, new_metadata, one_of_each

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
DAY = date(2026, 3, 29)
KEY, NEW_KEY = new_key(), new_key()

MakeUrl = Callable[[], Awaitable[str]]


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def make_url_of(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MakeUrl]:
    """Return a function that makes the URL of an empty database."""
    if request.param == "sqlite":

        async def make_file() -> str:
            return f"sqlite:///{tmp_path}/{uuid4().hex}.db"

        yield make_file
        return
    if POSTGRES is None:
        pytest.skip("CHATKIT_TEST_POSTGRES names no database")
    names: list[str] = []
    admin = create_async_engine(make_url(POSTGRES).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")

    async def make_database() -> str:
        names.append(f"data_{uuid4().hex}")
        async with admin.connect() as connection:
            await connection.execute(sa.text(f"CREATE DATABASE {names[-1]}"))
        return make_url(POSTGRES).set(database=names[-1]).render_as_string(hide_password=False)

    yield make_database
    async with admin.connect() as connection:
        for name in names:
            await connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()


@asynccontextmanager
async def opened(url: str, *keys: str) -> AsyncIterator[SqlStore]:
    store = open_store(url, keys, timeout_s=60)
    assert isinstance(store, SqlStore)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def fill(store: ThreadStore, owner: str, word: str) -> str:
    """Store a thread with an item of every type, a summary, a rating, a file and usage; return its id."""
    thread = new_metadata(
        title=f"{word} title",
        metadata={"note": f"{word} note"},
        status=LockedStatus(reason=f"{word} reason"),
        allowed_image_domains=[f"{word}.example.com"],
    )
    items = one_of_each(thread.id)
    await store.create_thread(owner, thread, items, generation=new_mark(3))
    summary = {"summary": {"text": f"{word} summary", "until": "msg_a"}}
    await store.write_items(owner, thread.id, [new_message(thread.id, f"{word} words"), new_hidden(thread.id, summary)])
    await store.save_feedback(owner, thread.id, ["msg_a"], "positive")
    file = new_file(thread.id)
    await store.save_attachment(owner, file.model_copy(update={"name": f"{word}.pdf"}))
    await store.add_usage(owner, thread.id, DAY, {"gpt": TokenUsage(1, 2, 3, 4, 5)})
    if isinstance(store, SqlStore):
        number = (await store.load_turn(owner, thread.id))[1].number
        lease = await store.begin_turn(owner, thread.id, [], after=number, lease_s=60)
        await store.write_in_turn(lease, [], events=EventChunk(1, f'["{word} answer"]'))
        await store.end_turn(lease, events=LastEvents(None, 60, resumes=True))
        click = Click(owner, thread.id, "msg_a", "pay", sha256(word.encode()).hexdigest())
        assert await store.claim_click(click, 60)
    return thread.id


async def everything(store: ThreadStore, owner: str) -> list[Any]:
    """Return all that a store holds of an owner."""
    found: list[Any] = []
    async for thread in store.iterate_threads(owner):
        found += [thread, await store.load_generation(owner, thread.id), await store.load_feedback(owner, thread.id)]
        found += [item async for item in store.iterate_items(owner, thread.id)]
    return [*found, await store.list_attachments(owner), await store.sum_usage(owner)]


def stored_bytes(url: str) -> bytes:
    """Return the bytes of a SQLite database's files."""
    path = Path(url.removeprefix("sqlite:///"))
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


async def test_the_files_hold_no_byte_of_an_erased_user(make_url_of: MakeUrl) -> None:
    url = await make_url_of()
    async with opened(url) as store:
        for number in range(20):
            await fill(store, "ann", f"zebra{number}")
        await fill(store, "bob", "giraffe")
        bobs = await everything(store, "bob")
        await store.erase_owner("ann")
        await store.rewrite()
        assert await everything(store, "ann") == [[], TokenUsage()]
        assert await everything(store, "bob") == bobs
        if url.startswith("sqlite"):
            assert b"zebra" not in stored_bytes(url)
            assert b"giraffe" in stored_bytes(url)
        else:
            assert await _pages_with(url, "zebra") == 0
            assert await _pages_with(url, "giraffe") > 0


async def test_turns_and_titles_that_end_after_an_erasure_leave_no_usage(make_url_of: MakeUrl) -> None:
    used = {"gpt": TokenUsage(1, 2, 3, 4, 5)}
    async with opened(await make_url_of()) as store:
        erased, deleted = new_metadata(), new_metadata()
        leases = []
        for thread in (erased, deleted):
            await store.create_thread("ann", thread, [])
            leases.append(await store.begin_turn("ann", thread.id, [], after=0, lease_s=60))
        await store.delete_thread("ann", deleted.id)
        await store.end_turn(leases[1], usage=(DAY, used))
        # Of a thread that its user deletes, the usage counts: the budgets can't be walked around so.
        assert (await store.sum_usage("ann")).requests == 1

        await store.erase_owner("ann")
        await store.erase_owner("ann")
        await store.end_turn(leases[0], usage=(DAY, used))
        await store.add_usage("ann", erased.id, DAY, used)
        assert await store.sum_usage("ann") == TokenUsage()

        # What the user does afterwards counts, and so does that of others.
        again = new_metadata()
        await store.create_thread("ann", again, [])
        await store.add_usage("ann", again.id, DAY, used)
        await store.add_usage("bob", erased.id, DAY, used)
        assert ((await store.sum_usage("ann")).requests, (await store.sum_usage("bob")).requests) == (1, 1)


async def test_no_table_of_an_encrypted_store_holds_a_word(make_url_of: MakeUrl) -> None:
    url = await make_url_of()
    async with opened(url, KEY) as store:
        await fill(store, "ann", "zebra")
        assert "zebra" in str(await everything(store, "ann"))
    if url.startswith("sqlite"):
        assert b"zebra" not in stored_bytes(url)
    else:
        assert await _pages_with(url, "zebra") == 0


async def test_what_was_stored_before_is_encrypted_everywhere(make_url_of: MakeUrl) -> None:
    url = await make_url_of()
    async with opened(url) as plain:
        await fill(plain, "ann", "zebra")
    async with opened(url, KEY) as store:
        await store.encrypt_again(lambda table, rows: None)
        await store.rewrite()
        assert "zebra" in str(await everything(store, "ann"))
        if url.startswith("sqlite"):
            assert b"zebra" not in stored_bytes(url)
        else:
            assert await _pages_with(url, "zebra") == 0


@pytest.mark.parametrize("title", [f"fernet:gAAAA{'x' * 40}", "fernet:plain:x", "fernet:", "plain:x"])
async def test_a_title_that_looks_encrypted_is_a_title(make_url_of: MakeUrl, title: str) -> None:
    url, thread = await make_url_of(), new_metadata(title="before")
    async with opened(url) as plain:
        await plain.create_thread("ann", thread, [])
        await plain.save_thread("ann", thread.model_copy(update={"title": title}))
        assert (await plain.load_thread("ann", thread.id)).title == title
    async with opened(url, KEY) as store:
        assert (await store.load_thread("ann", thread.id)).title == title
        await store.encrypt_again(lambda table, rows: None)
        assert (await store.load_thread("ann", thread.id)).title == title
        await store.save_thread("ann", thread.model_copy(update={"title": title}))
        assert [each.title async for each in store.iterate_threads("ann")] == [title]


async def test_postgresql_keeps_no_samples_of_what_users_write(make_url_of: MakeUrl) -> None:
    url = await make_url_of()
    if url.startswith("sqlite"):
        return  # it takes none
    async with opened(url) as store:
        for number in range(20):
            await fill(store, "ann", f"zebra{number}")
        await _run(url, "ANALYZE")
        await store.erase_owner("ann")
        await store.rewrite()
        # Not even in rows of the catalogue that were deleted.
        assert await _pages_with(url, "zebra", "pg_statistic%") == 0


async def test_what_an_older_transaction_still_sees_is_deleted_once_it_has_ended(make_url_of: MakeUrl) -> None:
    url = await make_url_of()
    if url.startswith("sqlite"):
        return  # its readers make `rewrite` fail
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), isolation_level="REPEATABLE READ")
    async with opened(url) as store, engine.connect() as reader:
        await fill(store, "ann", "zebra")
        await reader.execute(sa.text("SELECT 1 FROM chatkit_counts"))
        await store.erase_owner("ann")
        rewriting = asyncio.create_task(store.rewrite())
        # Another statement is answered meanwhile.
        assert await everything(store, "ann") == [[], TokenUsage()]
        assert not rewriting.done()
        await reader.rollback()
        await rewriting
        assert await _pages_with(url, "zebra") == 0
    await engine.dispose()


async def test_what_a_transaction_of_another_database_keeps_is_deleted_once_it_has_ended(make_url_of: MakeUrl) -> None:
    url = await make_url_of()
    if url.startswith("sqlite"):
        return  # a file is one database
    engine = create_async_engine(make_url(await make_url_of()).set(drivername="postgresql+asyncpg"))
    async with opened(url) as store, engine.connect() as writer:
        await fill(store, "ann", "zebra")
        await writer.execute(sa.text("CREATE TABLE other (id int)"))
        await store.erase_owner("ann")
        rewriting = asyncio.create_task(store.rewrite())
        assert await everything(store, "ann") == [[], TokenUsage()]
        assert not rewriting.done()
        await writer.rollback()
        await rewriting
        assert await _pages_with(url, "zebra") == 0
    await engine.dispose()


async def _run(url: str, statement: str) -> None:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(statement))
    await engine.dispose()


async def _pages_with(url: str, word: str, tables: str = "chatkit%") -> int:
    """Return in how many places of a PostgreSQL database's tables a word is, deleted rows included."""
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.begin() as connection:
            await connection.execute(sa.text("CHECKPOINT"))
            paths = await connection.execute(
                sa.text(
                    "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relkind IN ('r', 't', 'i') AND "
                    "(relname LIKE :tables OR relname LIKE 'pg_toast%') AND pg_relation_filepath(oid) IS NOT NULL"
                ),
                {"tables": tables},
            )
            count = 0
            for (path,) in paths.all():
                content = await connection.execute(sa.text("SELECT pg_read_binary_file(:path)"), {"path": path})
                count += bytes(content.scalar_one()).count(word.encode())
            return count
    finally:
        await engine.dispose()


async def test_a_moved_store_is_the_same(make_url_of: MakeUrl, tmp_path: Path) -> None:
    source, target = f"sqlite:///{tmp_path}/source.db", await make_url_of()
    async with opened(source) as old, opened(target) as new:
        threads = [await fill(old, owner, f"word{number}") for number, owner in enumerate(["ann", "bob", "ann"])]
        tables: dict[str, int] = {}
        count = await new.copy_from(old, tables.__setitem__)
        for owner in ("ann", "bob"):
            assert await everything(new, owner) == await everything(old, owner)
        assert count == sum(tables.values())
        assert tables["chatkit_threads"] == 3
        # The order of new threads and items continues.
        later = await fill(new, "ann", "later")
        assert [thread.id async for thread in new.iterate_threads("ann")] == [threads[0], threads[2], later]
        await new.write_items("ann", threads[0], [new_message(threads[0], "the last")])
        items = [item async for item in new.iterate_items("ann", threads[0])]
        assert "the last" in items[-1].model_dump_json()


async def test_a_move_needs_an_empty_target_and_no_running_turn(make_url_of: MakeUrl, tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/source.db") as old, opened(await make_url_of()) as new:
        await fill(new, "ann", "there")
        with pytest.raises(StoreError, match="the target is not empty: its table 'chatkit_attachments' has rows"):
            await new.copy_from(old, lambda table, rows: None)
        assert not await new.has_running_turns()
        await new.create_thread_in_turn("ann", new_metadata(), [], generation=None, lease_s=60)
        assert await new.has_running_turns()


async def test_a_large_store_is_moved_and_encrypted_in_batches(make_url_of: MakeUrl, tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/source.db", KEY) as old:
        thread = new_metadata()
        await old.create_thread("ann", thread, [new_message(thread.id, f"word {number}") for number in range(1234)])
        before = await everything(old, "ann")
        target = await make_url_of()
        async with opened(target, KEY) as new:
            await new.copy_from(old, lambda table, rows: None)
            assert await everything(new, "ann") == before
    async with opened(target, NEW_KEY, KEY) as new:
        seen: dict[str, int] = {}
        assert await new.encrypt_again(seen.__setitem__) == 1235
        assert seen["chatkit_items"] == 1234
        assert await new.encrypt_again(seen.__setitem__) == 0
    async with opened(target, NEW_KEY) as new:
        assert await everything(new, "ann") == before


async def test_keys_are_rotated_while_others_write(make_url_of: MakeUrl) -> None:
    url = await make_url_of()
    async with opened(url) as plain:
        threads = [await fill(plain, "ann", f"zebra{number}") for number in range(30)]
    async with opened(url, KEY) as store, opened(url, KEY) as other:

        async def write() -> None:
            for number in range(60):
                thread_id = threads[number % len(threads)]
                await other.write_items("ann", thread_id, [new_message(thread_id, f"zebra while {number}")])
                await other.update_thread("ann", thread_id, title=f"zebra title {number}")

        _, count = await asyncio.gather(write(), store.encrypt_again(lambda table, rows: None))
        assert count > 0
        assert await store.encrypt_again(lambda table, rows: None) == 0
        titles = {thread.title async for thread in store.iterate_threads("ann")}
        assert titles == {f"zebra title {number}" for number in range(30, 60)}
        texts = [
            item.model_dump_json() for thread_id in threads async for item in store.iterate_items("ann", thread_id)
        ]
        assert sum("zebra while" in text for text in texts) == 60
        await store.rewrite() if url.startswith("postgresql") else None
    if url.startswith("sqlite"):
        async with opened(url, KEY) as store:
            await store.rewrite()
        assert b"zebra" not in stored_bytes(url)
    else:
        assert await _pages_with(url, "zebra") == 0


async def test_encryption_without_keys_says_what_to_declare(make_url_of: MakeUrl) -> None:
    async with opened(await make_url_of()) as store:
        with pytest.raises(StoreError, match=r"declare `store.encrypt`"):
            await store.encrypt_again(lambda table, rows: None)


async def test_a_thread_is_as_old_as_its_last_item(make_url_of: MakeUrl) -> None:
    now = datetime.now(UTC)

    def days_ago(days: int) -> datetime:
        return now - timedelta(days=days)

    async with opened(await make_url_of()) as store:
        kept = new_metadata(created_at=days_ago(200))
        await store.create_thread("ann", kept, [new_message(kept.id, "new", created_at=days_ago(1))])
        old = new_metadata(created_at=days_ago(200))
        await store.create_thread("ann", old, [new_message(old.id, "old", created_at=days_ago(100))])
        empty = new_metadata(created_at=days_ago(91))
        await store.create_thread("bob", empty)
        await store.create_thread("bob", new_metadata(created_at=days_ago(1)))
        assert await store.old_threads(days_ago(90)) == ([("ann", old.id), ("bob", empty.id)], None)


async def test_the_audit_log_keeps_its_order(make_url_of: MakeUrl) -> None:
    async with opened(await make_url_of()) as store:
        for number in range(3):
            await store.record("export", "", str(number))
        # What was done to the target does not count as its content.
        async with opened(await make_url_of()) as source:
            await store.copy_from(source, lambda table, rows: None)
        entries = await store.audit_log()
        assert [entry.detail for entry in entries] == ["0", "1", "2"]
        assert all(entry.at.tzinfo is not None for entry in entries)
