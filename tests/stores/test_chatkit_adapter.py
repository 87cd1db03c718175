"""What only the adapter must do: cope with stores that do less than ours, or do it differently."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from chatkit.store import NotFoundError, Store
from chatkit.types import EndOfTurnItem, HiddenContextItem, Page, ThreadItem, ThreadMetadata

from runtime.errors import RequestError
from runtime.stores.chatkit_adapter import ChatKitStoreAdapter
from runtime.stores.memory import MemoryStore
from runtime.stores.serialization import load_item
from runtime.stores.store import ModelItem
from runtime.testing.store_samples import new_mark

AT: dict[str, Any] = {"thread_id": "thr_1", "created_at": datetime(2026, 1, 2, tzinfo=UTC)}
THREAD = ThreadMetadata(id="thr_1", created_at=AT["created_at"])


class PlainStore(Store[str]):
    """A minimal chatkit store: one thread, one list, and a journal of its calls."""

    def __init__(self) -> None:
        self.thread: ThreadMetadata | None = None
        self.items: list[ThreadItem] = []
        self.journal: list[str] = []
        self.contexts: set[str] = set()

    async def load_thread(self, thread_id: str, context: str) -> ThreadMetadata:
        self.contexts.add(context)
        if self.thread is None or self.thread.id != thread_id:
            raise NotFoundError(thread_id)
        return self.thread

    async def save_thread(self, thread: ThreadMetadata, context: str) -> None:
        self.journal.append(f"thread {thread.metadata.get('chatkit_generation', {}).get('number')}")
        self.thread = thread

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: str
    ) -> Page[ThreadItem]:
        items = self.items if order == "asc" else self.items[::-1]
        start = [item.id for item in items].index(after) + 1 if after else 0
        data = items[start : start + limit]
        more = start + limit < len(items)
        self.journal.append(f"page of {limit}")
        return Page(data=data, has_more=more, after=data[-1].id if more else None)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: str) -> None:
        if item.id == "msg_bad":
            raise OSError("disk full")
        self.journal.append(f"add {item.id}")
        self.items.append(item)

    async def save_item(self, thread_id: str, item: ThreadItem, context: str) -> None:
        self.journal.append(f"save {item.id}")
        self.items = [item if one.id == item.id else one for one in self.items]

    async def load_item(self, thread_id: str, item_id: str, context: str) -> ThreadItem:
        for item in self.items:
            if item.id == item_id:
                return item
        raise NotFoundError(item_id)

    async def delete_thread(self, thread_id: str, context: str) -> None:
        self.thread, self.items = None, []

    async def delete_thread_item(self, thread_id: str, item_id: str, context: str) -> None:
        self.journal.append(f"delete {item_id}")
        self.items = [item for item in self.items if item.id != item_id]

    async def load_threads(self, limit: int, after: str | None, order: str, context: str) -> Page[ThreadMetadata]:
        return Page(data=[self.thread] if self.thread else [])

    async def save_attachment(self, attachment: Any, context: str) -> None:
        raise AssertionError("not part of these tests")

    async def load_attachment(self, attachment_id: str, context: str) -> Any:
        raise NotFoundError(attachment_id)

    async def delete_attachment(self, attachment_id: str, context: str) -> None:
        raise NotFoundError(attachment_id)


class SlowStore(PlainStore):
    """Yields to other tasks before and after each call, as a store on a network does."""

    async def load_thread(self, thread_id: str, context: str) -> ThreadMetadata:
        await asyncio.sleep(0)
        thread = await super().load_thread(thread_id, context)
        await asyncio.sleep(0)
        return thread

    async def save_thread(self, thread: ThreadMetadata, context: str) -> None:
        await asyncio.sleep(0)
        await super().save_thread(thread, context)
        await asyncio.sleep(0)


class OpenableStore(PlainStore):
    def open(self) -> None:
        self.journal.append("open")

    async def close(self) -> None:
        self.journal.append("close")


@pytest.fixture
def plain() -> PlainStore:
    return PlainStore()


@pytest.fixture
def adapter(plain: PlainStore) -> ChatKitStoreAdapter:
    return ChatKitStoreAdapter(plain, lambda owner: f"context of {owner}")


def end(item_id: str) -> EndOfTurnItem:
    return EndOfTurnItem(id=item_id, **AT)


def model_item(number: int) -> ModelItem:
    return ModelItem(id=f"mdl_{number}", content={"model_items": []}, **AT)


async def test_every_call_carries_the_context_of_its_owner(adapter: ChatKitStoreAdapter, plain: PlainStore) -> None:
    await adapter.create_thread("alice", THREAD)
    await adapter.load_thread("alice", "thr_1")
    await adapter.write_items("alice", "thr_1", [end("msg_1")])
    await adapter.load_items("alice", "thr_1", limit=5)
    assert plain.contexts == {"context of alice"}


async def test_new_items_are_added_and_known_ones_saved(adapter: ChatKitStoreAdapter, plain: PlainStore) -> None:
    await adapter.create_thread("alice", THREAD, [end("msg_1")])
    await adapter.write_items("alice", "thr_1", [end("msg_1"), end("msg_2")], delete=["msg_gone"])
    await adapter.write_items("alice", "thr_1", [], delete=["msg_2"])
    assert plain.journal == ["thread None", "add msg_1", "save msg_1", "add msg_2", "delete msg_2"]


async def test_model_items_lie_in_the_store_as_hidden_context(adapter: ChatKitStoreAdapter, plain: PlainStore) -> None:
    await adapter.create_thread("alice", THREAD, [model_item(1)])
    written = plain.items[0].model_dump_json()
    plain.items = [HiddenContextItem.model_validate_json(written)]
    assert load_item(written) == model_item(1) == await adapter.load_item("alice", "thr_1", "mdl_1")


async def test_a_generation_is_saved_when_it_is_another_and_only_then(
    adapter: ChatKitStoreAdapter, plain: PlainStore
) -> None:
    await adapter.create_thread("alice", THREAD, generation=new_mark(1))
    for mark in (new_mark(1), None, new_mark(2), new_mark(2)):
        await adapter.write_items("alice", "thr_1", [], generation=mark)
    another = ChatKitStoreAdapter(plain, str)
    await another.write_items("alice", "thr_1", [], generation=new_mark(2))
    assert plain.journal == ["thread 1", "thread 2"]
    assert await another.load_generation("alice", "thr_1") == new_mark(2)


async def test_a_generation_lies_in_the_metadata_as_json(adapter: ChatKitStoreAdapter, plain: PlainStore) -> None:
    thread = THREAD.model_copy(update={"metadata": {"a": 1}})
    await adapter.create_thread("alice", thread, generation=new_mark(1))
    await adapter.update_thread("alice", "thr_1", title="New", metadata={"b": 2})
    assert plain.thread is not None
    mark = new_mark(1)
    kept = {"number": 1, "config": mark.config, "code": mark.code}
    assert plain.thread.metadata == {"b": 2, "chatkit_generation": kept}


async def test_nobody_sets_a_generation_through_the_metadata(adapter: ChatKitStoreAdapter, plain: PlainStore) -> None:
    forged = {"a": 1, "chatkit_generation": {"number": 9, "config": "c", "code": "d"}}
    thread = THREAD.model_copy(update={"metadata": forged})
    await adapter.save_thread("alice", thread)
    assert await adapter.load_generation("alice", "thr_1") is None
    await adapter.create_thread("alice", thread, generation=new_mark(1))
    assert (await adapter.update_thread("alice", "thr_1", metadata=forged)).metadata == {"a": 1}
    await adapter.save_thread("alice", thread)
    assert await adapter.load_generation("alice", "thr_1") == new_mark(1)


@pytest.mark.parametrize("content", [7, "{", [], {}, {"number": "1", "config": "", "code": ""}])
async def test_a_generation_that_cant_be_read_is_none_until_the_next_turn(
    adapter: ChatKitStoreAdapter, plain: PlainStore, content: Any
) -> None:
    plain.thread = THREAD.model_copy(update={"metadata": {"chatkit_generation": content}})
    assert await adapter.load_generation("alice", "thr_1") is None
    assert (await adapter.load_thread("alice", "thr_1")).metadata == {}
    await adapter.write_items("alice", "thr_1", [], generation=new_mark(2))
    assert await adapter.load_generation("alice", "thr_1") == new_mark(2)


@pytest.mark.parametrize("first", ["turn", "tool"])
async def test_a_turn_and_a_tool_that_write_at_once_lose_nothing(first: str) -> None:
    adapter = ChatKitStoreAdapter(SlowStore(), str)
    await adapter.create_thread("alice", THREAD, generation=new_mark(1))
    saved = THREAD.model_copy(update={"title": "New", "metadata": {"a": 1}})
    calls: list[Coroutine[Any, Any, Any]] = [
        adapter.write_items("alice", "thr_1", [], generation=new_mark(2)),
        adapter.save_thread("alice", saved),
    ]
    await asyncio.gather(*(calls if first == "turn" else calls[::-1]))
    await asyncio.gather(
        adapter.write_items("alice", "thr_1", [], generation=new_mark(3)),
        adapter.update_thread("alice", "thr_1", metadata={"b": 2}),
    )
    loaded = await adapter.load_thread("alice", "thr_1")
    assert (loaded.title, loaded.metadata) == ("New", {"b": 2})
    assert await adapter.load_generation("alice", "thr_1") == new_mark(3)


async def test_a_write_that_fails_half_way_leaves_the_generation_alone(adapter: ChatKitStoreAdapter) -> None:
    await adapter.create_thread("alice", THREAD, generation=new_mark(1))
    with pytest.raises(OSError, match="disk full"):
        await adapter.write_items("alice", "thr_1", [end("msg_1"), end("msg_bad")], generation=new_mark(2))
    assert await adapter.load_generation("alice", "thr_1") == new_mark(1)


async def test_a_page_is_full_though_most_are_passed_over(adapter: ChatKitStoreAdapter, plain: PlainStore) -> None:
    items: list[ThreadItem] = [end("msg_1"), *(model_item(n) for n in range(250)), end("msg_2"), end("msg_3")]
    plain.thread, plain.items = THREAD, items
    page = await adapter.load_items("alice", "thr_1", limit=2, order="asc")
    assert ([item.id for item in page.data], page.has_more, page.after) == (["msg_1", "msg_2"], True, "msg_2")
    last = await adapter.load_items("alice", "thr_1", limit=2, order="asc", after=page.after)
    assert ([item.id for item in last.data], last.has_more) == (["msg_3"], False)


async def test_one_page_of_the_store_is_one_call(adapter: ChatKitStoreAdapter, plain: PlainStore) -> None:
    plain.thread, plain.items = THREAD, [end(f"msg_{number}") for number in range(500)]
    assert len((await adapter.load_items("alice", "thr_1", limit=20)).data) == 20
    assert plain.journal == ["page of 21"]


async def test_a_thread_whose_items_cant_be_added_is_deleted_again(
    adapter: ChatKitStoreAdapter, plain: PlainStore
) -> None:
    with pytest.raises(OSError, match="disk full"):
        await adapter.create_thread("alice", THREAD, [end("msg_1"), end("msg_bad")])
    assert (plain.thread, plain.items) == (None, [])


async def test_what_is_gone_can_be_deleted_though_the_store_complains(adapter: ChatKitStoreAdapter) -> None:
    await adapter.delete_attachment("alice", "atc_1")
    await adapter.delete_thread("alice", "thr_1")
    with pytest.raises(NotFoundError):
        await adapter.load_attachment("alice", "atc_1")


async def test_a_store_without_feedback_says_so(adapter: ChatKitStoreAdapter) -> None:
    await adapter.create_thread("alice", THREAD, [end("msg_1")])
    for call in (
        adapter.save_feedback("alice", "thr_1", ["msg_1"], "positive"),
        adapter.load_feedback("alice", "thr_1"),
    ):
        with pytest.raises(RequestError, match="store 'PlainStore' does not support feedback") as caught:
            await call
        assert (caught.value.status, caught.value.code) == (501, "not_implemented")


async def test_a_store_is_opened_and_closed_if_it_can_be(adapter: ChatKitStoreAdapter, plain: PlainStore) -> None:
    await adapter.open()
    await adapter.close()
    openable = OpenableStore()
    opened = ChatKitStoreAdapter(openable, str)
    await opened.open()
    await opened.close()
    assert (plain.journal, openable.journal) == ([], ["open", "close"])


async def test_the_memory_store_opens_and_closes_without_ado() -> None:
    store = MemoryStore()
    await store.open()
    await store.create_thread("alice", THREAD)
    await store.close()
    assert await store.load_thread("alice", "thr_1") == THREAD
