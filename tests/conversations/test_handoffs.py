"""Handoffs: what the other agent sees, its name and condition, and which agent continues the thread."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conversations.conftest import MakeChat
from tests.conversations.playing import call

ACTS = """
seen = []

async def told(ctx, data):
    seen.append((ctx.context.thread.id[:4], data))

def only_new(data):
    return data.clone(input_history=())

def look(city: str) -> str:
    "Look."
    return city
"""


def _desks(handoff: Any = "billing", **billing: Any) -> dict[str, Any]:
    return {
        "entry": "guide",
        "tools": {"look": "acts:look"},
        "agents": {
            "guide": {"instructions": "Guide.", "handoffs": [handoff], "tools": ["look"]},
            "billing": {"instructions": "Bill.", "handoffs": ["guide"], **billing},
        },
    }


def _instructions(client: Any) -> list[str]:
    return [asked.instructions for asked in client.player.asked]


async def test_the_entry_answers_each_message_unless_the_other_keeps_the_thread(chat: MakeChat) -> None:
    client = await chat(_desks(), acts_py=ACTS)
    client.player.replies = [[call("transfer_to_billing")], "Billed.", "Guided."]
    first = await client.say("bill me")
    await client.say("more", first.thread_id)
    assert _instructions(client) == ["Guide.", "Bill.", "Guide."]


async def test_a_sticky_agent_keeps_the_thread_until_it_gives_it_back(chat: MakeChat) -> None:
    client = await chat(_desks(sticky=True), acts_py=ACTS)
    client.player.replies = [
        [call("transfer_to_billing")],
        "Billed.",
        "Still here.",
        [call("transfer_to_guide")],
        "Guided.",
    ]
    first = await client.say("bill me")
    kept = await client.say("more", first.thread_id)
    await client.say("something else", first.thread_id)
    await client.say("and on", first.thread_id)
    assert _instructions(client) == ["Guide.", "Bill.", "Bill.", "Bill.", "Guide.", "Guide."]
    assert kept.said == ["Still here."]
    assert "active_agent" not in str(await client.items(first.thread_id))


async def test_a_retry_goes_back_to_who_had_the_thread_then(chat: MakeChat) -> None:
    client = await chat(_desks(sticky=True), acts_py=ACTS)
    client.player.replies = [[call("transfer_to_billing")], "Billed.", "Guided."]
    first = await client.say("bill me")
    said = first.done("user_message")[0]["id"]
    await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=said)
    assert _instructions(client) == ["Guide.", "Bill.", "Guide."]


async def test_an_agent_that_is_gone_keeps_nothing(chat: MakeChat) -> None:
    client = await chat(_desks(sticky=True), acts_py=ACTS)
    client.player.replies = [[call("transfer_to_billing")], "Billed.", "Guided."]
    first = await client.say("bill me")
    path = client.folder / "agents.yaml"
    path.write_text(path.read_text().replace('"billing"', '"invoices"'))
    assert (await client.runtime.reload()).status == "reloaded"
    assert (await client.say("more", first.thread_id)).said == ["Guided."]
    assert _instructions(client)[-1] == "Guide."


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ("full", ["one", "Oslo", "Looked.", "bill me"]),
        ("messages", ["one", "Looked.", "bill me"]),
        ("last_turn", ["bill me"]),
        ({"python": "acts:only_new"}, []),
    ],
)
async def test_what_the_other_agent_sees_is_declared(chat: MakeChat, history: Any, said: list[str]) -> None:
    client = await chat(_desks({"agent": "billing", "history": history}), acts_py=ACTS)
    client.player.replies = [[call("look", city="Oslo")], "Looked.", [call("transfer_to_billing")], "Billed."]
    first = await client.say("one")
    await client.say("bill me", first.thread_id)
    told = [str(item.get("content") or item.get("output") or "") for item in client.player.asked[-1].input]
    assert [text for text in told if text and "assistant" not in text] == said


async def test_a_handoff_has_a_name_and_tells_what_it_is_about(chat: MakeChat) -> None:
    schema = {"type": "object", "properties": {"reason": {"type": "string"}}, "required": ["reason"]}
    handoff = {"agent": "billing", "tool_name": "to_billing", "input": schema, "on_handoff": "acts:told"}
    client = await chat(_desks(handoff), acts_py=ACTS)
    client.player.replies = [[call("to_billing", reason="money")], "Billed."]
    assert (await client.say("bill me")).said == ["Billed."]
    assert client.player.asked[0].handoffs == ["to_billing"]
    assert client.runtime.generation.snapshot.code.resolve("acts:seen") == [("thr_", {"reason": "money"})]


async def test_a_handoff_is_offered_on_a_condition(chat: MakeChat) -> None:
    client = await chat(_desks({"agent": "billing", "enabled_if": "{{ locale == 'nb' }}"}), acts_py=ACTS)
    await client.say("hello")
    client.headers["accept-language"] = "nb"
    await client.say("hei")
    assert [asked.handoffs for asked in client.player.asked] == [[], ["transfer_to_billing"]]


async def test_a_handoff_can_be_turned_off(chat: MakeChat) -> None:
    client = await chat(_desks({"agent": "billing", "enabled_if": "off"}), acts_py=ACTS)
    await client.say("hello")
    assert client.player.asked[0].handoffs == []


async def test_defaults_hold_for_every_agent_that_does_not_say_otherwise(chat: MakeChat) -> None:
    config = {
        "defaults": {
            "settings": {"temperature": 0.2, "top_p": 0.9},
            "tools": ["look"],
            "preface": "Hello.",
            "max_turns": 3,
        },
        "entry": "a",
        "tools": {"look": "acts:look"},
        "agents": {"a": {"handoffs": ["b"]}, "b": {"tools": [], "settings": {"temperature": 0.7}, "max_turns": 5}},
    }
    client = await chat(config, acts_py=ACTS)
    client.player.replies = [[call("transfer_to_b")], "Done."]
    await client.say("hello")
    first, second = client.player.asked
    assert (first.tools, second.tools) == (["look"], [])
    assert (first.settings.temperature, second.settings.temperature) == (0.2, 0.7)
    assert second.settings.top_p == 0.9
    assert first.input[0]["content"] == "Hello."
    assert [agent.max_turns for agent in client.runtime.config.agents.values()] == [3, 5]
