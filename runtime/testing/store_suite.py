"""What every store of threads has to do, as tests that run on yours.

Write a class whose one fixture makes the store; pytest and pytest-asyncio do the rest:

    class TestMyStore(StoreSuite):
        @pytest_asyncio.fixture
        async def store(self):
            store = MyStore()
            await store.open()
            yield store
            await store.close()

The store may hold other data already: the tests make owners and ids of their own. A chatkit `Store` is tested inside a
`ChatKitStoreAdapter`. A promise that your store can't keep is a test to override, in view of whoever reads the class.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest
from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ClientToolCallItem,
    CustomTask,
    EndOfTurnItem,
    FileAttachment,
    GeneratedImage,
    GeneratedImageItem,
    HiddenContextItem,
    ImageAttachment,
    InferenceOptions,
    LockedStatus,
    Page,
    SDKHiddenContextItem,
    StructuredInputFreeform,
    StructuredInputItem,
    TaskItem,
    Thread,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
    WidgetItem,
    Workflow,
    WorkflowItem,
)
from chatkit.widgets import DynamicWidgetRoot
from pydantic import AnyUrl

from runtime.stores.facade import OwnerStore
from runtime.stores.ids import new_id
from runtime.stores.store import (
    ALL_KINDS,
    VISIBLE,
    VISIBLE_AND_HIDDEN,
    InvalidCursor,
    ItemKind,
    ModelItem,
    Order,
    ThreadStore,
    kind_of,
)

_ORDERS: tuple[Order, ...] = ("asc", "desc")
_KIND_SETS: tuple[frozenset[ItemKind], ...] = (
    VISIBLE,
    VISIBLE_AND_HIDDEN,
    ALL_KINDS,
    frozenset({"hidden"}),
    frozenset({"model"}),
)
_WIDGET = {"type": "Card", "children": [{"type": "Text", "value": "Oslo"}, {"type": "Row", "children": []}]}
_CALL: dict[str, Any] = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}


@pytest.mark.asyncio
class StoreSuite:
    """The conformance tests of a `ThreadStore`; override the fixture `store`."""

    @pytest.fixture
    def store(self) -> ThreadStore:
        """Return the store under test, opened; close it afterwards."""
        pytest.fail(f"{type(self).__name__} must override the fixture 'store'")

    @pytest.fixture
    def owner(self) -> str:
        """Return an owner who has nothing yet."""
        return new_id("user")

    async def test_a_thread_comes_back_as_it_was_saved(self, store: ThreadStore, owner: str) -> None:
        """Every field of the metadata survives."""
        thread = _thread(title="Trip", metadata={"vip": True, "tags": ["a", {"b": None}]})
        thread = thread.model_copy(
            update={"status": LockedStatus(reason="paid"), "allowed_image_domains": ["a.example"]}
        )
        await store.create_thread(owner, thread)
        assert await store.load_thread(owner, thread.id) == thread

    async def test_a_thread_is_created_with_its_first_items(self, store: ThreadStore, owner: str) -> None:
        """Thread and items are there after one call."""
        thread = _thread()
        items = [_message(thread.id, "one"), _message(thread.id, "two")]
        await store.create_thread(owner, thread, items)
        assert await _all_ids(store, owner, thread.id) == [item.id for item in items]

    async def test_a_thread_that_cant_be_stored_whole_is_not_stored(self, store: ThreadStore, owner: str) -> None:
        """An item that JSON can't hold leaves no thread behind."""
        thread = _thread()
        bad = HiddenContextItem(id=new_id("message"), thread_id=thread.id, created_at=_now(), content=object())
        with pytest.raises(ValueError):  # noqa: PT011 - what the JSON writer says is its own affair
            await store.create_thread(owner, thread, [_message(thread.id, "one"), bad])
        with pytest.raises(NotFoundError):
            await store.load_thread(owner, thread.id)

    async def test_saving_a_thread_leaves_its_items_alone(self, store: ThreadStore, owner: str) -> None:
        """Chatkit hands over a `Thread` with a page of items: only the metadata is taken."""
        thread = await _new_thread(store, owner, count=2)
        stale = Thread(**thread.model_dump() | {"title": "New"}, items=Page(data=[_message(thread.id, "never stored")]))
        await store.save_thread(owner, stale)
        saved = await store.load_thread(owner, thread.id)
        assert (type(saved), saved.title) == (ThreadMetadata, "New")
        assert len(await _all_ids(store, owner, thread.id)) == 2

    async def test_a_new_thread_can_be_saved(self, store: ThreadStore, owner: str) -> None:
        """`save_thread` inserts what isn't there."""
        thread = _thread(title="Fresh")
        await store.save_thread(owner, thread)
        assert await store.load_thread(owner, thread.id) == thread

    async def test_an_update_changes_the_given_fields_alone(self, store: ThreadStore, owner: str) -> None:
        """Two writers who change different fields don't undo each other."""
        thread = await _new_thread(store, owner, title="Old", metadata={"a": 1})
        changed = await store.update_thread(owner, thread.id, metadata={"b": [2]})
        assert (changed.title, changed.metadata, changed.created_at) == ("Old", {"b": [2]}, thread.created_at)
        await store.update_thread(owner, thread.id, title="New", status=LockedStatus(), allowed_image_domains=["b"])
        await store.update_thread(owner, thread.id, allowed_image_domains=None)
        loaded = await store.load_thread(owner, thread.id)
        assert (loaded.title, loaded.metadata, loaded.status) == ("New", {"b": [2]}, LockedStatus())
        assert loaded.allowed_image_domains is None
        assert await store.update_thread(owner, thread.id) == loaded

    async def test_a_title_of_the_users_wins(self, store: ThreadStore, owner: str) -> None:
        """With `only_if_untitled` a title is set once; other fields still change, and None takes a title away."""
        thread = await _new_thread(store, owner)
        first = await store.update_thread(owner, thread.id, title="Made up", only_if_untitled=True)
        second = await store.update_thread(owner, thread.id, title="Late", metadata={"n": 1}, only_if_untitled=True)
        assert (first.title, second.title, second.metadata) == ("Made up", "Made up", {"n": 1})
        assert (await store.update_thread(owner, thread.id, title=None)).title is None

    async def test_updates_at_once_are_all_kept(self, store: ThreadStore, owner: str) -> None:
        """A title and the metadata that are changed at the same moment are both there afterwards."""
        thread = await _new_thread(store, owner)
        await asyncio.gather(
            store.update_thread(owner, thread.id, title="New"), store.update_thread(owner, thread.id, metadata={"n": 1})
        )
        loaded = await store.load_thread(owner, thread.id)
        assert (loaded.title, loaded.metadata) == ("New", {"n": 1})

    async def test_what_is_unknown_is_not_found(self, store: ThreadStore, owner: str) -> None:
        """Every call that names a thread, an item or an attachment says so when there is none."""
        thread = await _new_thread(store, owner, count=1)
        nobody = new_id("thread")
        for call in (
            store.load_thread(owner, nobody),
            store.update_thread(owner, nobody, title="x"),
            store.update_thread(owner, nobody),
            store.write_items(owner, nobody, [_message(nobody, "x")]),
            store.write_items(owner, nobody, [], delete=["msg_1"]),
            store.load_items(owner, nobody, limit=1),
            store.load_item(owner, nobody, "msg_1"),
            store.load_item(owner, thread.id, "msg_1"),
            store.item_ids_after(owner, nobody, "msg_1"),
            store.item_ids_after(owner, thread.id, "msg_1"),
            store.load_attachment(owner, "atc_1"),
        ):
            with pytest.raises(NotFoundError):
                await call

    async def test_another_owner_finds_nothing(self, store: ThreadStore, owner: str) -> None:
        """No call reads, changes or deletes what belongs to somebody else."""
        thread = await _new_thread(store, owner, count=2, title="Mine")
        item_ids = await _all_ids(store, owner, thread.id)
        attachment = _file(thread.id)
        await store.save_attachment(owner, attachment)
        thief = new_id("user")
        for call in (
            store.load_thread(thief, thread.id),
            store.update_thread(thief, thread.id, title="x"),
            store.write_items(thief, thread.id, [_message(thread.id, "x")]),
            store.write_items(thief, thread.id, [], delete=item_ids),
            store.load_items(thief, thread.id, limit=1),
            store.load_item(thief, thread.id, item_ids[0]),
            store.item_ids_after(thief, thread.id, item_ids[0]),
            store.load_attachment(thief, attachment.id),
        ):
            with pytest.raises(NotFoundError):
                await call
        await store.delete_thread(thief, thread.id)
        await store.delete_attachment(thief, attachment.id)
        assert (await store.load_threads(thief, limit=10, after=None, order="asc")).data == []
        assert await store.load_thread(owner, thread.id) == thread
        assert await _all_ids(store, owner, thread.id) == item_ids
        assert await store.load_attachment(owner, attachment.id) == attachment

    async def test_an_id_of_somebody_elses_cant_be_taken(self, store: ThreadStore, owner: str) -> None:
        """Saving under the id of another owner's thread or attachment fails and changes nothing."""
        thread = await _new_thread(store, owner, title="Mine")
        attachment = _file(thread.id)
        await store.save_attachment(owner, attachment)
        thief = new_id("user")
        forged = thread.model_copy(update={"title": "Stolen"})
        for call in (
            store.save_thread(thief, forged),
            store.create_thread(thief, forged, [_message(thread.id, "x")]),
            store.save_attachment(thief, attachment.model_copy(update={"name": "stolen"})),
        ):
            with pytest.raises(NotFoundError):
                await call
        assert await store.load_thread(owner, thread.id) == thread
        assert await _all_ids(store, owner, thread.id) == []
        assert await store.load_attachment(owner, attachment.id) == attachment

    async def test_an_owner_with_a_nul_is_refused(self, store: ThreadStore, owner: str) -> None:
        """Taking U+0000 out of an owner would make one owner of two."""
        with pytest.raises(ValueError, match="U\\+0000"):
            await store.save_thread(owner + "\0", _thread())
        with pytest.raises(ValueError, match="U\\+0000"):
            await store.load_threads(owner + "\0", limit=1, after=None, order="asc")
        with pytest.raises(ValueError, match="surrogate"):
            await store.load_threads(owner + "\ud800", limit=1, after=None, order="asc")

    async def test_every_page_size_reads_every_thread_once(self, store: ThreadStore, owner: str) -> None:
        """Pages of any size, end to end, are the list of threads, in the order of creation and not of `created_at`."""
        made = [_thread(created_at=_now() - timedelta(days=day)) for day in range(5)]
        for thread in made:
            await store.create_thread(owner, thread)
        await store.update_thread(owner, made[0].id, title="Touched")
        await store.save_thread(owner, made[1])
        ids = [thread.id for thread in made]
        for order, limit in product(_ORDERS, range(1, 7)):
            pages = await _thread_pages(store, owner, limit, order)
            assert [len(page.data) for page in pages[:-1]] == [limit] * (len(pages) - 1)
            found = [thread.id for page in pages for thread in page.data]
            assert found == (ids if order == "asc" else ids[::-1])

    async def test_every_page_size_reads_every_item_once(self, store: ThreadStore, owner: str) -> None:
        """Pages of any size and of any kinds, end to end, are the items of these kinds; only the last one is short."""
        items = [
            _of_kind(kind) for kind in ("visible", "model", "model", "hidden", "visible", "model", "visible", "hidden")
        ]
        thread = await _new_thread(store, owner)
        await store.write_items(owner, thread.id, items)
        for order, kinds, limit in product(_ORDERS, _KIND_SETS, range(1, len(items) + 2)):
            pages = await _item_pages(store, owner, thread.id, limit, order, kinds)
            assert [len(page.data) for page in pages[:-1]] == [limit] * (len(pages) - 1)
            assert pages[-1].data or len(pages) == 1
            expected = [item.id for item in items if kind_of(item) in kinds]
            found = [item.id for page in pages for item in page.data]
            assert found == (expected if order == "asc" else expected[::-1])

    async def test_a_cursor_may_name_an_item_that_the_page_leaves_out(self, store: ThreadStore, owner: str) -> None:
        """`after` is a place in the thread, whoever may see what stands there."""
        thread = await _new_thread(store, owner)
        items = [_of_kind("visible"), _of_kind("model"), _of_kind("visible")]
        await store.write_items(owner, thread.id, items)
        page = await store.load_items(owner, thread.id, limit=5, after=items[1].id, order="asc")
        assert [item.id for item in page.data] == [items[2].id]

    async def test_a_cursor_that_names_nothing_is_refused(self, store: ThreadStore, owner: str) -> None:
        """Starting again from the first page would show everything twice."""
        thread = await _new_thread(store, owner, count=2)
        other = await _new_thread(store, owner, count=1)
        foreign = (await _all_ids(store, owner, other.id))[0]
        hers = await _new_thread(store, new_id("user"))
        for after in ("msg_1", foreign, "msg_\0", "'"):
            with pytest.raises(InvalidCursor):
                await store.load_items(owner, thread.id, limit=1, after=after)
        for after in ("thr_1", hers.id):
            with pytest.raises(InvalidCursor):
                await store.load_threads(owner, limit=1, after=after, order="asc")

    async def test_a_page_at_the_end_is_empty(self, store: ThreadStore, owner: str) -> None:
        """After the last entry there is a page without entries, and no error."""
        thread = await _new_thread(store, owner, count=1)
        last = (await _all_ids(store, owner, thread.id))[0]
        page = await store.load_items(owner, thread.id, limit=3, after=last, order="asc")
        assert (page.data, page.has_more, page.after) == ([], False, None)
        threads = await store.load_threads(owner, limit=3, after=thread.id, order="desc")
        assert (threads.data, threads.has_more, threads.after) == ([], False, None)

    async def test_a_limit_below_one_is_refused_and_a_huge_one_is_not(self, store: ThreadStore, owner: str) -> None:
        """A limit of -1 means everything to SQLite, and nothing good to anybody."""
        thread = await _new_thread(store, owner, count=1)
        for limit in (0, -1):
            with pytest.raises(ValueError, match="at least one"):
                await store.load_items(owner, thread.id, limit=limit)
            with pytest.raises(ValueError, match="at least one"):
                await store.load_threads(owner, limit=limit, after=None, order="asc")
        assert len((await store.load_items(owner, thread.id, limit=10**30)).data) == 1
        assert len((await store.load_threads(owner, limit=10**30, after=None, order="asc")).data) == 1

    async def test_every_type_of_item_survives(self, store: ThreadStore, owner: str) -> None:
        """What comes back sends the same JSON to the browser, and is of the same class."""
        thread = await _new_thread(store, owner)
        items = _one_of_each(thread.id)
        assert {item.type for item in items} == {_type_of(member) for member in get_args(get_args(ThreadItem)[0])}
        await store.write_items(owner, thread.id, items)
        page = await store.load_items(owner, thread.id, limit=100, order="asc", kinds=ALL_KINDS)
        for stored, item in zip(page.data, items, strict=True):
            assert (type(stored), _json(stored)) == (type(item), _json(item))
            assert _json(await store.load_item(owner, thread.id, item.id)) == _json(item)

    async def test_model_items_are_known_again(self, store: ThreadStore, owner: str) -> None:
        """Both forms come back as `ModelItem`; other hidden content that looks a little like it doesn't."""
        thread = await _new_thread(store, owner)
        contents = [{"model_items": [_CALL]}, {"queued_client_tool": {"name": "pick"}}]
        models = [_hidden(thread.id, content, ModelItem) for content in contents]
        others = [
            _hidden(thread.id, content) for content in ({"model_items": [], "n": 1}, "model_items", ["model_items"])
        ]
        await store.write_items(owner, thread.id, [*models, *others])
        page = await store.load_items(owner, thread.id, limit=9, order="asc", kinds=frozenset({"model"}))
        assert [(type(item), item) for item in page.data] == [(ModelItem, item) for item in models]
        assert type(await store.load_item(owner, thread.id, models[0].id)) is ModelItem
        assert type(await store.load_item(owner, thread.id, others[0].id)) is HiddenContextItem

    async def test_an_item_that_is_written_again_keeps_its_place(self, store: ThreadStore, owner: str) -> None:
        """Upsert: the new content stands where the old one stood."""
        thread = await _new_thread(store, owner, count=3)
        ids = await _all_ids(store, owner, thread.id)
        again = _message(thread.id, "again", item_id=ids[1])
        await store.write_items(owner, thread.id, [_message(thread.id, "new"), again])
        assert (await _all_ids(store, owner, thread.id))[:3] == ids
        assert _json(await store.load_item(owner, thread.id, ids[1])) == _json(again)

    async def test_an_item_may_become_another_kind(self, store: ThreadStore, owner: str) -> None:
        """The kind is that of what was written last."""
        thread = await _new_thread(store, owner, count=1)
        item_id = (await _all_ids(store, owner, thread.id))[0]
        hidden = HiddenContextItem(id=item_id, thread_id=thread.id, created_at=_now(), content="secret")
        await store.write_items(owner, thread.id, [hidden])
        assert (await store.load_items(owner, thread.id, limit=5)).data == []

    async def test_order_is_the_order_of_writing(self, store: ThreadStore, owner: str) -> None:
        """Clocks go back, and many items are made in one microsecond; a deleted id that returns is a new one."""
        thread = await _new_thread(store, owner)
        past = [_message(thread.id, str(day), created_at=_now() - timedelta(days=day)) for day in range(4)]
        await store.write_items(owner, thread.id, past[:2])
        await store.write_items(owner, thread.id, past[2:])
        await store.write_items(owner, thread.id, [past[0]], delete=[past[0].id])
        assert await _all_ids(store, owner, thread.id) == [item.id for item in (*past[1:], past[0])]

    async def test_items_are_deleted_and_written_together(self, store: ThreadStore, owner: str) -> None:
        """The old answer goes with the coming of the new one; ids that are gone don't matter."""
        thread = await _new_thread(store, owner, count=3)
        ids = await _all_ids(store, owner, thread.id)
        new = _message(thread.id, "new")
        await store.write_items(owner, thread.id, [new], delete=[ids[1], ids[2], "msg_gone"])
        assert await _all_ids(store, owner, thread.id) == [ids[0], new.id]
        await store.write_items(owner, thread.id, [], delete=[ids[0]])
        assert await _all_ids(store, owner, thread.id) == [new.id]

    async def test_a_write_that_fails_deletes_nothing(self, store: ThreadStore, owner: str) -> None:
        """What can't be stored is found out before the old answer goes."""
        thread = await _new_thread(store, owner, count=2)
        ids = await _all_ids(store, owner, thread.id)
        bad = HiddenContextItem(id=new_id("message"), thread_id=thread.id, created_at=_now(), content=object())
        with pytest.raises(ValueError):  # noqa: PT011 - what the JSON writer says is its own affair
            await store.write_items(owner, thread.id, [_message(thread.id, "new"), bad], delete=ids)
        assert await _all_ids(store, owner, thread.id) == ids

    async def test_item_ids_belong_to_their_thread(self, store: ThreadStore, owner: str) -> None:
        """The same id in two threads is two items."""
        one, two = await _new_thread(store, owner), await _new_thread(store, owner)
        for thread in (one, two):
            await store.write_items(owner, thread.id, [_message(thread.id, thread.id, item_id="msg_same")])
        await store.write_items(owner, one.id, [], delete=["msg_same"])
        found = await store.load_item(owner, two.id, "msg_same")
        assert isinstance(found, AssistantMessageItem)
        assert found.content[0].text == two.id

    async def test_the_ids_after_an_item_are_of_every_kind(self, store: ThreadStore, owner: str) -> None:
        """Retry cuts hidden context and the model's own items too."""
        thread = await _new_thread(store, owner)
        items = [_of_kind(kind) for kind in ("visible", "hidden", "model", "visible")]
        await store.write_items(owner, thread.id, items)
        assert await store.item_ids_after(owner, thread.id, items[0].id) == [item.id for item in items[1:]]
        assert await store.item_ids_after(owner, thread.id, items[3].id) == []

    async def test_a_deleted_thread_takes_everything_along(self, store: ThreadStore, owner: str) -> None:
        """Items, attachments and feedback go too; deleting again is fine; other threads stay."""
        thread, other = await _new_thread(store, owner, count=2), await _new_thread(store, owner, count=1)
        kept, lost = _file(other.id), _file(thread.id)
        for attachment in (kept, lost):
            await store.save_attachment(owner, attachment)
        for _ in range(2):
            await store.delete_thread(owner, thread.id)
        for call in (store.load_items(owner, thread.id, limit=1), store.load_attachment(owner, lost.id)):
            with pytest.raises(NotFoundError):
                await call
        assert await store.load_attachment(owner, kept.id) == kept
        await store.create_thread(owner, thread)
        assert await _all_ids(store, owner, thread.id) == []

    async def test_attachments_are_kept_and_replaced(self, store: ThreadStore, owner: str) -> None:
        """Saving again replaces, for a file as for an image; deleting twice is fine."""
        image = ImageAttachment(
            id=new_id("attachment"), name="a.png", mime_type="image/png", preview_url=AnyUrl("https://a.example/p")
        )
        await store.save_attachment(owner, image)
        changed = image.model_copy(update={"thread_id": "thr_1", "metadata": {"sha": "00"}})
        await store.save_attachment(owner, changed)
        assert await store.load_attachment(owner, image.id) == changed
        for _ in range(2):
            await store.delete_attachment(owner, image.id)
        with pytest.raises(NotFoundError):
            await store.load_attachment(owner, image.id)

    async def test_feedback_is_kept_per_item(self, store: ThreadStore, owner: str) -> None:
        """The last word on an item counts; a deleted item takes its feedback along."""
        thread = await _new_thread(store, owner, count=3)
        ids = await _all_ids(store, owner, thread.id)
        await store.save_feedback(owner, thread.id, ids[:2], "positive")
        await store.save_feedback(owner, thread.id, [ids[1], ids[1]], "negative")
        await store.save_feedback(owner, thread.id, [], "negative")
        assert await store.load_feedback(owner, thread.id) == {ids[0]: "positive", ids[1]: "negative"}
        await store.write_items(owner, thread.id, [_message(thread.id, "again", item_id=ids[1])], delete=[ids[0]])
        assert await store.load_feedback(owner, thread.id) == {ids[1]: "negative"}

    async def test_feedback_on_what_isnt_there_is_refused(self, store: ThreadStore, owner: str) -> None:
        """Neither a bogus item, nor a bogus thread, nor somebody else's; and then nothing is stored."""
        thread = await _new_thread(store, owner, count=1)
        ids = await _all_ids(store, owner, thread.id)
        for who, where, what in (
            (owner, thread.id, [*ids, "msg_1"]),
            (owner, new_id("thread"), ids),
            (new_id("user"), thread.id, ids),
        ):
            with pytest.raises(NotFoundError):
                await store.save_feedback(who, where, what, "positive")
            if where != thread.id or who != owner:
                with pytest.raises(NotFoundError):
                    await store.load_feedback(who, where)
        assert await store.load_feedback(owner, thread.id) == {}

    async def test_a_nul_is_taken_out_and_what_looks_like_one_is_not(self, store: ThreadStore, owner: str) -> None:
        r"""U+0000 goes, in every text and key; the six characters `\u0000` stay."""
        thread = _thread(title="a\0b", metadata={"k\0": "\0v"})
        await store.create_thread(owner, thread)
        item = _message(thread.id, "x\0\0y \\u0000 \\\0z")
        tool = ClientToolCallItem(
            id=new_id("tool_call"),
            thread_id=thread.id,
            created_at=_now(),
            call_id="c",
            name="n",
            arguments={"\0": "\0"},
        )
        await store.write_items(owner, thread.id, [item, tool])
        saved = await store.load_thread(owner, thread.id)
        assert (saved.title, saved.metadata) == ("ab", {"k": "v"})
        text, called = [await store.load_item(owner, thread.id, one.id) for one in (item, tool)]
        assert isinstance(text, AssistantMessageItem)
        assert text.content[0].text == "xy \\u0000 \\z"
        assert isinstance(called, ClientToolCallItem)
        assert called.arguments == {"": ""}
        assert (await store.update_thread(owner, thread.id, title="c\0d")).title == "cd"
        with pytest.raises(NotFoundError):
            await store.load_thread(owner, "thr_\0")

    async def test_any_other_text_survives(self, store: ThreadStore, owner: str) -> None:
        """Quotes, SQL, controls and every plane of Unicode; half a surrogate pair becomes a question mark."""
        thread = await _new_thread(store, owner, title="'; DROP TABLE threads; --")
        texts = ["'\"\\%_?:x", "\x01\x1f\x7f\u2028", "日本 🏔 e\u0301", "", "x" * 300_000]
        items = [_message(thread.id, text) for text in texts]
        await store.write_items(owner, thread.id, [*items, _message(thread.id, "a\ud83d")])
        page = await store.load_items(owner, thread.id, limit=10, order="asc")
        found = [item.content[0].text for item in page.data if isinstance(item, AssistantMessageItem)]
        assert found == [*texts, "a?"]
        assert (await store.load_thread(owner, thread.id)).title == "'; DROP TABLE threads; --"
        renamed = await store.update_thread(owner, thread.id, title="b\ud83d", metadata={"c": ["\ud83d"]})
        assert (renamed.title, renamed.metadata) == ("b?", {"c": ["?"]})

    async def test_times_come_back_in_utc(self, store: ThreadStore, owner: str) -> None:
        """A naive time is local time; to the microsecond."""
        naive = datetime(2026, 3, 29, 12, 30, 15, 123456)
        thread = _thread(created_at=naive)
        item = _message(thread.id, "x", created_at=naive)
        await store.create_thread(owner, thread, [item])
        page = await store.load_threads(owner, limit=1, after=None, order="asc")
        stored = await store.load_item(owner, thread.id, item.id)
        for moment in (page.data[0].created_at, stored.created_at):
            assert moment == naive.astimezone(UTC)
            assert moment.utcoffset() == timedelta(0)

    async def test_nobody_shares_objects_with_the_store(self, store: ThreadStore, owner: str) -> None:
        """Changing what was stored, or what was loaded, changes nothing in the store."""
        thread = _thread(metadata={"n": [1]})
        item = _message(thread.id, "before")
        await store.create_thread(owner, thread, [item])
        for _ in range(2):
            thread.metadata["n"].append(2)
            item.content[0].text = "after"
            thread = await store.load_thread(owner, thread.id)
            loaded = await store.load_item(owner, thread.id, item.id)
            assert isinstance(loaded, AssistantMessageItem)
            assert (thread.metadata, loaded.content[0].text) == ({"n": [1]}, "before")
            item = loaded

    async def test_writers_at_once_lose_nothing(self, store: ThreadStore, owner: str) -> None:
        """Sixteen turns on threads of their own and four on one: every item is there, each writer's in its order."""
        shared = await _new_thread(store, owner)
        own = [await _new_thread(store, owner) for _ in range(16)]
        threads = [thread.id for thread in own] + [shared.id] * 4

        async def turn(thread_id: str) -> list[str]:
            items = [_message(thread_id, "x") for _ in range(4)]
            for item in items:
                await store.write_items(owner, thread_id, [item])
            return [item.id for item in items]

        written = await asyncio.gather(*map(turn, threads))
        for thread, ids in zip(own, written, strict=False):
            assert await _all_ids(store, owner, thread.id) == ids
        together = await _all_ids(store, owner, shared.id)
        assert len(together) == 16
        for ids in written[16:]:
            assert [item_id for item_id in together if item_id in ids] == ids

    async def test_tools_see_the_store_of_one_owner(self, store: ThreadStore, owner: str) -> None:
        """The facade ignores contexts, hides what only the model sees, and adds and deletes without complaint."""
        mine = OwnerStore(store, owner)
        thread = _thread(thread_id=mine.generate_thread_id({"user": "somebody else"}))
        await mine.save_thread(thread, {"user": "somebody else"})
        items = [_of_kind(kind) for kind in ("visible", "hidden", "model")]
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
        assert [found.id for found in (await mine.load_threads(9, None, "desc")).data] == [thread.id]
        with pytest.raises(NotFoundError):
            await OwnerStore(store, new_id("user")).load_thread(thread.id, {"user": owner})
        await mine.delete_thread(thread.id)
        assert (await mine.load_threads(9, None, "desc")).data == []


