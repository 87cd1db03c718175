"""Routing: the entry agent by the composer's choices, by a condition, or by the project's Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conversations.conftest import MakeChat
from tests.conversations.playing import Player, call, on_stage

FIND = "tests.conversations.playing:find"
ACTS = """
async def look_up(what: str) -> str:
    \"\"\"Look something up.\"\"\"
    return what

async def choose(context):
    return context.thread.metadata.get("desk") or ("norsk" if context.locale == "nb" else "guide")

def nobody(context):
    return "somebody"
"""


@pytest.fixture
def players() -> Iterator[dict[str, Player]]:
    made = {
        "first": Player("From the first."),
        "second": Player("From the second."),
        "third": Player("From the third."),
    }
    on_stage.update(made)
    yield made
    for name in made:
        del on_stage[name]


def _models() -> dict[str, Any]:
    return {name: {"python": FIND, "with": {"name": name}} for name in ("first", "second", "third")}


def _two_desks(**more: Any) -> dict[str, Any]:
    return {
        "models": _models(),
        "agents": {
            "guide": {"model": "first", "tools": ["look_up"], "instructions": "You guide."},
            "norsk": {"model": "second", "instructions": "Du hjelper."},
        },
        "tools": {"look_up": "acts:look_up"},
        **more,
    }


async def test_a_choice_of_the_tool_menu_leads_to_an_agent(chat: MakeChat, players: dict[str, Player]) -> None:
    entry = [{"when": {"tool": "norsk"}, "agent": "norsk"}, "guide"]
    menu = {"tools": [{"id": "norsk", "label": "Norwegian"}]}
    client = await chat(_two_desks(entry=entry, chat={"composer": menu}), acts_py=ACTS)
    first = await client.say("hello")
    assert first.said == ["From the first."]
    chosen = await client.say("hei", first.thread_id, inference_options={"tool_choice": {"id": "norsk"}})
    assert chosen.said == ["From the second."]
    assert (await client.say("hello", first.thread_id)).said == ["From the first."]


async def test_a_retry_is_answered_by_the_agent_that_was_chosen(chat: MakeChat, players: dict[str, Player]) -> None:
    entry = [{"when": {"tool": "norsk"}, "agent": "norsk"}, "guide"]
    menu = {"tools": [{"id": "norsk", "label": "Norwegian"}]}
    client = await chat(_two_desks(entry=entry, chat={"composer": menu}), acts_py=ACTS)
    first = await client.say("hei", inference_options={"tool_choice": {"id": "norsk"}})
    asked = first.done("user_message")[0]["id"]
    again = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=asked)
    assert again.said == ["From the second."]


async def test_a_condition_leads_to_an_agent(chat: MakeChat, players: dict[str, Player]) -> None:
    entry = [{"when": "{{ locale == 'nb' }}", "agent": "norsk"}, "guide"]
    client = await chat(_two_desks(entry=entry), acts_py=ACTS)
    assert (await client.say("hello")).said == ["From the first."]
    client.headers["accept-language"] = "nb"
    assert (await client.say("hei")).said == ["From the second."]


async def test_a_condition_that_can_not_be_evaluated_does_not_hold(
    chat: MakeChat, players: dict[str, Player], caplog: pytest.LogCaptureFixture
) -> None:
    entry = [{"when": "{{ thread.metadata.desk > 3 }}", "agent": "norsk"}, "guide"]
    client = await chat(_two_desks(entry=entry), acts_py=ACTS)
    assert (await client.say("hello")).said == ["From the first."]
    assert "can't be evaluated" in caplog.text


async def test_a_route_can_be_turned_off(chat: MakeChat, players: dict[str, Player]) -> None:
    client = await chat(_two_desks(entry=[{"when": "no", "agent": "norsk"}, "guide"]), acts_py=ACTS)
    assert (await client.say("hello")).said == ["From the first."]
    client = await chat(_two_desks(entry=[{"when": True, "agent": "norsk"}, "guide"]), acts_py=ACTS)
    assert (await client.say("hello")).said == ["From the second."]


async def test_the_projects_own_function_decides(chat: MakeChat, players: dict[str, Player]) -> None:
    client = await chat(_two_desks(entry={"python": "acts:choose"}), acts_py=ACTS)
    assert (await client.say("hello")).said == ["From the first."]
    client.headers["accept-language"] = "nb"
    assert (await client.say("hei")).said == ["From the second."]


async def test_a_function_that_names_nobody_is_an_error_with_a_reference(
    chat: MakeChat, players: dict[str, Player], caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat(_two_desks(entry={"python": "acts:nobody"}), acts_py=ACTS)
    answer = await client.say("hello")
    assert "reference" in answer.of("error")[0]["message"]
    assert "returned 'somebody', and no agent is named that" in caplog.text


async def test_a_chosen_tool_is_called_first_and_only_once(chat: MakeChat, players: dict[str, Player]) -> None:
    menu = {"tools": [{"id": "look", "label": "Look it up", "tool": "look_up"}]}
    client = await chat(_two_desks(entry="guide", chat={"composer": menu}), acts_py=ACTS)
    players["first"].replies = [[call("look_up", what="trails")], "Found."]
    answer = await client.say("trails", inference_options={"tool_choice": {"id": "look"}})
    assert answer.said == ["Found."]
    choices = [asked.settings.tool_choice for asked in players["first"].asked]
    assert choices == ["look_up", None]


async def test_a_chosen_model_answers(chat: MakeChat, players: dict[str, Player]) -> None:
    menu = {"models": ["first", {"model": "third", "label": "Thorough"}]}
    client = await chat(_two_desks(entry="guide", chat={"composer": menu}), acts_py=ACTS)
    first = await client.say("hello", inference_options={"model": "third"})
    assert first.said == ["From the third."]
    assert players["third"].asked[0].tools == ["look_up"]
    assert players["third"].asked[0].instructions == "You guide."
    assert (await client.say("hello", first.thread_id)).said == ["From the first."]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"model": "second"}, "unknown_model"),
        ({"model": "third"}, "unknown_model"),
        ({"tool_choice": {"id": "draw"}}, "unknown_tool"),
    ],
)
async def test_what_the_menus_do_not_offer_is_refused(
    chat: MakeChat, players: dict[str, Player], options: dict[str, Any], code: str
) -> None:
    menu = {
        "models": ["first", {"model": "third", "disabled": True}],
        "tools": [{"id": "look", "label": "Look it up", "tool": "look_up"}],
    }
    client = await chat(_two_desks(entry="guide", chat={"composer": menu}), acts_py=ACTS)
    refused = await client.say("hello", inference_options=options)
    assert refused.status == 400
    assert refused.error["code"] == code
    assert "offered: 'first'" in refused.error["message"] or "offered: 'look'" in refused.error["message"]
    assert (await client.call("threads.list")).json["data"] == []


async def test_a_choice_that_an_edit_took_away_is_no_longer_made(chat: MakeChat, players: dict[str, Player]) -> None:
    menu = {"models": ["first", "third"]}
    client = await chat(_two_desks(entry="guide", chat={"composer": menu}), acts_py=ACTS)
    first = await client.say("hello", inference_options={"model": "third"})
    asked = first.done("user_message")[0]["id"]
    text = (client.folder / "agents.yaml").read_text().replace('["first", "third"]', '["first"]')
    (client.folder / "agents.yaml").write_text(text)
    assert (await client.runtime.reload()).status == "reloaded"
    again = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=asked)
    assert again.said == ["From the first."]


async def test_a_preface_is_sent_to_the_model_in_each_turn_and_never_stored(
    chat: MakeChat, players: dict[str, Player]
) -> None:
    config = _two_desks(entry="guide")
    config["agents"]["guide"]["preface"] = "<USER>{{ user.id }}, {{ locale }}</USER>"
    client = await chat(config, acts_py=ACTS)
    first = await client.say("one")
    await client.say("two", first.thread_id)
    told = [[item["content"] for item in asked.input if item["role"] == "user"] for asked in players["first"].asked]
    assert told == [["<USER>local, en</USER>", "one"], ["one", "<USER>local, en</USER>", "two"]]
    assert "USER" not in str(await client.items(first.thread_id))


async def test_a_preface_stays_before_the_message_while_tools_are_called(
    chat: MakeChat, players: dict[str, Player]
) -> None:
    config = _two_desks(entry="guide")
    config["agents"]["guide"]["preface"] = "Now it is {{ now.year }}."
    client = await chat(config, acts_py=ACTS)
    players["first"].replies = [[call("look_up", what="trails")], "Found."]
    assert (await client.say("trails")).said == ["Found."]
    assert players["first"].asked[1].input[0]["content"].startswith("Now it is 20")


async def test_errors_are_shown_in_the_projects_own_words(chat: MakeChat, players: dict[str, Player]) -> None:
    errors = {"max_turns": "Too many steps for {{ user.id }}.", "unexpected": "Ouch ({{ reference }})."}
    config = _two_desks(entry="guide", chat={"errors": errors})
    config["agents"]["guide"]["max_turns"] = 1
    client = await chat(config, acts_py=ACTS)
    players["first"].replies = [[call("look_up", what="trails")], ValueError("no"), [call("look_up", what="x")]]
    assert (await client.say("trails")).of("error")[0]["message"] == "Too many steps for local."
    failed = await client.say("trails")
    assert failed.of("error")[0]["message"] == f"Ouch ({failed.headers['x-request-id']})."


async def test_a_text_for_errors_that_can_not_be_made_gives_way_to_ours(
    chat: MakeChat, players: dict[str, Player]
) -> None:
    config = _two_desks(entry="guide", chat={"errors": {"unexpected": "{{ thread.metadata.desk + 1 }}"}})
    client = await chat(config, acts_py=ACTS)
    players["first"].replies = [ValueError("no")]
    assert (await client.say("trails")).of("error")[0]["message"].startswith("Something went wrong")
