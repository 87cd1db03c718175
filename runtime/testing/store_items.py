"""The conformance tests for what a turn writes: items (order, pages, kinds, content, feedback) and its generation."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from itertools import product
from typing import get_args

import pytest
from chatkit.store import NotFoundError
from chatkit.types import AssistantMessageItem, HiddenContextItem, ThreadItem

from runtime.stores.ids import new_id
from runtime.stores.store import ALL_KINDS, ModelItem, ThreadStore, kind_of
from runtime.testing.store_samples import (
    CALL,
    KIND_SETS,
    ORDERS,
    all_ids,
    all_pages,
    as_json,
    assert_not_found,
    new_hidden,
    new_mark,
    new_message,
    new_metadata,
    new_of_kind,
    new_thread,
    now,
    one_of_each,
    text_of,
    type_of,
    unstorable,
)


@pytest.mark.asyncio
class ItemPromises:
    """Tests for the items of a thread and the generation of its last turn; `StoreSuite` has the fixtures."""

    async def test_every_page_size_reads_every_item_once(self, store: ThreadStore, owner: str) -> None:
        """Pages of any size and kinds, joined, are the items of these kinds; only the last page is short."""
        kinds_of_items = ("visible", "model", "model", "hidden", "visible", "model", "visible", "hidden")
        items = [new_of_kind(kind) for kind in kinds_of_items]
        thread = await new_thread(store, owner)
        await store.write_items(owner, thread.id, items)
        for order, kinds, limit in product(ORDERS, KIND_SETS, range(1, len(items) + 2)):
            load = partial(store.load_items, owner, thread.id, limit=limit, order=order, kinds=kinds)
            pages = await all_pages(load)
            assert [len(page.data) for page in pages[:-1]] == [limit] * (len(pages) - 1)
            assert pages[-1].data or len(pages) == 1
            expected = [item.id for item in items if kind_of(item) in kinds]
            listed = [item.id for page in pages for item in page.data]
            assert listed == (expected if order == "asc" else expected[::-1])

    async def test_a_cursor_may_name_an_item_that_the_page_leaves_out(self, store: ThreadStore, owner: str) -> None:
        """`after` is a position in the thread, independent of the kind of the item there."""
        thread = await new_thread(store, owner)
        items = [new_of_kind("visible"), new_of_kind("model"), new_of_kind("visible")]
        await store.write_items(owner, thread.id, items)
        page = await store.load_items(owner, thread.id, limit=5, after=items[1].id, order="asc")
        assert [item.id for item in page.data] == [items[2].id]

    async def test_every_type_of_item_survives(self, store: ThreadStore, owner: str) -> None:
        """A loaded item has the same class and the same JSON for the browser."""
        thread = await new_thread(store, owner)
        items = one_of_each(thread.id)
        assert {item.type for item in items} == {type_of(member) for member in get_args(get_args(ThreadItem)[0])}
        await store.write_items(owner, thread.id, items)
        page = await store.load_items(owner, thread.id, limit=100, order="asc", kinds=ALL_KINDS)
        for stored, item in zip(page.data, items, strict=True):
            assert (type(stored), as_json(stored)) == (type(item), as_json(item))
            assert as_json(await store.load_item(owner, thread.id, item.id)) == as_json(item)

    async def test_model_items_are_known_again(self, store: ThreadStore, owner: str) -> None:
        """Every form is loaded as `ModelItem`; hidden content that only resembles one is not."""
        thread = await new_thread(store, owner)
        contents = [
            {"model_items": [CALL]},
            {"queued_client_tool": {"name": "pick"}},
            {"summary": {"text": "Hi.", "until": "x"}},
        ]
        models = [new_hidden(thread.id, content, ModelItem) for content in contents]
        similar = ({"model_items": [], "n": 1}, "model_items", ["model_items"])
        others = [new_hidden(thread.id, content) for content in similar]
        await store.write_items(owner, thread.id, [*models, *others])
        page = await store.load_items(owner, thread.id, limit=9, order="asc", kinds=frozenset({"model"}))
        assert [(type(item), item) for item in page.data] == [(ModelItem, item) for item in models]
        assert type(await store.load_item(owner, thread.id, models[0].id)) is ModelItem
        assert type(await store.load_item(owner, thread.id, others[0].id)) is HiddenContextItem

    async def test_an_item_that_is_written_again_keeps_its_place(self, store: ThreadStore, owner: str) -> None:
        """An update keeps the position of the item."""
        thread = await new_thread(store, owner, count=3)
        ids = await all_ids(store, owner, thread.id)
        again = new_message(thread.id, "again", id=ids[1])
        await store.write_items(owner, thread.id, [new_message(thread.id, "new"), again])
        assert (await all_ids(store, owner, thread.id))[:3] == ids
        assert as_json(await store.load_item(owner, thread.id, ids[1])) == as_json(again)

    async def test_an_item_may_become_another_kind(self, store: ThreadStore, owner: str) -> None:
        """The kind is that of the last write."""
        thread = await new_thread(store, owner, count=1)
        item_id = (await all_ids(store, owner, thread.id))[0]
        hidden = new_hidden(thread.id, "secret").model_copy(update={"id": item_id})
        await store.write_items(owner, thread.id, [hidden])
        assert (await store.load_items(owner, thread.id, limit=5)).data == []

    async def test_order_is_the_order_of_writing(self, store: ThreadStore, owner: str) -> None:
        """Not of `created_at`: clocks go back, and items share a microsecond. A deleted id that returns is new."""
        thread = await new_thread(store, owner)
        past = [new_message(thread.id, str(day), created_at=now() - timedelta(days=day)) for day in range(4)]
        await store.write_items(owner, thread.id, past[:2])
        await store.write_items(owner, thread.id, past[2:])
        await store.write_items(owner, thread.id, [past[0]], delete=[past[0].id])
        assert await all_ids(store, owner, thread.id) == [item.id for item in (*past[1:], past[0])]

    async def test_items_are_deleted_and_written_together(self, store: ThreadStore, owner: str) -> None:
        """One call deletes the old answer and writes the new one; missing ids are ignored."""
        thread = await new_thread(store, owner, count=3)
        ids = await all_ids(store, owner, thread.id)
        new = new_message(thread.id, "new")
        await store.write_items(owner, thread.id, [new], delete=[ids[1], ids[2], "msg_gone"])
        assert await all_ids(store, owner, thread.id) == [ids[0], new.id]
        await store.write_items(owner, thread.id, [], delete=[ids[0]])
        assert await all_ids(store, owner, thread.id) == [new.id]

    async def test_a_write_that_fails_deletes_nothing(self, store: ThreadStore, owner: str) -> None:
        """An item that can't be stored is detected before anything is deleted."""
        thread = await new_thread(store, owner, count=2)
        ids = await all_ids(store, owner, thread.id)
        bad = unstorable(thread.id)
        with pytest.raises(ValueError):  # noqa: PT011 - the message is that of the JSON serializer
            await store.write_items(owner, thread.id, [new_message(thread.id, "new"), bad], delete=ids)
        assert await all_ids(store, owner, thread.id) == ids

    async def test_item_ids_belong_to_their_thread(self, store: ThreadStore, owner: str) -> None:
        """The same id in two threads is two items."""
        one, two = await new_thread(store, owner), await new_thread(store, owner)
        for thread in (one, two):
            await store.write_items(owner, thread.id, [new_message(thread.id, thread.id, id="msg_same")])
        await store.write_items(owner, one.id, [], delete=["msg_same"])
        assert text_of(await store.load_item(owner, two.id, "msg_same")) == two.id

    async def test_the_ids_after_an_item_are_of_every_kind(self, store: ThreadStore, owner: str) -> None:
        """Retry deletes hidden context and model items, too."""
        thread = await new_thread(store, owner)
        items = [new_of_kind(kind) for kind in ("visible", "hidden", "model", "visible")]
        await store.write_items(owner, thread.id, items)
        assert await store.item_ids_after(owner, thread.id, items[0].id) == [item.id for item in items[1:]]
        assert await store.item_ids_after(owner, thread.id, items[3].id) == []

    async def test_feedback_is_kept_per_item(self, store: ThreadStore, owner: str) -> None:
        """The last rating of an item counts; deleting an item deletes its rating."""
        thread = await new_thread(store, owner, count=3)
        ids = await all_ids(store, owner, thread.id)
        await store.save_feedback(owner, thread.id, ids[:2], "positive")
        await store.save_feedback(owner, thread.id, [ids[1], ids[1]], "negative")
        await store.save_feedback(owner, thread.id, [], "negative")
        assert await store.load_feedback(owner, thread.id) == {ids[0]: "positive", ids[1]: "negative"}
        await store.write_items(owner, thread.id, [new_message(thread.id, "again", id=ids[1])], delete=[ids[0]])
        assert await store.load_feedback(owner, thread.id) == {ids[1]: "negative"}

    async def test_feedback_on_what_isnt_there_is_refused(self, store: ThreadStore, owner: str) -> None:
        """A missing item, a missing thread and the thread of another owner are not found, and nothing is stored."""
        thread = await new_thread(store, owner, count=1)
        ids = await all_ids(store, owner, thread.id)
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
        r"""U+0000 is removed from every text and key; the six characters `\u0000` are kept."""
        thread = new_metadata(title="a\0b", metadata={"k\0": "\0v"})
        await store.create_thread(owner, thread)
        item = new_message(thread.id, "x\0\0y \\u0000 \\\0z")
        hidden = new_hidden(thread.id, {"\0": "\0"})
        await store.write_items(owner, thread.id, [item, hidden])
        saved = await store.load_thread(owner, thread.id)
        assert (saved.title, saved.metadata) == ("ab", {"k": "v"})
        assert text_of(await store.load_item(owner, thread.id, item.id)) == "xy \\u0000 \\z"
        stored = await store.load_item(owner, thread.id, hidden.id)
        assert isinstance(stored, HiddenContextItem)
        assert stored.content == {"": ""}
        assert (await store.update_thread(owner, thread.id, title="c\0d")).title == "cd"
        await assert_not_found(store.load_thread(owner, "thr_\0"))

    async def test_any_other_text_survives(self, store: ThreadStore, owner: str) -> None:
        """Quotes, SQL, control characters and all of Unicode; an unpaired surrogate becomes U+FFFD."""
        thread = await new_thread(store, owner, title="'; DROP TABLE threads; --")
        texts = ["'\"\\%_?:x", "\x01\x1f\x7f\u2028", "日本 🏔 e\u0301", "", "x" * 300_000]
        items = [new_message(thread.id, text) for text in texts]
        await store.write_items(owner, thread.id, [*items, new_message(thread.id, "a\ud83d")])
        page = await store.load_items(owner, thread.id, limit=10, order="asc")
        assert [text_of(item) for item in page.data] == [*texts, "a\ufffd"]
        assert (await store.load_thread(owner, thread.id)).title == "'; DROP TABLE threads; --"
        renamed = await store.update_thread(owner, thread.id, title="b\ud83d", metadata={"c": ["\ud83d"]})
        assert (renamed.title, renamed.metadata) == ("b\ufffd", {"c": ["\ufffd"]})

    async def test_nobody_shares_objects_with_the_store(self, store: ThreadStore, owner: str) -> None:
        """Changing a stored or a loaded object does not change the store."""
        thread = new_metadata(metadata={"n": [1]})
        item = new_message(thread.id, "before")
        await store.create_thread(owner, thread, [item])
        for _ in range(2):
            thread.metadata["n"].append(2)
            item.content[0].text = "after"
            thread = await store.load_thread(owner, thread.id)
            loaded = await store.load_item(owner, thread.id, item.id)
            assert (thread.metadata, text_of(loaded)) == ({"n": [1]}, "before")
            assert isinstance(loaded, AssistantMessageItem)
            item = loaded

    async def test_writers_at_once_lose_nothing(self, store: ThreadStore, owner: str) -> None:
        """Sixteen turns on separate threads and four on one: every item is stored, in the order of its writer."""
        shared = await new_thread(store, owner)
        own = [await new_thread(store, owner) for _ in range(16)]
        threads = [thread.id for thread in own] + [shared.id] * 4

        async def turn(thread_id: str) -> list[str]:
            items = [new_message(thread_id, "x") for _ in range(4)]
            for item in items:
                await store.write_items(owner, thread_id, [item])
            return [item.id for item in items]

        written = await asyncio.gather(*map(turn, threads))
        for thread, ids in zip(own, written, strict=False):
            assert await all_ids(store, owner, thread.id) == ids
        together = await all_ids(store, owner, shared.id)
        assert len(together) == 16
        for ids in written[16:]:
            assert [item_id for item_id in together if item_id in ids] == ids

    async def test_a_thread_remembers_the_generation_of_its_last_turn(self, store: ThreadStore, owner: str) -> None:
        """What was written last counts, with items or without; a write that names none leaves it as it is."""
        thread, other = new_metadata(), new_metadata()
        await store.create_thread(owner, thread, [new_message(thread.id, "one")], generation=new_mark(1))
        await store.create_thread(owner, other, generation=new_mark(7))
        assert await store.load_generation(owner, thread.id) == new_mark(1)
        await store.write_items(owner, thread.id, [new_message(thread.id, "two")], generation=new_mark(2))
        await store.write_items(owner, thread.id, [new_message(thread.id, "three")])
        assert await store.load_generation(owner, thread.id) == new_mark(2)
        await store.write_items(owner, thread.id, [], generation=new_mark(3))
        assert await store.load_generation(owner, thread.id) == new_mark(3)
        await store.write_items(owner, thread.id, [], generation=new_mark(1))
        assert await store.load_generation(owner, thread.id) == new_mark(1)
        assert await store.load_generation(owner, other.id) == new_mark(7)
        assert len(await all_ids(store, owner, thread.id)) == 3

    async def test_a_thread_without_a_generation_has_none(self, store: ThreadStore, owner: str) -> None:
        """Also threads of an older schema, until their next turn."""
        created, saved = new_metadata(), new_metadata()
        await store.create_thread(owner, created, [new_message(created.id, "x")])
        await store.save_thread(owner, saved)
        for thread in (created, saved):
            assert await store.load_generation(owner, thread.id) is None
            await store.write_items(owner, thread.id, [], generation=new_mark(4))
            assert await store.load_generation(owner, thread.id) == new_mark(4)

    async def test_changing_a_thread_leaves_its_generation_alone(self, store: ThreadStore, owner: str) -> None:
        """Tools rename threads and replace their metadata: neither is a turn."""
        thread = new_metadata(metadata={"a": 1})
        await store.create_thread(owner, thread, generation=new_mark(1))
        await store.update_thread(owner, thread.id, title="New", metadata={"b": 2})
        await store.update_thread(owner, thread.id, metadata={})
        await store.save_thread(owner, thread)
        await store.create_thread(owner, thread, [new_message(thread.id, "x")])
        assert await store.load_generation(owner, thread.id) == new_mark(1)

    async def test_a_generation_and_a_change_at_once_are_both_kept(self, store: ThreadStore, owner: str) -> None:
        """A turn writes items while a tool sets the metadata and a user the title."""
        thread = await new_thread(store, owner)
        await asyncio.gather(
            store.update_thread(owner, thread.id, metadata={"n": 1}),
            store.write_items(owner, thread.id, [new_message(thread.id, "x")], generation=new_mark(1)),
            store.update_thread(owner, thread.id, title="New"),
        )
        loaded = await store.load_thread(owner, thread.id)
        assert (loaded.title, loaded.metadata) == ("New", {"n": 1})
        assert await store.load_generation(owner, thread.id) == new_mark(1)

    async def test_a_generation_is_no_part_of_the_threads_metadata(self, store: ThreadStore, owner: str) -> None:
        """The metadata contains only the entries of tools, in every call."""
        thread = new_metadata(metadata={"a": 1})
        await store.create_thread(owner, thread, generation=new_mark(1))
        await store.write_items(owner, thread.id, [], generation=new_mark(2))
        assert await store.load_thread(owner, thread.id) == thread
        assert (await store.load_threads(owner, limit=1, after=None, order="asc")).data == [thread]
        assert (await store.update_thread(owner, thread.id)).metadata == {"a": 1}
        assert (await store.update_thread(owner, thread.id, metadata={"b": 2})).metadata == {"b": 2}

    async def test_a_write_that_fails_leaves_the_generation_alone(self, store: ThreadStore, owner: str) -> None:
        """A failed write did not answer in the thread."""
        thread = new_metadata()
        await store.create_thread(owner, thread, generation=new_mark(1))
        bad = unstorable(thread.id)
        for call in (
            store.write_items(owner, thread.id, [bad], generation=new_mark(2)),
            store.create_thread(owner, thread, [bad], generation=new_mark(2)),
        ):
            with pytest.raises(ValueError):  # noqa: PT011 - the message is that of the JSON serializer
                await call
        assert await store.load_generation(owner, thread.id) == new_mark(1)
