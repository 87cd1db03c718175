"""A retry replaces an answer by a new one, and loses neither when the model fails."""

from __future__ import annotations

from tests.conversations.conftest import MakeBare, MakeChat
from tests.conversations.playing import call
from tests.conversations.talking import texts

LOOK_UP = "def look_up(city: str) -> str:\n    'Look up.'\n    return city + ' is big'\n"


async def test_a_retry_replaces_everything_after_the_message(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"tools": ["acts:look_up"]}}}, acts_py=LOOK_UP)
    client.player.replies = [[call("look_up", city="Rome")], "Old answer.", "Later answer.", "New answer."]
    first = await client.say("one")
    thread, message = first.thread_id, first.done("user_message")[0]["id"]
    await client.say("two", thread)
    again = await client.call("threads.retry_after_item", thread_id=thread, item_id=message)
    assert again.said == ["New answer."]
    items = await client.items(thread)
    assert [item["type"] for item in items] == ["user_message", "assistant_message"]
    assert texts(items[1:]) == ["New answer."]
    # Neither the old answer nor the calls that led to it are in the new one's input.
    assert len(client.player.asked[-1].input) == 1
    assert len(await client.hidden(thread)) == 2


async def test_a_retry_keeps_the_old_answer_when_the_model_fails(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = ["Old answer.", RuntimeError("down"), "New answer."]
    first = await client.say("one")
    thread, message = first.thread_id, first.done("user_message")[0]["id"]
    failed = await client.call("threads.retry_after_item", thread_id=thread, item_id=message)
    assert len(failed.of("error")) == 1
    assert texts((await client.items(thread))[1:]) == ["Old answer."]
    await client.call("threads.retry_after_item", thread_id=thread, item_id=message)
    assert texts((await client.items(thread))[1:]) == ["New answer."]


async def test_what_is_hidden_of_a_new_answer_does_not_remove_the_old_one(chat: MakeChat) -> None:
    code = """
from agents import RunContextWrapper

async def learn(ctx: RunContextWrapper) -> str:
    "Learn."
    await ctx.context.remember("something new")
    return "ok"
"""
    client = await chat({"agents": {"helper": {"tools": ["acts:learn"]}}}, acts_py=code)
    client.player.replies = ["Old answer.", [call("learn")], RuntimeError("down")]
    first = await client.say("one")
    thread, message = first.thread_id, first.done("user_message")[0]["id"]
    failed = await client.call("threads.retry_after_item", thread_id=thread, item_id=message)
    assert len(failed.of("error")) == 1
    assert texts((await client.items(thread))[1:]) == ["Old answer."]


async def test_a_retry_in_the_middle_keeps_what_came_before(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = ["A1", "A2", "A2 again"]
    first = await client.say("one")
    second = await client.say("two", first.thread_id)
    message = second.done("user_message")[0]["id"]
    await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=message)
    items = await client.items(first.thread_id)
    assert texts([item for item in items if item["type"] == "assistant_message"]) == ["A1", "A2 again"]
    assert [item.get("content") for item in client.player.asked[-1].input if item.get("role") == "assistant"] == ["A1"]


async def test_the_bare_sdk_loses_the_old_answer_when_the_retry_fails(bare: MakeBare) -> None:
    client = bare()
    client.player.replies = ["Old answer.", RuntimeError("down")]
    first = await client.say("one")
    message = first.done("user_message")[0]["id"]
    failed = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=message)
    assert len(failed.of("error")) == 1
    assert [item["type"] for item in await client.items(first.thread_id)] == ["user_message"]
