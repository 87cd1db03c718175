"""SQLite and memory do the same, in any sequence of calls."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from chatkit.store import NotFoundError
from chatkit.types import EndOfTurnItem, HiddenContextItem, ThreadItem, ThreadMetadata
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from runtime.stores import open_store
from runtime.stores.store import (
    ALL_KINDS,
    VISIBLE,
    VISIBLE_AND_HIDDEN,
    GenerationMark,
    InvalidCursor,
    ModelItem,
    ThreadStore,
)
from runtime.testing.store_samples import new_mark

OWNERS = st.sampled_from(["alice", "bob"])
THREADS = st.sampled_from(["thr_1", "thr_2", "thr_3"])
IDS = st.sampled_from([f"msg_{number}" for number in range(6)])
KINDS = st.sampled_from([VISIBLE, VISIBLE_AND_HIDDEN, ALL_KINDS])
ORDERS = st.sampled_from(["asc", "desc"])
FEEDBACK = st.sampled_from(["positive", "negative"])
MARKS = st.none() | st.sampled_from([new_mark(1), new_mark(2)])
LIMITS = st.integers(1, 5)
AT: dict[str, Any] = {"thread_id": "thr_1", "created_at": datetime(2026, 1, 2, tzinfo=UTC)}


def make_item(item_id: str, kind: str) -> ThreadItem:
    if kind == "visible":
        return EndOfTurnItem(id=item_id, **AT)
    cls, content = (ModelItem, {"model_items": []}) if kind == "model" else (HiddenContextItem, "seen")
    return cls(id=item_id, content=content, **AT)


ITEMS = st.lists(st.builds(make_item, IDS, st.sampled_from(["visible", "hidden", "model"])), max_size=4)


class TwoStores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.stores: list[ThreadStore] = [
            open_store("memory"),
            open_store(f"sqlite:///{self.folder.name}/threads.db"),
        ]
        for store in self.stores:
            self.loop.run_until_complete(store.open())

    def teardown(self) -> None:
        for store in self.stores:
            self.loop.run_until_complete(store.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    def check(self, call: Callable[[ThreadStore], Awaitable[Any]]) -> None:
        memory, sqlite = (self.loop.run_until_complete(self.outcome(call, store)) for store in self.stores)
        assert memory == sqlite

    @staticmethod
    async def outcome(call: Callable[[ThreadStore], Awaitable[Any]], store: ThreadStore) -> Any:
        try:
            return await call(store)
        except (NotFoundError, InvalidCursor) as error:
            return type(error), str(error)

    @rule(owner=OWNERS, thread_id=THREADS, items=ITEMS, mark=MARKS)
    def create_thread(self, owner: str, thread_id: str, items: list[ThreadItem], mark: GenerationMark | None) -> None:
        thread = ThreadMetadata(id=thread_id, created_at=AT["created_at"], metadata={"of": owner})
        self.check(lambda store: store.create_thread(owner, thread, items, generation=mark))

    @rule(owner=OWNERS, thread_id=THREADS, title=st.sampled_from([None, "a", "b"]), once=st.booleans())
    def rename_thread(self, owner: str, thread_id: str, title: str | None, once: bool) -> None:
        self.check(lambda store: store.update_thread(owner, thread_id, title=title, only_if_untitled=once))

    @rule(owner=OWNERS, thread_id=THREADS)
    def delete_thread(self, owner: str, thread_id: str) -> None:
        self.check(lambda store: store.delete_thread(owner, thread_id))

    @rule(owner=OWNERS, thread_id=THREADS, items=ITEMS, gone=st.lists(IDS, max_size=3), mark=MARKS)
    def write_items(
        self, owner: str, thread_id: str, items: list[ThreadItem], gone: list[str], mark: GenerationMark | None
    ) -> None:
        self.check(lambda store: store.write_items(owner, thread_id, items, delete=gone, generation=mark))

    @rule(owner=OWNERS, thread_id=THREADS, ids=st.lists(IDS, max_size=3), kind=FEEDBACK)
    def save_feedback(self, owner: str, thread_id: str, ids: list[str], kind: Any) -> None:
        self.check(lambda store: store.save_feedback(owner, thread_id, sorted(ids), kind))

    @rule(owner=OWNERS, thread_id=THREADS, item_id=IDS)
    def look_up(self, owner: str, thread_id: str, item_id: str) -> None:
        self.check(lambda store: store.load_item(owner, thread_id, item_id))
        self.check(lambda store: store.item_ids_after(owner, thread_id, item_id))
        self.check(lambda store: store.load_feedback(owner, thread_id))
        self.check(lambda store: store.load_generation(owner, thread_id))

    @rule(owner=OWNERS, thread_id=THREADS, limit=LIMITS, after=st.none() | IDS, order=ORDERS, kinds=KINDS)
    def page_of_items(self, owner: str, thread_id: str, limit: int, after: str | None, order: Any, kinds: Any) -> None:
        self.check(lambda store: store.load_items(owner, thread_id, limit=limit, after=after, order=order, kinds=kinds))

    @rule(owner=OWNERS, limit=LIMITS, after=st.none() | THREADS, order=ORDERS)
    def page_of_threads(self, owner: str, limit: int, after: str | None, order: Any) -> None:
        self.check(lambda store: store.load_threads(owner, limit=limit, after=after, order=order))


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(
    max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
