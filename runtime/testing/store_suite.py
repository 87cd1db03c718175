"""Conformance tests for a store of threads, to run on your own.

Write a subclass with a fixture that returns the store, and run it with pytest and pytest-asyncio:

    class TestMyStore(StoreSuite):
        @pytest_asyncio.fixture
        async def store(self):
            store = MyStore()
            await store.open()
            yield store
            await store.close()

The store may contain other data: the tests use new owners and ids. Wrap a chatkit `Store` in a `ChatKitStoreAdapter`.
If your store does not support something, override its test, so that readers of the class see it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import product

import pytest
from chatkit.types import LockedStatus, Page, Thread, ThreadMetadata

from runtime.errors import RequestError
from runtime.resources.token_usage import TokenUsage, UsageEntry
from runtime.stores.ids import new_id
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import InvalidCursor, ThreadStore
from runtime.testing.store_attachments import AttachmentPromises
from runtime.testing.store_items import ItemPromises
from runtime.testing.store_samples import (
    ORDERS,
    all_ids,
    all_pages,
    assert_not_found,
    new_file,
    new_mark,
    new_message,
    new_metadata,
    new_of_kind,
    new_thread,
    now,
    unstorable,
)
from runtime.testing.store_turns import TurnPromises


@pytest.mark.asyncio
class StoreSuite(ItemPromises, AttachmentPromises):
    """The conformance tests of a `ThreadStore`; override the fixture `store`."""

    @pytest.fixture
    def store(self) -> ThreadStore:
        """Return the store under test, opened; close it afterwards."""
        pytest.fail(f"{type(self).__name__} must override the fixture 'store'")

    @pytest.fixture
    def owner(self) -> str:
        """Return an owner without threads."""
        return new_id("user")

    async def test_a_thread_comes_back_as_it_was_saved(self, store: ThreadStore, owner: str) -> None:
        """Every field of the metadata survives."""
        thread = new_metadata(title="Trip", metadata={"vip": True, "tags": ["a", {"b": None}]})
        thread = thread.model_copy(
            update={"status": LockedStatus(reason="paid"), "allowed_image_domains": ["a.example"]}
        )
        await store.create_thread(owner, thread)
        assert await store.load_thread(owner, thread.id) == thread

    async def test_a_thread_is_created_with_its_first_items(self, store: ThreadStore, owner: str) -> None:
        """Thread and items are there after one call."""
        thread = new_metadata()
        items = [new_message(thread.id, "one"), new_message(thread.id, "two")]
        await store.create_thread(owner, thread, items)
        assert await all_ids(store, owner, thread.id) == [item.id for item in items]

    async def test_a_thread_that_cant_be_stored_whole_is_not_stored(self, store: ThreadStore, owner: str) -> None:
        """If an item can't be represented in JSON, the thread is not stored."""
        thread = new_metadata()
        bad = unstorable(thread.id)
        with pytest.raises(ValueError):  # noqa: PT011 - the message is that of the JSON serializer
            await store.create_thread(owner, thread, [new_message(thread.id, "one"), bad])
        await assert_not_found(store.load_thread(owner, thread.id))

    async def test_saving_a_thread_leaves_its_items_alone(self, store: ThreadStore, owner: str) -> None:
        """chatkit passes a `Thread` with a page of items; only its metadata is stored."""
        thread = await new_thread(store, owner, count=2)
        stale = Thread(
            **thread.model_dump() | {"title": "New"}, items=Page(data=[new_message(thread.id, "never stored")])
        )
        await store.save_thread(owner, stale)
        saved = await store.load_thread(owner, thread.id)
        assert (type(saved), saved.title) == (ThreadMetadata, "New")
        assert len(await all_ids(store, owner, thread.id)) == 2

    async def test_a_new_thread_can_be_saved(self, store: ThreadStore, owner: str) -> None:
        """`save_thread` inserts a thread that does not exist."""
        thread = new_metadata(title="Fresh")
        await store.save_thread(owner, thread)
        assert await store.load_thread(owner, thread.id) == thread

    async def test_an_update_changes_the_given_fields_alone(self, store: ThreadStore, owner: str) -> None:
        """Two writers who change different fields don't undo each other."""
        thread = await new_thread(store, owner, title="Old", metadata={"a": 1})
        changed = await store.update_thread(owner, thread.id, metadata={"b": [2]})
        assert (changed.title, changed.metadata, changed.created_at) == ("Old", {"b": [2]}, thread.created_at)
        await store.update_thread(owner, thread.id, title="New", status=LockedStatus(), allowed_image_domains=["b"])
        await store.update_thread(owner, thread.id, allowed_image_domains=None)
        loaded = await store.load_thread(owner, thread.id)
        assert (loaded.title, loaded.metadata, loaded.status) == ("New", {"b": [2]}, LockedStatus())
        assert loaded.allowed_image_domains is None
        assert await store.update_thread(owner, thread.id) == loaded

    async def test_a_title_of_the_users_wins(self, store: ThreadStore, owner: str) -> None:
        """With `only_if_untitled` a title is set once; other fields still change, and None removes a title."""
        thread = await new_thread(store, owner)
        first = await store.update_thread(owner, thread.id, title="Made up", only_if_untitled=True)
        second = await store.update_thread(owner, thread.id, title="Late", metadata={"n": 1}, only_if_untitled=True)
        assert (first.title, second.title, second.metadata) == ("Made up", "Made up", {"n": 1})
        assert (await store.update_thread(owner, thread.id, title=None)).title is None

    async def test_updates_at_once_are_all_kept(self, store: ThreadStore, owner: str) -> None:
        """Concurrent updates of the title and of the metadata are both stored."""
        thread = await new_thread(store, owner)
        await asyncio.gather(
            store.update_thread(owner, thread.id, title="New"), store.update_thread(owner, thread.id, metadata={"n": 1})
        )
        loaded = await store.load_thread(owner, thread.id)
        assert (loaded.title, loaded.metadata) == ("New", {"n": 1})

    async def test_what_is_unknown_is_not_found(self, store: ThreadStore, owner: str) -> None:
        """Calls with the id of a missing thread, item or attachment raise NotFoundError."""
        thread = await new_thread(store, owner, count=1)
        nobody = new_id("thread")
        await assert_not_found(
            store.load_thread(owner, nobody),
            store.load_generation(owner, nobody),
            store.write_items(owner, nobody, [], generation=new_mark(1)),
            store.update_thread(owner, nobody, title="x"),
            store.update_thread(owner, nobody),
            store.write_items(owner, nobody, [new_message(nobody, "x")]),
            store.write_items(owner, nobody, [], delete=["msg_1"]),
            store.load_items(owner, nobody, limit=1),
            store.load_item(owner, nobody, "msg_1"),
            store.load_item(owner, thread.id, "msg_1"),
            store.item_ids_after(owner, nobody, "msg_1"),
            store.item_ids_after(owner, thread.id, "msg_1"),
            store.load_attachment(owner, "atc_1"),
        )

    async def test_another_owner_finds_nothing(self, store: ThreadStore, owner: str) -> None:
        """No call reads, changes or deletes entries of another owner."""
        thread = await new_thread(store, owner, count=2, title="Mine")
        item_ids = await all_ids(store, owner, thread.id)
        attachment = new_file(thread.id)
        await store.save_attachment(owner, attachment)
        thief = new_id("user")
        await assert_not_found(
            store.load_thread(thief, thread.id),
            store.load_generation(thief, thread.id),
            store.write_items(thief, thread.id, [], generation=new_mark(1)),
            store.update_thread(thief, thread.id, title="x"),
            store.write_items(thief, thread.id, [new_message(thread.id, "x")]),
            store.write_items(thief, thread.id, [], delete=item_ids),
            store.load_items(thief, thread.id, limit=1),
            store.load_item(thief, thread.id, item_ids[0]),
            store.item_ids_after(thief, thread.id, item_ids[0]),
            store.load_attachment(thief, attachment.id),
        )
        await store.delete_thread(thief, thread.id)
        await store.delete_attachment(thief, attachment.id)
        assert (await store.load_threads(thief, limit=10, after=None, order="asc")).data == []
        assert await store.load_thread(owner, thread.id) == thread
        assert await all_ids(store, owner, thread.id) == item_ids
        assert await store.load_generation(owner, thread.id) is None
        assert await store.load_attachment(owner, attachment.id) == attachment

    async def test_an_id_of_somebody_elses_cant_be_taken(self, store: ThreadStore, owner: str) -> None:
        """Saving with the id of another owner's thread or attachment fails and changes nothing."""
        thread = await new_thread(store, owner, title="Mine")
        attachment = new_file(thread.id)
        await store.save_attachment(owner, attachment)
        thief = new_id("user")
        forged = thread.model_copy(update={"title": "Stolen"})
        await assert_not_found(
            store.save_thread(thief, forged),
            store.create_thread(thief, forged, [new_message(thread.id, "x")]),
            store.create_thread(thief, forged, generation=new_mark(1)),
            store.save_attachment(thief, attachment.model_copy(update={"name": "stolen"})),
        )
        assert await store.load_thread(owner, thread.id) == thread
        assert await all_ids(store, owner, thread.id) == []
        assert await store.load_generation(owner, thread.id) is None
        assert await store.load_attachment(owner, attachment.id) == attachment

    async def test_an_owner_with_a_nul_is_refused(self, store: ThreadStore, owner: str) -> None:
        """Removing U+0000 from an owner could give the name of another owner."""
        with pytest.raises(ValueError, match="U\\+0000"):
            await store.save_thread(owner + "\0", new_metadata())
        with pytest.raises(ValueError, match="U\\+0000"):
            await store.load_threads(owner + "\0", limit=1, after=None, order="asc")
        with pytest.raises(ValueError, match="surrogate"):
            await store.load_threads(owner + "\ud800", limit=1, after=None, order="asc")

    async def test_every_page_size_reads_every_thread_once(self, store: ThreadStore, owner: str) -> None:
        """Pages of any size, joined, are the threads in the order of creation, not of `created_at`."""
        made = [new_metadata(created_at=now() - timedelta(days=day)) for day in range(5)]
        for thread in made:
            await store.create_thread(owner, thread)
        await store.update_thread(owner, made[0].id, title="Touched")
        await store.save_thread(owner, made[1])
        ids = [thread.id for thread in made]
        for order, limit in product(ORDERS, range(1, 7)):
            pages = await all_pages(partial(store.load_threads, owner, limit=limit, order=order))
            assert [len(page.data) for page in pages[:-1]] == [limit] * (len(pages) - 1)
            listed = [thread.id for page in pages for thread in page.data]
            assert listed == (ids if order == "asc" else ids[::-1])

    async def test_a_cursor_that_names_nothing_is_refused(self, store: ThreadStore, owner: str) -> None:
        """Returning the first page instead would show entries twice."""
        thread = await new_thread(store, owner, count=2)
        other = await new_thread(store, owner, count=1)
        foreign = (await all_ids(store, owner, other.id))[0]
        hers = await new_thread(store, new_id("user"))
        for after in ("msg_1", foreign, "msg_\0", "'"):
            with pytest.raises(InvalidCursor):
                await store.load_items(owner, thread.id, limit=1, after=after)
        for after in ("thr_1", hers.id):
            with pytest.raises(InvalidCursor):
                await store.load_threads(owner, limit=1, after=after, order="asc")

    async def test_a_page_at_the_end_is_empty(self, store: ThreadStore, owner: str) -> None:
        """A page after the last entry is empty, and no error."""
        thread = await new_thread(store, owner, count=1)
        last = (await all_ids(store, owner, thread.id))[0]
        page = await store.load_items(owner, thread.id, limit=3, after=last, order="asc")
        assert (page.data, page.has_more, page.after) == ([], False, None)
        threads = await store.load_threads(owner, limit=3, after=thread.id, order="desc")
        assert (threads.data, threads.has_more, threads.after) == ([], False, None)

    async def test_a_limit_below_one_is_refused_and_a_huge_one_is_not(self, store: ThreadStore, owner: str) -> None:
        """To SQLite a limit of -1 means no limit, to PostgreSQL an error."""
        thread = await new_thread(store, owner, count=1)
        for limit in (0, -1):
            with pytest.raises(ValueError, match="at least one"):
                await store.load_items(owner, thread.id, limit=limit)
            with pytest.raises(ValueError, match="at least one"):
                await store.load_threads(owner, limit=limit, after=None, order="asc")
        assert len((await store.load_items(owner, thread.id, limit=10**30)).data) == 1
        assert len((await store.load_threads(owner, limit=10**30, after=None, order="asc")).data) == 1

    async def test_a_deleted_thread_takes_everything_along(self, store: ThreadStore, owner: str) -> None:
        """Items, attachments, feedback and generation are deleted; a second call does nothing; other threads remain."""
        thread, other = await new_thread(store, owner, count=2), await new_thread(store, owner, count=1)
        await store.write_items(owner, thread.id, [], generation=new_mark(1))
        kept, lost = new_file(other.id), new_file(thread.id)
        for attachment in (kept, lost):
            await store.save_attachment(owner, attachment)
        for _ in range(2):
            await store.delete_thread(owner, thread.id)
        await assert_not_found(store.load_items(owner, thread.id, limit=1), store.load_attachment(owner, lost.id))
        assert await store.load_attachment(owner, kept.id) == kept
        await store.create_thread(owner, thread)
        assert await all_ids(store, owner, thread.id) == []
        assert await store.load_generation(owner, thread.id) is None

    async def test_feedback_is_listed_with_its_owner(self, store: ThreadStore, owner: str) -> None:
        """The list has the ratings of all owners, without those of deleted items."""
        thread = new_metadata()
        items = [new_message(thread.id, "a"), new_message(thread.id, "b")]
        await store.create_thread(owner, thread, items)
        await store.save_feedback(owner, thread.id, [items[0].id], "negative")
        await store.save_feedback(owner, thread.id, [item.id for item in items], "positive")
        try:
            listed = [entry for entry in await store.list_feedback() if entry.owner == owner]
        except RequestError as error:
            assert error.status == 501  # noqa: PT017
            return
        wanted = sorted((thread.id, item.id, "positive") for item in items)
        assert [(entry.thread_id, entry.item_id, entry.kind) for entry in listed] == wanted
        await store.delete_thread(owner, thread.id)
        assert [entry for entry in await store.list_feedback() if entry.owner == owner] == []

    async def test_usage_adds_up_by_owner_thread_day_and_model(self, store: ThreadStore, owner: str) -> None:
        """Usage is kept when its thread is deleted, and the thread need not exist."""
        day, next_day = date(2026, 3, 29), date(2026, 3, 30)
        thread = new_metadata()
        await store.create_thread(owner, thread)
        one, two = TokenUsage(1, 100, 50, 10, 5, 7), TokenUsage(2, 2**40, 0, 20, 0, 2**40)
        before = await store.sum_usage(None, day=day)
        await store.add_usage(owner, thread.id, day, {"a": one, "b": two})
        await store.add_usage(owner, thread.id, day, {"a": one})
        await store.add_usage(owner, thread.id, day, {})
        await store.add_usage(owner, "thr_elsewhere", next_day, {"a": two})
        await store.delete_thread(owner, thread.id)
        assert await store.sum_usage(owner, thread_id=thread.id) == one + one + two
        assert await store.sum_usage(owner, day=next_day) == two
        assert await store.sum_usage(owner) == one + one + two + two
        assert await store.sum_usage(new_id("user")) == TokenUsage()
        assert await store.sum_usage(None, day=day) == before + one + one + two
        mine = [entry for entry in await store.list_usage(day) if entry.owner == owner]
        assert mine == [
            UsageEntry(day, owner, thread.id, "a", one + one),
            UsageEntry(day, owner, thread.id, "b", two),
            UsageEntry(next_day, owner, "thr_elsewhere", "a", two),
        ]
        assert [entry for entry in await store.list_usage(date(2026, 3, 31)) if entry.owner == owner] == []

    async def test_an_erased_owner_leaves_nothing(self, store: ThreadStore, owner: str) -> None:
        """Threads, items, attachments and usage are gone; those of others stay."""
        other, day = new_id("user"), date(2026, 3, 29)
        for each in (owner, other):
            thread = await new_thread(store, each, count=2)
            await store.save_attachment(each, new_file(thread.id))
            await store.add_usage(each, thread.id, day, {"a": TokenUsage(1, 100)})
        await store.erase_owner(owner)
        await store.erase_owner(owner)
        assert [thread async for thread in store.iterate_threads(owner)] == []
        assert await store.list_attachments(owner) == []
        assert await store.sum_usage(owner) == TokenUsage()
        threads = [thread async for thread in store.iterate_threads(other)]
        assert len(threads) == 1
        assert len([item async for item in store.iterate_items(other, threads[0].id)]) == 2
        assert await store.sum_usage(other) == TokenUsage(1, 100)

    async def test_times_come_back_in_utc(self, store: ThreadStore, owner: str) -> None:
        """A naive time is local time. Microseconds are kept."""
        naive = datetime(2026, 3, 29, 12, 30, 15, 123456)
        thread = new_metadata(created_at=naive)
        item = new_message(thread.id, "x", created_at=naive)
        await store.create_thread(owner, thread, [item])
        page = await store.load_threads(owner, limit=1, after=None, order="asc")
        stored = await store.load_item(owner, thread.id, item.id)
        for moment in (page.data[0].created_at, stored.created_at):
            assert moment == naive.astimezone(UTC)
            assert moment.utcoffset() == timedelta(0)

    async def test_tools_see_the_store_of_one_owner(self, store: ThreadStore, owner: str) -> None:
        """`OwnerStore` ignores contexts, omits model items, and adds and deletes items that exist or not."""
        mine = OwnerStore(store, owner)
        thread = new_metadata(id=mine.generate_thread_id({"user": "somebody else"}))
        await mine.save_thread(thread, {"user": "somebody else"})
        items = [new_of_kind(kind) for kind in ("visible", "hidden", "model")]
        for item in items:
            await mine.add_thread_item(thread.id, item, None)
        await mine.add_thread_item(thread.id, items[0], context={})
        await mine.save_item(thread.id, items[1])
        page = await mine.load_thread_items(thread.id, None, 1000, "asc", {"user": "somebody else"})
        assert [item.id for item in page.data] == [item.id for item in items[:2]]
        await mine.delete_thread_item(thread.id, items[0].id, context=None)
        await mine.delete_thread_item(thread.id, items[0].id)
        assert [item.id for item in (await mine.load_thread_items(thread.id, None, 9, "desc")).data] == [items[1].id]
        assert (await mine.load_item(thread.id, items[1].id)).id == items[1].id
        assert [thread.id for thread in (await mine.load_threads(9, None, "desc")).data] == [thread.id]
        await assert_not_found(OwnerStore(store, new_id("user")).load_thread(thread.id, {"user": owner}))
        await mine.delete_thread(thread.id)
        assert (await mine.load_threads(9, None, "desc")).data == []


class TurnStoreSuite(StoreSuite, TurnPromises):
    """The conformance tests of a `TurnStore`, which several processes share; override the fixture `store`."""
