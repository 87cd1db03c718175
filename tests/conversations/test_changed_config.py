"""Threads that an earlier version of a project left behind: today's meets them, and says so where it can't go on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from runtime.server.history.converter import UNANSWERED
from runtime.server.turns.clicks import StaleWidget
from runtime.server.turns.client_tools import REMOVED_TOOL
from runtime.server.turns.request_types import CONTINUE
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call

Version = Callable[..., Awaitable[Chat]]

BUTTON = {"type": "Button", "label": "Buy", "onClickAction": {"type": "buy", "payload": {"id": "A-1"}}}
CARD = {"card": {"template": {"type": "Card", "children": [BUTTON]}}}
NUMBER = {"type": "object", "properties": {"id": {"type": "integer"}}}
SHOP = {"widgets": CARD, "tools": {"offer": {"widget": "card"}}, "agents": {"helper": {"tools": ["offer"]}}}
BUY = {"message": "Buy {{ payload.id }}"}
ACTS = "async def buy(ctx, action, sender):\n    await ctx.context.say('Bought.')\n"
NOTICE = {"type": "notice", "level": "info", "message": StaleWidget.notice}
PICK = {"client": "get_selection", "description": "Read the selection."}
POINT = {"client": "get_pointer", "description": "Read the pointer."}


@pytest.fixture
def version(chat: MakeChat, tmp_path: Path) -> Version:
    """Serve a version of a project; the one before it is closed, and its threads are there."""
    served: list[Chat] = []

    async def make(config: Mapping[str, Any], **files: str) -> Chat:
        for client in served:
            await client.runtime.close()
        client = await chat(
            {**config, "store": f"sqlite:///{tmp_path}/threads.db"}, name=f"version{len(served)}", **files
        )
        served.append(client)
        return client

    return make


async def _offered(client: Chat) -> tuple[str, str]:
    """A thread with a widget in it."""
    client.player.replies = [[call("offer")], "Here you are."]
    answer = await client.say("What is there?")
    return answer.thread_id, str(answer.done("widget")[0]["id"])


def _tools(**tools: Any) -> dict[str, Any]:
    return {"tools": tools, "agents": {"helper": {"tools": list(tools)}}}


def _results(client: Chat) -> dict[str, str]:
    """The results of tool calls in the model's last input."""
    asked = client.player.asked[-1]
    names = {item["call_id"]: item["name"] for item in asked.of("function_call")}
    return {names[item["call_id"]]: item["output"].strip('"') for item in asked.of("function_call_output")}


async def test_a_click_whose_action_is_gone_gets_a_notice_and_changes_nothing(
    version: Version, caplog: pytest.LogCaptureFixture
) -> None:
    thread, item = await _offered(await version({**SHOP, "actions": {"buy": BUY}}))
    client = await version({"actions": {"sell": BUY}})
    before = await client.hidden(thread)
    caplog.set_level("INFO", "runtime.server")

    clicked = await client.act(thread, "buy", {"id": "A-1"}, item)

    assert clicked.types == ["stream_options", "notice"]
    assert clicked.events[-1] == NOTICE
    assert await client.hidden(thread) == before
    assert f"ignored a click in item {item}: no action 'buy' is declared (declared: 'sell')" in caplog.messages


async def test_an_unknown_action_that_no_stored_widget_offers_is_still_refused(version: Version) -> None:
    thread, item = await _offered(await version({**SHOP, "actions": {"buy": BUY}}))
    client = await version({})
    message = (await client.items(thread))[0]["id"]
    for kind, sender in (("sell", item), ("buy", None), ("buy", message), ("buy", "itm_nowhere"), ("Button", item)):
        refused = await client.act(thread, kind, {"id": "A-1"}, sender)
        assert (refused.status, refused.error["code"]) == (400, "unknown_action")
    refused = await client.act("thr_nowhere", "buy", {"id": "A-1"}, item)
    assert (refused.status, refused.error["code"]) == (400, "unknown_action")


