"""Fallback: another model answers if the first fails before its first output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.assemble.scripted_events import ScriptedFailure
from runtime.testing import OpenAIStub, ProviderCase, RawReply
from tests.conversations.conftest import MakeChat
from tests.conversations.playing import Player, on_stage

FIND = "tests.conversations.playing:find"


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


def _config(**more: Any) -> dict[str, Any]:
    models: dict[str, Any] = {name: {"python": FIND, "with": {"name": name}} for name in ("first", "second", "third")}
    models["first"] |= {"fallback": ["second", "third"], "settings": {"temperature": 0.1, "top_p": 0.5}}
    models["second"] |= {"settings": {"temperature": 0.9}}
    return {"models": models, "agents": {"guide": {"model": "first", "settings": {"max_tokens": 100}}}, **more}


@pytest.mark.parametrize("failure", [ScriptedFailure("busy", 503), ScriptedFailure("too much", 429), TimeoutError()])
async def test_the_next_model_answers_where_the_first_can_not(
    chat: MakeChat, players: dict[str, Player], failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat(_config())
    players["first"].replies = [failure]
    answer = await client.say("hello")
    assert answer.said == ["From the second."]
    assert answer.deltas == "From the second."
    assert "model 'first' failed, asking 'second'" in caplog.text


async def test_a_script_behind_it_has_replies_for_one_agent_alone(chat: MakeChat, players: dict[str, Player]) -> None:
    config = _config()
    config["models"]["second"] = {"scripted": "script.yaml"}
    script = "turns:\n- {agent: guide, reply: For the guide.}\n- {reply: For anybody.}\n"
    client = await chat(config, script_yaml=script)
    players["first"].replies = [ScriptedFailure("busy", 503)]
    assert (await client.say("hello")).said == ["For the guide."]


async def test_each_model_has_its_own_settings_and_those_of_the_agent(
    chat: MakeChat, players: dict[str, Player]
) -> None:
    client = await chat(_config())
    players["first"].replies = [ScriptedFailure("busy", 503)]
    await client.say("hello")
    settings = players["second"].asked[0].settings
    assert (settings.temperature, settings.top_p, settings.max_tokens) == (0.9, None, 100)


async def test_the_last_error_is_shown_where_all_models_fail(chat: MakeChat, players: dict[str, Player]) -> None:
    client = await chat(_config())
    for player in players.values():
        player.replies = [ScriptedFailure("busy", 503)]
    assert "not available right now" in (await client.say("hello")).of("error")[0]["message"]
    assert [len(player.asked) for player in players.values()] == [1, 1, 1]


GONE = [
    (404, {"error": {"message": "The model `gpt-5` does not exist.", "code": "model_not_found"}}),
    (400, {"error": {"message": "The model `x` has been decommissioned.", "code": "model_decommissioned"}}),
    (400, {"object": "error", "message": "Invalid model: x", "code": "1500"}),
    (400, {"error": {"message": "x is not a valid model ID", "code": 400}}),
    (400, {"message": "The provided model identifier is invalid."}),
    (404, {"detail": "Not Found"}),
    (410, {}),
    (401, {"error": {"message": "Incorrect API key provided."}}),
    (403, {"error": "no access"}),
]


@pytest.mark.parametrize(("status", "body"), GONE)
async def test_the_next_model_answers_where_the_first_was_shut_down_or_its_key_is_not_valid(
    chat: MakeChat, status: int, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with OpenAIStub({"otherwise": "No."}) as stub, OpenAIStub({"otherwise": "I am here."}) as other:
        endpoint = {"name": "m", "api": "chat_completions", "api_key": "any", "retries": 0, "timeout": "180s"}
        models = {
            "default": {**endpoint, "base_url": stub.base_url, "fallback": ["next"]},
            "next": {**endpoint, "base_url": other.base_url},
        }
        client = await chat({"models": models})
        reply = RawReply(json.dumps(body).encode(), status, "application/json")
        stub.replay(ProviderCase("gone", "the model is gone", (reply,)))
        answer = await client.say("hello")
    assert (answer.said, answer.of("error")) == (["I am here."], [])
    assert "model 'default' failed, asking 'next': " in caplog.text
    assert f"Error code: {status}" in caplog.text


async def test_a_request_that_is_refused_is_not_sent_to_others(chat: MakeChat, players: dict[str, Player]) -> None:
    client = await chat(_config())
    players["first"].replies = [ScriptedFailure("bad request", 400)]
    assert "refused" in (await client.say("hello")).of("error")[0]["message"]
    assert players["second"].asked == []


async def test_nobody_takes_over_in_the_middle_of_an_answer(chat: MakeChat, players: dict[str, Player]) -> None:
    client = await chat(_config())
    players["first"].replies = [["Half of it", ScriptedFailure("busy", 503)]]
    answer = await client.say("hello")
    assert answer.deltas == "Half of it"
    assert answer.of("error")
    assert players["second"].asked == []


async def test_an_endpoint_that_is_down_gives_way_to_one_that_is_there(chat: MakeChat) -> None:
    with OpenAIStub({"otherwise": "I am here."}) as stub:
        models = {
            "default": {
                "name": "away",
                "base_url": "http://127.0.0.1:9/v1",
                "api_key": "none",
                "retries": 0,
                "timeout": "180s",
                "fallback": ["near"],
            },
            "near": {"name": "scripted", "base_url": stub.base_url, "api_key": "none", "api": "chat_completions"},
        }
        client = await chat({"models": models})
        assert (await client.say("hello")).said == ["I am here."]


async def test_a_call_that_failed_is_tried_again_whatever_the_provider(chat: MakeChat) -> None:
    settings = {"retry": {"max": 2, "backoff": {"initial": 0, "max": 0, "jitter": False}}}
    client = await chat({"agents": {"helper": {"settings": settings}}})
    client.player.replies = [ScriptedFailure("busy", 503), ScriptedFailure("busy", 503), "At last."]
    answer = await client.say("hello")
    assert (answer.said, len(client.player.asked)) == (["At last."], 3)
    client.player.replies = [ScriptedFailure("not that", 400), "Never."]
    assert len((await client.say("hello")).of("error")) == 1


async def test_a_call_that_takes_too_long_ends(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"settings": {"timeout": "20ms"}}}})
    client.player.replies = ["one two"]
    client.player.gate("two")
    [error] = (await client.say("hello")).of("error")
    assert error["message"].startswith("The model took too long to answer.")