def _now() -> datetime:
    return datetime.now(UTC)


def _thread(
    *,
    thread_id: str | None = None,
    title: str | None = None,
    metadata: dict[str, Any] | None = None,
    created_at: datetime | None = None,
) -> ThreadMetadata:
    return ThreadMetadata(
        id=thread_id or new_id("thread"), title=title, metadata=metadata or {}, created_at=created_at or _now()
    )


async def _new_thread(store: ThreadStore, owner: str, *, count: int = 0, **fields: Any) -> ThreadMetadata:
    thread = _thread(**fields)
    await store.create_thread(owner, thread, [_message(thread.id, str(number)) for number in range(count)])
    return thread


def _message(
    thread_id: str, text: str, *, item_id: str | None = None, created_at: datetime | None = None
) -> AssistantMessageItem:
    return AssistantMessageItem(
        id=item_id or new_id("message"),
        thread_id=thread_id,
        created_at=created_at or _now(),
        content=[AssistantMessageContent(text=text)],
    )


def _file(thread_id: str) -> FileAttachment:
    return FileAttachment(id=new_id("attachment"), name="a.pdf", mime_type="application/pdf", thread_id=thread_id)


def _hidden(thread_id: str, content: Any, cls: type[HiddenContextItem] = HiddenContextItem) -> HiddenContextItem:
    return cls(id=new_id("message"), thread_id=thread_id, created_at=_now(), content=content)