@pytest.mark.parametrize("after", [{**BUY, "payload": NUMBER}, {"message": "Buy {{ payload.ref }}"}])
async def test_a_payload_of_an_earlier_version_that_does_not_fit_gets_a_notice(
    version: Version, caplog: pytest.LogCaptureFixture, after: dict[str, Any]
) -> None:
    thread, item = await _offered(await version({**SHOP, "actions": {"buy": BUY}}))
    client = await version({**SHOP, "actions": {"buy": after}})
    before = await client.hidden(thread)

    clicked = await client.act(thread, "buy", {"id": "A-1"}, item)

    assert clicked.events[-1] == NOTICE
    assert await client.hidden(thread) == before
    record = next(record for record in caplog.records if item in record.getMessage())
    assert record.levelname == "WARNING"
    assert "of an earlier version of the project" in record.getMessage()
    refused = await client.act(thread, "buy", {"id": "A-1"})
    assert (refused.status, refused.error["code"]) == (400, "invalid_payload")


@pytest.mark.parametrize("declared", [{**BUY, "payload": NUMBER}, {"message": "Buy {{ payload.ref }}"}])
async def test_a_payload_of_this_version_that_does_not_fit_is_a_mistake(
    version: Version, declared: dict[str, Any]
) -> None:
    client = await version({**SHOP, "actions": {"buy": declared}})
    thread, item = await _offered(client)
    refused = await client.act(thread, "buy", {"id": "A-1"}, item)
    assert (refused.status, refused.error["code"]) == (400, "invalid_payload")


async def test_a_click_that_still_fits_does_what_it_does_today(version: Version) -> None:
    thread, item = await _offered(await version({**SHOP, "actions": {"buy": BUY}}))
    client = await version({"actions": {"buy": "acts:buy"}}, acts_py=ACTS)
    assert (await client.act(thread, "buy", {"id": "A-1"}, item)).said == ["Bought."]


async def test_a_sync_click_that_can_do_nothing_is_refused_in_the_same_words(version: Version) -> None:
    declared = {"python": "acts:buy", "sync": True}
    thread, item = await _offered(await version({**SHOP, "actions": {"buy": declared}}, acts_py=ACTS))
    for actions in ({}, {"buy": {**declared, "payload": NUMBER}}):
        client = await version({"actions": actions}, acts_py=ACTS)
        refused = await client.act_now(thread, "buy", {"id": "A-1"}, item)
        assert (refused.status, refused.error["code"]) == (409, "outdated_widget")
        assert refused.error["message"] == StaleWidget.notice
    assert (await client.act_now(thread, "buy", {"id": "A-1"})).status == 400


async def test_the_result_of_a_client_tool_that_is_gone_is_kept_and_starts_no_turn(version: Version) -> None:
    client = await version(_tools(pick=PICK))
    client.player.replies = [[call("pick")]]
    thread = (await client.say("What did I choose?")).thread_id
    client = await version({})

    answered = await client.result(thread, {"chosen": "the blue one"})

    assert answered.types == ["stream_options", "notice"]
    assert answered.events[-1]["message"] == f"{REMOVED_TOOL} {CONTINUE}"
    assert len(client.player.asked) == 1
    stored = (await client.items(thread))[-1]
    assert (stored["status"], stored["output"]) == ("completed", {"chosen": "the blue one"})
    client.player.replies = ["The blue one."]
    assert (await client.say("So?", thread)).said == ["The blue one."]
    asked = client.player.asked[-1]
    assert [item["name"] for item in asked.of("function_call")] == ["pick"]
    assert [json.loads(item["output"]) for item in asked.of("function_call_output")] == [{"chosen": "the blue one"}]


async def test_a_queued_call_of_a_tool_that_is_gone_is_not_sent(version: Version) -> None:
    client = await version(_tools(pick=PICK, point=POINT))
    client.player.replies = [[call("pick"), call("point")], "Done."]
    thread = (await client.say("go")).thread_id
    client = await version(_tools(pick=PICK))

    answered = await client.result(thread, "the blue one")

    assert answered.done("client_tool_call") == []
    assert answered.said == ["Done."]
    assert _results(client) == {"pick": "the blue one", "point": UNANSWERED}
    assert (await client.result(thread, "late")).types == ["stream_options", "notice"]


