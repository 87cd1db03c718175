"""Calls that wait for the user's word: asked for, stored, resumed after yes or no, even by another server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conversations.conftest import Chat, MakeBare, MakeChat
from tests.conversations.later_turns import EVERY_TURN
from tests.conversations.playing import call

ACTS = """
from agents import RunContextWrapper, function_tool
from runtime import RuntimeContext

done = []

async def refund(ctx: RunContextWrapper[RuntimeContext], order: str, amount: int) -> str:
    "Refund an order."
    done.append((order, amount))
    await ctx.context.effect("refunded", {"order": order})
    return f"refunded {amount} for {order}"

@function_tool(needs_approval=True)
def wipe(what: str) -> str:
    "Wipe something."
    done.append(what)
    return f"wiped {what}"

async def risky(ctx, args):
    return args["amount"] > 50

def broken(ctx, args):
    raise ValueError("who knows")
"""
ACTION = "runtime.approval"


def _desk(needs: Any = True, **more: Any) -> dict[str, Any]:
    tools = {"refund": {"python": "acts:refund", "needs_approval": needs}, "wipe": "acts:wipe"}
    return {"tools": tools, "agents": {"desk": {"tools": ["refund", "wipe"]}}, **more}


def _cards(answer: Any) -> list[dict[str, Any]]:
    return [item for item in answer.done("widget") if "confirm" in item["widget"]]


async def _click(client: Chat, thread: str, card: dict[str, Any], approved: bool) -> Any:
    action = card["widget"]["confirm" if approved else "cancel"]["action"]
    return await client.act(thread, action["type"], action["payload"], card["id"])


def _done(client: Chat) -> list[Any]:
    return list(client.runtime.generation.snapshot.code.resolve("acts:done"))


@EVERY_TURN
async def test_a_call_waits_for_the_users_word_and_goes_on_when_it_is_given(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [["I will.", call("refund", order="A1", amount=20)], "It is done."]
    asked = await client.say("refund A1")
    assert asked.said == ["I will."]
    [card] = _cards(asked)
    assert [part["value"] for part in card["widget"]["children"]] == ["Allow refund?", "- order: A1\n- amount: 20"]
    assert _done(client) == []
    answer = await _click(client, asked.thread_id, card, approved=True)
    assert _done(client) == [("A1", 20)]
    assert answer.said == ["It is done."]
    assert answer.of("client_effect")[0]["data"] == {"order": "A1"}
    [shown] = answer.of("thread.item.replaced")
    assert shown["item"]["id"] == card["id"]
    assert shown["item"]["widget"]["children"][-1]["value"] == "Approved."
    assert "confirm" not in shown["item"]["widget"]
    told = client.player.asked[-1].input
    assert [item.get("type", item.get("role")) for item in told] == [
        "user", "message", "function_call", "function_call_output",
    ]  # fmt: skip
    assert told[-1]["output"] == "refunded 20 for A1"


@EVERY_TURN
async def test_the_next_turn_knows_what_was_done(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)], "It is done.", "Fine."]
    asked = await client.say("refund A1")
    await _click(client, asked.thread_id, _cards(asked)[0], approved=True)
    await client.say("thanks", asked.thread_id)
    told = client.player.asked[-1].input
    assert [item["output"] for item in told if item.get("type") == "function_call_output"] == ["refunded 20 for A1"]
    assert len([item for item in told if item.get("type") == "function_call"]) == 1


@EVERY_TURN
async def test_a_denied_call_is_not_executed_and_the_model_gets_the_denial(chat: MakeChat) -> None:
    client = await chat(_desk({"when": True, "rejection": "Not today."}), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)], "As you wish."]
    asked = await client.say("refund A1")
    answer = await _click(client, asked.thread_id, _cards(asked)[0], approved=False)
    assert answer.said == ["As you wish."]
    assert _done(client) == []
    assert client.player.asked[-1].input[-1]["output"] == "Not today."
    kept = [item for item in await client.items(asked.thread_id) if item["type"] == "widget"]
    assert kept[0]["widget"]["children"][-1]["value"] == "Denied."


@EVERY_TURN
async def test_a_tool_that_asks_by_itself_is_asked_for(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [[call("wipe", what="the *board*")], "Wiped."]
    asked = await client.say("wipe it")
    [card] = _cards(asked)
    assert card["widget"]["children"][1]["value"] == "- what: the \\*board\\*"
    assert (await _click(client, asked.thread_id, card, approved=True)).said == ["Wiped."]
    assert _done(client) == ["the *board*"]


@EVERY_TURN
@pytest.mark.parametrize(
    ("needs", "waits"),
    [
        ("{{ args.amount > 50 }}", [False, True]),
        ({"python": "acts:risky"}, [False, True]),
        ("{{ args.amount.missing > 50 }}", [True, True]),
        ({"python": "acts:broken"}, [True, True]),
        (False, [False, False]),
    ],
)
async def test_whether_to_ask_may_depend_on_the_arguments(chat: MakeChat, needs: Any, waits: list[bool]) -> None:
    client = await chat(_desk(needs), acts_py=ACTS)
    asked = []
    for amount in (20, 90):
        client.player.replies = [[call("refund", order="A1", amount=amount)], "Done."]
        asked.append(bool(_cards(await client.say("refund"))))
    assert asked == waits


@EVERY_TURN
async def test_the_words_of_the_card_are_the_projects_own(chat: MakeChat) -> None:
    words = {
        "title": "Refund {{ args.amount }} euros?",
        "text": "For **{{ args.order }}**.",
        "approve": "Refund",
        "deny": "Leave it",
    }
    client = await chat(_desk(words), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)]]
    [card] = _cards(await client.say("refund"))
    assert [part["value"] for part in card["widget"]["children"]] == ["Refund 20 euros?", "For **A1**."]
    assert card["widget"]["confirm"]["label"] == "Refund"
    assert card["widget"]["cancel"]["label"] == "Leave it"


@EVERY_TURN
async def test_several_calls_wait_together_and_the_last_word_lets_them_go_on(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    both = [call("refund", order="A1", amount=20), call("refund", order="B2", amount=30)]
    client.player.replies = [both, "One of two."]
    asked = await client.say("refund both")
    first, second = _cards(asked)
    half = await _click(client, asked.thread_id, first, approved=True)
    assert half.said == []
    assert _done(client) == []
    answer = await _click(client, asked.thread_id, second, approved=False)
    assert answer.said == ["One of two."]
    assert _done(client) == [("A1", 20)]


@EVERY_TURN
async def test_a_second_click_changes_nothing(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)], "It is done."]
    asked = await client.say("refund A1")
    [card] = _cards(asked)
    await _click(client, asked.thread_id, card, approved=True)
    again = await _click(client, asked.thread_id, card, approved=False)
    assert again.of("notice")[0]["message"] == "This request has already been answered."
    assert _done(client) == [("A1", 20)]


@EVERY_TURN
async def test_a_user_who_writes_on_has_not_approved_the_call(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)], "Something else, then."]
    asked = await client.say("refund A1")
    answer = await client.say("never mind", asked.thread_id)
    assert answer.said == ["Something else, then."]
    assert answer.of("thread.item.replaced")[0]["item"]["widget"]["children"][-1]["value"] == "Not answered."
    told = client.player.asked[-1].input
    assert [item["output"] for item in told if item.get("type") == "function_call_output"] == [
        "The user did not allow this call."
    ]
    late = await _click(client, asked.thread_id, _cards(asked)[0], approved=True)
    assert late.of("notice")
    assert _done(client) == []


@EVERY_TURN
async def test_a_retry_takes_the_question_back(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)], "No refund."]
    asked = await client.say("refund A1")
    said = asked.done("user_message")[0]["id"]
    again = await client.call("threads.retry_after_item", thread_id=asked.thread_id, item_id=said)
    assert again.said == ["No refund."]
    assert not [item for item in await client.items(asked.thread_id) if item["type"] == "widget"]
    late = await _click(client, asked.thread_id, _cards(asked)[0], approved=True)
    assert late.of("notice")


@EVERY_TURN
async def test_the_answer_may_come_after_a_restart(chat: MakeChat) -> None:
    config = _desk(store="sqlite:///threads.db")
    before = await chat(config, acts_py=ACTS)
    before.player.replies = [[call("refund", order="A1", amount=20)]]
    asked = await before.say("refund A1")
    await before.runtime.close()
    after = await chat(config, acts_py=ACTS)
    after.player.replies = ["It is done."]
    answer = await _click(after, asked.thread_id, _cards(asked)[0], approved=True)
    assert answer.said == ["It is done."]
    assert _done(after) == [("A1", 20)]


@EVERY_TURN
async def test_the_answer_may_come_after_an_edit_of_something_else(chat: MakeChat) -> None:
    client = await chat(_desk(chat={"greeting": "Hello"}), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)], "It is done."]
    asked = await client.say("refund A1")
    _edit(client, "Hello", "Good day")
    assert (await _click(client, asked.thread_id, _cards(asked)[0], approved=True)).said == ["It is done."]


def _edit(client: Chat, old: str, new: str, name: str = "agents.yaml") -> None:
    path = client.folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@EVERY_TURN
async def test_a_tool_that_takes_other_arguments_by_now_is_not_called(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)], "Fine."]
    asked = await client.say("refund A1")
    _edit(client, "order: str, amount: int)", "order: str, amount: int, reason: str)", "acts.py")
    assert (await client.runtime.reload()).status == "reloaded"
    answer = await _click(client, asked.thread_id, _cards(asked)[0], approved=True)
    assert "has expired" in answer.of("notice")[0]["message"]
    shown = answer.of("thread.item.replaced")[0]["item"]["widget"]["children"][-1]["value"]
    assert shown.startswith("Expired")
    assert _done(client) == []
    assert (await client.say("hello", asked.thread_id)).said == ["Fine."]


@EVERY_TURN
async def test_another_user_can_not_answer(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)]]
    asked = await client.say("refund A1")
    [card] = _cards(asked)
    refused = await client.act("thr_other", ACTION, card["widget"]["confirm"]["action"]["payload"], card["id"])
    assert refused.status == 404
    for payload in (None, {}, {"call_id": 1, "approved": True}, {"call_id": "a", "approved": "yes"}):
        assert (await client.act(asked.thread_id, ACTION, payload, card["id"])).error["code"] == "invalid_payload"


@EVERY_TURN
async def test_the_agent_that_was_handed_over_to_goes_on(chat: MakeChat) -> None:
    config = _desk()
    config["agents"]["guide"] = {"handoffs": ["desk"], "instructions": "You guide."}
    config["agents"]["desk"] |= {"instructions": "You are the desk."}
    client = await chat({**config, "entry": "guide"}, acts_py=ACTS)
    client.player.replies = [[call("transfer_to_desk")], [call("refund", order="A1", amount=20)], "It is done."]
    asked = await client.say("refund A1")
    answer = await _click(client, asked.thread_id, _cards(asked)[0], approved=True)
    assert answer.said == ["It is done."]
    assert client.player.asked[-1].instructions == "You are the desk."
    assert client.player.asked[-1].tools == ["refund", "wipe"]
    assert client.player.asked[-1].handoffs == []


@EVERY_TURN
async def test_who_is_handed_over_to_after_a_yes_may_ask_again(chat: MakeChat) -> None:
    config = _desk()
    config["agents"]["guide"] = {"tools": ["wipe"], "handoffs": ["desk"]}
    config |= {"entry": "guide", "store": "sqlite:///threads.db"}
    client = await chat(config, acts_py=ACTS)
    client.player.replies = [
        [call("wipe", what="all")],
        [call("transfer_to_desk")],
        [call("refund", order="A1", amount=20)],
    ]
    asked = await client.say("wipe all, then refund A1")
    first = await _click(client, asked.thread_id, _cards(asked)[0], approved=True)
    await client.runtime.close()
    again = await chat(config, acts_py=ACTS)
    again.player.replies = ["Both are done."]
    second = await _click(again, asked.thread_id, _cards(first)[0], approved=True)
    assert second.said == ["Both are done."]
    assert (_done(client), _done(again)) == (["all"], [("A1", 20)])


@EVERY_TURN
@pytest.mark.in_process
async def test_the_number_of_agents_does_not_matter_to_a_run_that_goes_on(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    walked: list[str] = []

    def counting(agent: Any) -> str:
        walked.append(agent.name)
        return str(agent.name)

    config = _desk()
    names = [f"clerk_{number}" for number in range(40)]
    config["agents"]["desk"]["handoffs"] = names
    config["agents"] |= {name: {"handoffs": ["desk", *(other for other in names if other != name)]} for name in names}
    client = await chat({**config, "entry": "desk"}, acts_py=ACTS)
    monkeypatch.setattr("agents._run_state_agent_identity._agent_identity_signature", counting)
    client.player.replies = [[call("refund", order="A1", amount=20)], "It is done."]
    asked = await client.say("refund A1")
    answer = await _click(client, asked.thread_id, _cards(asked)[0], approved=True)
    assert answer.said == ["It is done."]
    assert set(walked) == {"", "desk"}


@EVERY_TURN
async def test_an_agent_that_is_a_tool_asks_as_well(chat: MakeChat) -> None:
    config = _desk()
    config["tools"]["ask_desk"] = {"agent": "desk"}
    config["agents"]["guide"] = {"tools": ["ask_desk"], "instructions": "You guide."}
    client = await chat({**config, "entry": "guide"}, acts_py=ACTS)
    client.player.replies = [
        [call("ask_desk", input="refund A1")],
        [call("refund", order="A1", amount=20)],
        "The desk has done it.",
        "It is done.",
    ]
    asked = await client.say("refund A1")
    answer = await _click(client, asked.thread_id, _cards(asked)[0], approved=True)
    assert _done(client) == [("A1", 20)]
    assert answer.said == ["It is done."]


@EVERY_TURN
async def test_a_stored_run_is_not_shown_to_the_client(chat: MakeChat) -> None:
    client = await chat(_desk(), acts_py=ACTS)
    client.player.replies = [[call("refund", order="A1", amount=20)]]
    asked = await client.say("refund A1")
    assert [item["type"] for item in await client.items(asked.thread_id)] == ["user_message", "widget"]
    hidden = [item.content for item in await client.hidden(asked.thread_id) if item.type == "hidden_context_item"]
    assert any("pending_run" in content for content in hidden)


async def test_the_bare_sdk_leaves_the_user_with_nothing(bare: MakeBare) -> None:
    from agents import function_tool

    @function_tool(needs_approval=True)
    def refund(order: str) -> str:
        return order

    client = bare(tools=[refund])
    client.player.replies = [[call("refund", order="A1")], "Done."]
    answer = await client.say("refund A1")
    assert answer.said == []
    assert json.dumps(answer.events).count("widget") == 0
