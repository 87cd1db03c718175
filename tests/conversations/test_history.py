"""What the model sees of earlier turns: the window, tool calls and results, and nothing an endpoint would refuse."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from agents import function_tool
from chatkit.types import HiddenContextItem

from runtime.server.history.converter import UNANSWERED
from runtime.stores.store import ModelItem
from tests.conversations.conftest import QUICK, MakeBare, MakeChat
from tests.conversations.playing import Asked, call, think

TOOLS = """
def look_up(city: str) -> str:
    "Look a city up."
    return f"{city} has 7 parks"
"""
WITH_TOOL = {"agents": {"helper": {"tools": ["acts:look_up"]}}}


def _roles(asked: Asked) -> list[str]:
    return [item.get("role") or item["type"] for item in asked.input]


async def test_tool_calls_and_results_are_in_the_next_turns_input_in_order(chat: MakeChat) -> None:
    client = await chat(WITH_TOOL, acts_py=TOOLS)
    client.player.replies = [["Let me see.", call("look_up", city="Oslo")], "Seven.", "As I said."]
    thread = (await client.say("how many parks?")).thread_id
    await client.say("sure?", thread)
    asked = client.player.asked[2]
    assert _roles(asked) == ["user", "assistant", "function_call", "function_call_output", "assistant", "user"]
    assert asked.of("function_call_output")[0]["output"] == "Oslo has 7 parks"
    assert asked.of("function_call_output")[0]["call_id"] == asked.of("function_call")[0]["call_id"]


async def test_the_bare_sdk_forgets_tool_calls_and_results(bare: MakeBare) -> None:
    @function_tool
    def look_up(city: str) -> str:
        return f"{city} has 7 parks"

    client = bare(tools=[look_up])
    client.player.replies = [[call("look_up", city="Oslo")], "Seven.", "As I said."]
    thread = (await client.say("how many parks?")).thread_id
    await client.say("sure?", thread)
    assert "7 parks" not in json.dumps(client.player.asked[2].input)


async def test_parallel_calls_each_have_their_output_right_behind_them(chat: MakeChat) -> None:
    client = await chat(WITH_TOOL, acts_py=TOOLS)
    client.player.replies = [[call("look_up", city="Oslo"), call("look_up", city="Rome")], "Both.", "Yes."]
    thread = (await client.say("both?")).thread_id
    await client.say("sure?", thread)
    asked = client.player.asked[2]
    calls = [item["call_id"] for item in asked.of("function_call")]
    assert [item["call_id"] for item in asked.of("function_call_output")] == calls
    assert _roles(asked)[1:5] == ["function_call"] * 2 + ["function_call_output"] * 2


async def test_tool_results_may_be_left_out_of_later_turns_but_not_of_their_own(chat: MakeChat) -> None:
    client = await chat({**WITH_TOOL, "chat": {"history": {"tool_results": False}}}, acts_py=TOOLS)
    client.player.replies = [[call("look_up", city="Oslo")], "Seven.", "As I said."]
    thread = (await client.say("how many parks?")).thread_id
    await client.say("sure?", thread)
    assert _roles(client.player.asked[1]) == ["user", "function_call", "function_call_output"]
    assert _roles(client.player.asked[2]) == ["user", "assistant", "user"]


async def test_earlier_answers_are_plain_text_and_reasoning_is_left_out(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = [[think("Hmm."), "Hello."], "Again."]
    thread = (await client.say("hi")).thread_id
    await client.say("hi again", thread)
    assert {"role": "assistant", "content": "Hello."} in client.player.asked[1].input
    assert client.player.asked[1].of("reasoning") == []


async def test_the_window_holds_at_most_so_many_items_and_begins_with_a_message(chat: MakeChat) -> None:
    client = await chat({"chat": {"history": {"items": 4}}})
    thread = (await client.say("one")).thread_id
    for word in ("two", "three", "four"):
        await client.say(word, thread)
    told = json.dumps(client.player.asked[-1].input)
    assert "one" not in told
    assert "four" in told
    assert _roles(client.player.asked[-1])[0] == "user"


async def test_the_token_budget_drops_whole_turns_and_keeps_the_last_message(chat: MakeChat) -> None:
    client = await chat({"chat": {"history": {"tokens": 500}}})
    client.player.replies = ["a" * 1500]
    thread = (await client.say("first")).thread_id
    await client.say("second", thread)
    await client.say("third " + "b" * 5000, thread)
    told = json.dumps(client.player.asked[-1].input)
    assert "first" not in told
    assert "third" in told
    assert len(client.player.asked[-1].input) == 1


async def test_a_call_that_was_never_answered_is_answered_for_the_model(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    orphan = {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": "{}"}
    stray = {"type": "function_call_output", "call_id": "call_gone", "output": "?"}
    items = [
        ModelItem(id=f"m{n}", thread_id=thread, created_at=datetime.now(UTC), content={"model_items": [raw]})
        for n, raw in enumerate((orphan, stray))
    ]
    await client.runtime.store.write_items("local", thread, items)
    await client.say("go on", thread)
    asked = client.player.asked[-1]
    assert [item["output"] for item in asked.of("function_call_output")] == [UNANSWERED]


async def test_hidden_context_of_any_kind_reaches_the_model_and_never_the_client(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    hidden = HiddenContextItem(
        id="h1", thread_id=thread, created_at=datetime.now(UTC), content={"secret word": "banana"}
    )
    await client.runtime.store.write_items("local", thread, [hidden])
    answer = await client.say("go on", thread)
    assert "banana" in json.dumps(client.player.asked[-1].input)
    assert b"banana" not in answer.body
    assert "banana" not in json.dumps(await client.items(thread))


async def test_the_bare_sdk_fails_on_hidden_context_that_is_no_text(bare: MakeBare) -> None:
    client = bare()
    thread = (await client.say("hi")).thread_id
    hidden = HiddenContextItem(id="h1", thread_id=thread, created_at=datetime.now(), content={"secret": "banana"})
    client.server.dicts.items[thread].append(hidden)
    assert len((await client.say("go on", thread)).of("error")) == 1


async def test_pages_of_items_are_full_whatever_is_hidden_between_them(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    hidden = [
        HiddenContextItem(id=f"h{n}", thread_id=thread, created_at=datetime.now(UTC), content="x") for n in range(30)
    ]
    await client.runtime.store.write_items("local", thread, hidden)
    await client.say("again", thread)
    page = (await client.call("items.list", thread_id=thread, limit=3, order="asc")).json
    assert [item["type"] for item in page["data"]] == ["user_message", "assistant_message", "user_message"]
    rest = (await client.call("items.list", thread_id=thread, limit=3, order="asc", after=page["after"])).json
    assert [item["type"] for item in rest["data"]] == ["assistant_message"]
    whole = (await client.call("threads.get_by_id", thread_id=thread)).json
    assert len(whole["items"]["data"]) == 4


async def test_the_bare_sdk_lists_a_page_of_nothing_with_more_to_follow(bare: MakeBare) -> None:
    client = bare()
    thread = (await client.say("hi")).thread_id
    for n in range(3):
        hidden = HiddenContextItem(
            id=f"h{n}", thread_id=thread, created_at=datetime.now() + timedelta(seconds=n + 1), content="x"
        )
        client.server.dicts.items[thread].append(hidden)
    page = (await client.call("items.list", thread_id=thread, limit=3)).json
    assert (page["data"], page["has_more"]) == ([], True)


@pytest.mark.parametrize("text", ["a\x00b", "\u2028", "🙂 é \\ \" '"])
async def test_any_text_survives_storing_and_comes_back_to_the_model(chat: MakeChat, text: str) -> None:
    client = await chat()
    client.player.replies = [f"echo {text}", "ok"]
    thread = (await client.say(f"say {text}")).thread_id
    assert (await client.say("again", thread)).said == ["ok"]
    clean = text.replace("\x00", "")
    told = client.player.asked[1].input
    assert any(item.get("content") == f"echo {clean}" for item in told)


@pytest.mark.in_process
async def test_a_turn_reads_its_history_with_one_query_and_writes_each_item_with_one(
    chat: MakeChat, statements: list[str]
) -> None:
    # Without a partial answer, which a turn writes that takes long.
    settings = replace(QUICK, partial_every_s=600.0)
    client = await chat({**WITH_TOOL, "store": "sqlite:///threads.db"}, settings=settings, acts_py=TOOLS)
    client.player.replies = ["Hello.", ["Let me see.", call("look_up", city="Oslo")], "Seven."]
    thread = (await client.say("hi")).thread_id
    statements.clear()
    await client.say("how many parks?", thread)
    done = [tuple(re.findall(r"SELECT|INSERT|UPDATE|chatkit_\w+", statement)[:2]) for statement in statements]
    write = [("UPDATE", "chatkit_threads"), ("INSERT", "chatkit_items")]
    assert done == [
        ("SELECT", "chatkit_threads"),
        ("SELECT", "chatkit_items"),
        *write,  # the user's message
        *write,  # what was said before the tool was called
        *write,  # the call, before its tool runs
        *write,  # its result and what was said of it
        ("UPDATE", "chatkit_threads"),  # the end of the lease, in the transaction of the usage
        ("INSERT", "chatkit_usage"),
    ]
