"""The events of turns that have ended are deleted while the store is open; nothing touches a closed store."""

from __future__ import annotations

import asyncio
from pathlib import Path

from runtime.stores.event_cleaner import EventCleaner
from runtime.stores.sql import SqlStore
from runtime.stores.turns import LastEvents
from runtime.testing.store_samples import new_metadata


class Deletions:
    """Counts the deletions, each of which waits until it may go on."""

    def __init__(self) -> None:
        self.begun, self.ended = 0, 0
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def delete(self) -> None:
        self.begun += 1
        self.began.set()
        await self.go_on.wait()
        self.ended += 1


async def _after(delay_s: float) -> None:
    """Return once every timer of the loop has fired that was due so much later than now."""
    reached = asyncio.Event()
    asyncio.get_running_loop().call_later(delay_s, reached.set)
    await reached.wait()


async def test_events_are_deleted_after_the_longest_time() -> None:
    deletions = Deletions()
    deletions.go_on.set()
    cleaner = EventCleaner(deletions.delete, margin_s=0.001)
    cleaner.clean_after(0.0)
    cleaner.clean_after(0.01)
    while deletions.ended < 2:  # noqa: ASYNC110 - the timers count
        await asyncio.sleep(0)
    await cleaner.close()
    assert deletions.ended == 2


async def test_a_closed_cleaner_deletes_nothing_and_can_be_used_again() -> None:
    deletions = Deletions()
    deletions.go_on.set()
    cleaner = EventCleaner(deletions.delete, margin_s=0.0)
    cleaner.clean_after(0.001)
    await cleaner.close()
    await _after(0.002)
    assert deletions.begun == 0
    cleaner.clean_after(0.001)
    await deletions.began.wait()
    await cleaner.close()


async def test_closing_waits_for_a_deletion_that_runs() -> None:
    deletions = Deletions()
    cleaner = EventCleaner(deletions.delete, margin_s=0.0)
    cleaner.clean_after(0.0)
    await deletions.began.wait()
    closing = asyncio.create_task(cleaner.close())
    await asyncio.sleep(0)
    assert not closing.done()
    deletions.go_on.set()
    await closing
    assert deletions.ended == 1


async def test_a_deletion_that_fails_is_no_error_of_anybody() -> None:
    failed = asyncio.Event()

    async def delete() -> None:
        failed.set()
        raise OSError("no database")

    cleaner = EventCleaner(delete, margin_s=0.0)
    cleaner.clean_after(0.0)
    await failed.wait()
    await cleaner.close()


class Watched(SqlStore):
    """A store that counts its deletions."""

    clean_margin_s = 0.0
    deletions = 0

    async def forget_events(self) -> None:
        self.deletions += 1
        await super().forget_events()


async def test_a_store_that_is_closed_is_not_touched_by_its_cleaner(tmp_path: Path) -> None:
    store = Watched(f"sqlite:///{tmp_path}/threads.db")
    await store.open()
    for kept in (0.001, 60.0):
        lease = await store.create_thread_in_turn("ann", new_metadata(), [], generation=None, lease_s=60)
        await store.end_turn(lease, events=LastEvents(None, kept, resumes=True))
        await store.close()
        await _after(0.002)
        await store.open()
    assert store.deletions == 0
    await store.close()
