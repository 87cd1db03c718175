"""Ids: never twice, also where the model gives every message the same one, and sortable by time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from agents import function_tool
from chatkit.store import default_generate_id
from chatkit.types import EndOfTurnItem, ThreadMetadata

from runtime.stores.ids import new_id
from runtime.stores.owner_store import OwnerStore
from tests.conversations.conftest import MakeBare, MakeChat
from tests.conversations.playing import call

CONFIG = {"agents": {"helper": {"tools": ["acts:look_up"]}}}
TOOL = "def look_up(city: str) -> str:\n    'Look up.'\n    return city\n"


def _ids_of_items(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


async def test_messages_of_a_model_that_gives_them_all_one_id_get_their_own(chat: MakeChat) -> None:
    client = await chat(CONFIG, acts_py=TOOL)
    client.player.fake_ids = True
    client.player.replies = [["Let me see.", call("look_up", city="Oslo")], "First.", "Second."]
    first = await client.say("one")
    assert first.said == ["Let me see.", "First."]
    second = await client.say("two", first.thread_id)
    assert second.said == ["Second."]
    ids = _ids_of_items(await client.items(first.thread_id))
    assert len(ids) == len(set(ids)) == 5
    assert "__fake_id__" not in ids


async def test_the_events_of_one_message_all_carry_its_id(chat: MakeChat) -> None:
    client = await chat()
    client.player.fake_ids = True
    client.player.replies = ["One two."]
    answer = await client.say("hi")
    done = answer.done("assistant_message")[0]["id"]
    added = [event["item"]["id"] for event in answer.of("thread.item.added")]
    updated = {event["item_id"] for event in answer.of("thread.item.updated")}
    assert added == [done]
    assert updated == {done}
    assert b"__fake_id__" not in answer.body


async def test_the_bare_sdk_overwrites_messages_that_share_an_id(bare: MakeBare) -> None:
    client = bare()
    client.player.fake_ids = True
    client.player.replies = ["First.", "Second."]
    thread = (await client.say("one")).thread_id
    await client.say("two", thread)
    kinds = Counter(item["type"] for item in await client.items(thread))
    assert kinds == {"user_message": 2, "assistant_message": 1}


def test_ids_carry_at_least_96_random_bits_and_sort_by_time() -> None:
    ids = [new_id("message") for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len({new_id("thread")[-24:] for _ in range(10_000)}) == 10_000
    assert len(ids[0].partition("_")[2]) * 4 - 64 >= 96


def test_the_bare_sdk_makes_ids_of_32_bits() -> None:
    assert len(default_generate_id("message").partition("_")[2]) * 4 == 32


async def test_ids_are_unique_over_threads_items_and_what_tools_show(chat: MakeChat) -> None:
    code = """
async def show(ctx, action, sender):
    await ctx.context.say("a")
    await ctx.context.say("b")
    assert ctx.context.generate_id("message") != ctx.context.generate_id("message")
"""
    client = await chat({"actions": {"show": "acts:show"}}, acts_py=code)
    seen: list[str] = []
    for _ in range(3):
        first = await client.say("hi")
        await client.act(first.thread_id, "show")
        seen += [first.thread_id, *_ids_of_items(await client.items(first.thread_id))]
    assert len(seen) == len(set(seen)) == 15


async def test_times_are_utc_with_their_zone_and_order_does_not_depend_on_them(chat: MakeChat) -> None:
    client = await chat()
    first = await client.say("hi")
    stamps = [item["created_at"] for item in await client.items(first.thread_id)]
    assert all(stamp.endswith("Z") or stamp.endswith("+00:00") for stamp in stamps)
    assert [item["type"] for item in await client.items(first.thread_id)] == ["user_message", "assistant_message"]


async def test_the_bare_sdk_stamps_naive_local_times(bare: MakeBare) -> None:
    client = bare()
    first = await client.say("hi")
    assert client.server.dicts.items[first.thread_id][0].created_at.tzinfo is None


async def test_a_workflow_that_is_done_twice_is_stored_once(chat: MakeChat) -> None:
    code = """
from chatkit.types import CustomTask, Workflow

async def work(ctx, action, sender):
    await ctx.context.start_workflow(Workflow(type="custom", tasks=[]))
    await ctx.context.add_workflow_task(CustomTask(title="first"))
    await ctx.context.update_workflow_task(CustomTask(title="first, done"), task_index=0)
    item = ctx.context.workflow_item
    await ctx.context.end_workflow()
    from chatkit.types import ThreadItemDoneEvent
    yield ThreadItemDoneEvent(item=item)
"""
    client = await chat({"actions": {"work": "acts:work"}}, acts_py=code)
    first = await client.say("hi")
    answer = await client.act(first.thread_id, "work")
    assert answer.of("error") == []
    workflows = [item for item in await client.items(first.thread_id) if item["type"] == "workflow"]
    assert len(workflows) == 1
    assert workflows[0]["workflow"]["tasks"][0]["title"] == "first, done"


@pytest.mark.parametrize("fake", [False, True])
async def test_a_tool_call_by_a_model_with_or_without_ids_of_its_own_is_answered(chat: MakeChat, fake: bool) -> None:
    client = await chat(CONFIG, acts_py=TOOL)
    client.player.fake_ids = fake
    client.player.replies = [[call("look_up", city="Oslo")], "Done."]
    assert (await client.say("go")).said == ["Done."]


async def test_the_bare_sdk_keeps_the_models_ids(bare: MakeBare) -> None:
    @function_tool
    def look_up(city: str) -> str:
        return city

    client = bare(tools=[look_up])
    client.player.fake_ids = True
    client.player.replies = ["Hello."]
    assert (await client.say("go")).done("assistant_message")[0]["id"] == "__fake_id__"


async def test_items_come_in_the_order_in_which_they_were_stored_whatever_their_times(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    for n, day in enumerate((20, 10, 15)):
        item = EndOfTurnItem(id=f"end_{n}", thread_id=thread, created_at=datetime(2020, 1, day, tzinfo=UTC))
        await client.runtime.store.write_items("local", thread, [item])
    assert _ids_of_items(await client.items(thread))[2:] == ["end_0", "end_1", "end_2"]


async def test_an_id_that_exists_never_overwrites_somebody_elses_thread(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await chat()
    store = client.runtime.store
    await store.create_thread("alice", ThreadMetadata(id="thr_1", title="hers", created_at=datetime.now(UTC)))
    monkeypatch.setattr(OwnerStore, "generate_thread_id", lambda store: "thr_1")
    assert (await client.say("mine")).status != 200
    assert (await store.load_thread("alice", "thr_1")).title == "hers"
    assert (await store.load_items("alice", "thr_1", limit=10)).data == []
    assert client.player.asked == []


async def test_the_bare_sdk_overwrites_a_thread_whose_id_comes_twice(
    bare: MakeBare, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = bare()
    monkeypatch.setattr(client.server.dicts, "generate_thread_id", lambda context: "thr_1")
    await client.say("the first")
    client.server.dicts.threads["thr_1"].title = "mine"
    await client.say("the second")
    assert client.server.dicts.threads["thr_1"].title is None
