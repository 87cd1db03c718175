"""A retry replaces an answer by a new one, and loses neither when the model fails."""

from __future__ import annotations

from typing import Any

from tests.conversations.conftest import Chat, MakeBare, MakeChat
from tests.conversations.later_turns import EVERY_TURN
from tests.conversations.playing import call
from tests.conversations.talking import Exchange, texts

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


ACTS = """
done = []

def refund(order: str) -> str:
    "Refund an order."
    done.append(order)
    return "refunded " + order
"""
PICK = {"client": "pick", "parameters": {"type": "object", "properties": {}}}
DESK: dict[str, Any] = {
    "tools": {"refund": {"python": "acts:refund"}, "pick": PICK},
    "agents": {"helper": {"tools": ["refund", "pick"]}},
}


async def _retry(client: Chat, first: Exchange) -> Exchange:
    message = first.done("user_message")[0]["id"]
    return await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=message)


@EVERY_TURN
async def test_a_retry_that_fails_as_well_keeps_what_the_tools_have_done(chat: MakeChat) -> None:
    client = await chat(DESK, acts_py=ACTS)
    half = ["It is", RuntimeError("down")]
    client.player.replies = [[call("refund", order="A1")], RuntimeError("down"), half, half, "Refunded."]
    first = await client.say("refund A1")
    for _ in range(2):
        assert (await _retry(client, first)).of("error")
    assert (await _retry(client, first)).said == ["Refunded."]
    assert client.runtime.generation.snapshot.code.resolve("acts:done") == ["A1"]
    assert len(client.player.asked[-1].of("function_call_output")) == 1


@EVERY_TURN
async def test_a_retry_after_a_failure_behind_a_client_tool_has_its_result(chat: MakeChat) -> None:
    client = await chat(DESK, acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1")], [call("pick")], RuntimeError("down"), "Picked."]
    first = await client.say("choose")
    assert (await client.result(first.thread_id, {"city": "Oslo"})).of("error")
    assert (await _retry(client, first)).said == ["Picked."]
    told = client.player.asked[-1]
    assert [item["name"] for item in told.of("function_call")] == ["refund", "pick"]
    assert "Oslo" in told.of("function_call_output")[1]["output"]


@EVERY_TURN
async def test_a_retry_after_a_failure_behind_an_approved_call_has_its_result(chat: MakeChat) -> None:
    config = {**DESK, "tools": {**DESK["tools"], "refund": {"python": "acts:refund", "needs_approval": True}}}
    client = await chat(config, acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1")], RuntimeError("down"), "Refunded."]
    first = await client.say("refund A1")
    [card] = first.done("widget")
    action = card["widget"]["confirm"]["action"]
    assert (await client.act(first.thread_id, action["type"], action["payload"], card["id"])).of("error")
    assert (await _retry(client, first)).said == ["Refunded."]
    assert client.runtime.generation.snapshot.code.resolve("acts:done") == ["A1"]
    assert [item["name"] for item in client.player.asked[-1].of("function_call")] == ["refund"]


async def test_the_bare_sdk_loses_the_old_answer_when_the_retry_fails(bare: MakeBare) -> None:
    client = bare()
    client.player.replies = ["Old answer.", RuntimeError("down")]
    first = await client.say("one")
    message = first.done("user_message")[0]["id"]
    failed = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=message)
    assert len(failed.of("error")) == 1
    assert [item["type"] for item in await client.items(first.thread_id)] == ["user_message"]
