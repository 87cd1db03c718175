from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from chatkit.types import ThreadItem

from runtime.server.turns.model_items import new_model_item
from runtime.server.turns.recorder import Recorder, to_the_end
from runtime.stores.owner_store import OwnerStore
from runtime.stores.sql import SqlStore
from runtime.stores.store import ALL_KINDS, ModelItem, StoreUnavailable
from runtime.stores.turns import EventChunk, Signals
from runtime.testing.store_samples import new_metadata

CALL = {"type": "function_call", "call_id": "call_1", "name": "refund", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "refunded"}
EVENTS = EventChunk(1, "[]")


async def test_a_write_goes_to_its_end_however_often_it_is_cancelled() -> None:
    begun, proceed, written = asyncio.Event(), asyncio.Event(), []

    async def write() -> None:
        begun.set()
        await proceed.wait()
        written.append("item")

    task = asyncio.create_task(to_the_end(write()))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    proceed.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert written == ["item"]


class Slow(SqlStore):
    """Writes of events wait until the test lets them, and fail where it says so."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.begun, self.proceed, self.fails = asyncio.Event(), asyncio.Event(), False

    async def write_in_turn(self, *args: Any, events: EventChunk | None = None, **changes: Any) -> Signals:
        if events is not None:
            self.begun.set()
            await self.proceed.wait()
            if self.fails:
                raise StoreUnavailable("the disk is full")
        return await super().write_in_turn(*args, events=events, **changes)


class Recording:
    """A turn whose partial writes are slow."""

    def __init__(self, store: Slow, owner_store: OwnerStore, recorder: Recorder, thread_id: str) -> None:
        self.store, self._owner_store, self.recorder, self._thread_id = store, owner_store, recorder, thread_id

    def item(self, raw: dict[str, Any]) -> ModelItem:
        """Make a call or a result as its run reports it."""
        return new_model_item(self._thread_id, {"model_items": [raw]})

    async def begin_partial_write(self) -> asyncio.Task[Signals]:
        """Begin a write that has reached the store, and goes on when the test says so."""
        task = asyncio.create_task(self.recorder.save(EVENTS))
        await self.store.begun.wait()
        return task

    async def stored(self) -> list[dict[str, Any]]:
        """Return the contents of the items that only the model sees."""
        items = await self.store.load_items("ann", self._thread_id, limit=20, order="asc", kinds=ALL_KINDS)
        return [item.content for item in items.data if isinstance(item, ModelItem)]


@pytest.fixture
async def recording(tmp_path: Path) -> AsyncIterator[Recording]:
    store, thread = Slow(f"sqlite:///{tmp_path}/threads.db"), new_metadata()
    await store.open()
    items: list[ThreadItem] = []
    owner_store = OwnerStore(store, "ann")
    owner_store.lease = await store.create_thread_in_turn("ann", thread, items, generation=None, lease_s=60)
    yield Recording(store, owner_store, Recorder(owner_store, thread), thread.id)
    await store.close()


async def test_a_tool_does_not_run_before_its_call_is_stored_though_a_partial_write_has_it(
    recording: Recording,
) -> None:
    recording.recorder.keep_calls([recording.item(CALL)])
    partial = await recording.begin_partial_write()
    before_tool = asyncio.create_task(recording.recorder.store_call(CALL))
    done, _ = await asyncio.wait({before_tool}, timeout=0)
    assert not done
    recording.store.proceed.set()
    await before_tool
    assert await recording.stored() == [{"model_items": [CALL]}]
    await partial


async def test_a_tool_runs_after_its_call_is_stored_where_a_partial_write_of_it_fails(recording: Recording) -> None:
    recording.store.fails = True
    recording.recorder.keep_calls([recording.item(CALL)])
    partial = await recording.begin_partial_write()
    before_tool = asyncio.create_task(recording.recorder.store_call(CALL))
    recording.store.proceed.set()
    await before_tool
    assert await recording.stored() == [{"model_items": [CALL]}]
    with pytest.raises(StoreUnavailable):
        await partial


@pytest.mark.parametrize("fails", [False, True])
async def test_a_turn_that_is_cut_off_marks_what_a_partial_write_has(recording: Recording, fails: bool) -> None:
    recording.store.fails = fails
    recording.recorder.keep_calls([recording.item(CALL), recording.item(RESULT)])
    partial = await recording.begin_partial_write()
    cut_off = asyncio.create_task(recording.recorder.cut_off())
    recording.store.proceed.set()
    assert await cut_off == []
    await asyncio.wait({partial})
    call, result, mark = await recording.stored()
    assert [call["model_items"], result["model_items"]] == [[CALL], [RESULT]]
    assert len(mark["unfinished"]) == 2, "a retry would run the tool again"


async def test_the_end_of_a_turn_writes_what_a_partial_write_could_not(recording: Recording) -> None:
    recording.store.fails = True
    recording.recorder.keep_calls([recording.item(CALL), recording.item(RESULT)])
    partial = await recording.begin_partial_write()
    end = asyncio.create_task(recording.recorder.finish())
    recording.store.proceed.set()
    await end
    assert [item["model_items"] for item in await recording.stored()] == [[CALL], [RESULT]]
    with pytest.raises(StoreUnavailable):
        await partial