async def test_a_queued_call_whose_tool_is_still_there_goes_out_all_the_same(version: Version) -> None:
    client = await version(_tools(pick=PICK, point=POINT))
    client.player.replies = [[call("pick"), call("point")], "Done."]
    thread = (await client.say("go")).thread_id
    client = await version(_tools(point=POINT))

    answered = await client.result(thread, "the blue one")

    assert answered.events[1]["message"] == REMOVED_TOOL
    assert [item["name"] for item in answered.done("client_tool_call")] == ["get_pointer"]
    assert (await client.result(thread, "up")).said == ["Done."]
    assert _results(client) == {"pick": "the blue one", "point": "up"}


async def test_a_call_of_the_client_that_an_action_made_has_no_tool_to_lose(version: Version) -> None:
    ask = "async def ask(ctx, action, sender):\n    await ctx.context.call_client('get_selection')\n"
    client = await version({"actions": {"ask": "acts:ask"}}, acts_py=ask)
    thread = (await client.say("hi")).thread_id
    assert (await client.act(thread, "ask")).done("client_tool_call")
    client = await version({})
    client.player.replies = ["Thanks."]
    assert (await client.result(thread, "the blue one")).said == ["Thanks."]


async def test_a_widget_that_is_no_longer_declared_is_shown_and_passed_to_the_model_as_before(version: Version) -> None:
    client = await version(SHOP)
    thread, item = await _offered(client)
    before = await client.items(thread)
    client = await version({})
    assert await client.items(thread) == before
    loaded = await client.call("threads.get_by_id", thread_id=thread)
    shown = next(found for found in loaded.json["items"]["data"] if found["id"] == item)
    assert shown["widget"]["children"][0]["label"] == "Buy"
    client.player.replies = ["As I said."]
    assert (await client.say("And?", thread)).said == ["As I said."]
    assert "Buy" in json.dumps(client.player.asked[-1].input)


async def test_a_model_that_calls_a_removed_tool_gets_an_error_that_says_so(version: Version) -> None:
    client = await version(_tools(look="acts:look"), acts_py='def look() -> str:\n    "Look."\n    return "a lake"\n')
    client.player.replies = [[call("look")], "A lake."]
    thread = (await client.say("Look!")).thread_id
    client = await version({})
    client.player.replies = [[call("look")], "I can't look any more."]

    assert (await client.say("Again!", thread)).said == ["I can't look any more."]

    asked = client.player.asked[-1]
    assert asked.tools == []
    assert [item["name"] for item in asked.of("function_call")] == ["look", "look"]
    gone = "There is no tool 'look', and no other one. Answer without tools."
    assert [item["output"] for item in asked.of("function_call_output")] == ["a lake", gone]


async def test_a_thread_goes_on_with_the_agent_that_is_the_entry_now(version: Version) -> None:
    agents = {"greeter": {"instructions": "Greet.", "handoffs": ["expert"]}, "expert": {"instructions": "Explain."}}
    client = await version({"agents": agents, "entry": "greeter"})
    client.player.replies = [[call("transfer_to_expert")], "I am the expert."]
    answer = await client.say("Explain it.")
    assert answer.said == ["I am the expert."]
    client = await version({"agents": {"teacher": {"instructions": "Teach."}}})
    client.player.replies = ["I am the teacher."]
    assert (await client.say("Go on.", answer.thread_id)).said == ["I am the teacher."]
    asked = client.player.asked[-1]
    assert asked.instructions == "Teach."
    assert "I am the expert." in json.dumps(asked.input)


async def test_calls_of_tools_that_are_gone_count_as_declined_once_the_user_types_on(version: Version) -> None:
    client = await version(_tools(pick=PICK, point=POINT))
    client.player.replies = [[call("pick"), call("point")], "Never mind."]
    thread = (await client.say("go")).thread_id
    client = await version({})
    assert (await client.say("Something else.", thread)).said == ["Never mind."]
    assert _results(client) == {"pick": UNANSWERED, "point": UNANSWERED}