def _of_kind(kind: str) -> ThreadItem:
    if kind == "visible":
        return _message("thr", kind)
    return _hidden("thr", {"model_items": [_CALL]}, ModelItem) if kind == "model" else _hidden("thr", kind)


def _one_of_each(thread_id: str) -> list[ThreadItem]:
    at: dict[str, Any] = {"thread_id": thread_id, "created_at": _now()}
    task = CustomTask(title="Look it up", icon="search")
    question = StructuredInputFreeform(id="q", question="Where to?")
    return [
        UserMessageItem(
            id="msg_u",
            content=[UserMessageTextContent(text="hi")],
            attachments=[_file(thread_id)],
            inference_options=InferenceOptions(),
            **at,
        ),
        AssistantMessageItem(id="msg_a", content=[AssistantMessageContent(text="hello")], **at),
        ClientToolCallItem(id="tc_1", call_id="c", name="pick", arguments={"n": [1, None]}, output={"ok": 1.5}, **at),
        WidgetItem(id="msg_w", widget=DynamicWidgetRoot.model_validate(_WIDGET), copy_text="Oslo", **at),
        GeneratedImageItem(id="msg_i", image=GeneratedImage(id="img", url="https://a.example/i.png"), **at),
        StructuredInputItem(id="msg_s", inputs=[question], **at),
        WorkflowItem(id="wf_1", workflow=Workflow(type="custom", tasks=[task]), **at),
        TaskItem(id="tsk_1", task=task, **at),
        HiddenContextItem(id="msg_h", content={"clicked": ["a"]}, **at),
        SDKHiddenContextItem(id="shcx_1", content="stopped", **at),
        EndOfTurnItem(id="msg_e", **at),
    ]


def _type_of(member: Any) -> str:
    return str(member.model_fields["type"].default)


def _json(item: ThreadItem) -> str:
    return item.model_dump_json(by_alias=True, exclude_none=True)


async def _all_ids(store: ThreadStore, owner: str, thread_id: str) -> list[str]:
    page = await store.load_items(owner, thread_id, limit=1000, order="asc", kinds=ALL_KINDS)
    return [item.id for item in page.data]


async def _thread_pages(store: ThreadStore, owner: str, limit: int, order: Order) -> Sequence[Page[ThreadMetadata]]:
    pages = [await store.load_threads(owner, limit=limit, after=None, order=order)]
    while pages[-1].has_more:
        pages.append(await store.load_threads(owner, limit=limit, after=pages[-1].after, order=order))
    return pages


async def _item_pages(
    store: ThreadStore, owner: str, thread_id: str, limit: int, order: Order, kinds: frozenset[ItemKind]
) -> Sequence[Page[ThreadItem]]:
    pages = [await store.load_items(owner, thread_id, limit=limit, order=order, kinds=kinds)]
    while pages[-1].has_more:
        after = pages[-1].after
        pages.append(await store.load_items(owner, thread_id, limit=limit, after=after, order=order, kinds=kinds))
    return pages
