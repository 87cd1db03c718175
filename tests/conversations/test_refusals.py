"""A turn that fails: the user gets a message with a reference, which is in the log as well."""

from __future__ import annotations

import logging
from typing import Any

import httpx2
import openai
import pytest
from agents import function_tool

from tests.conversations.conftest import MakeBare, MakeChat
from tests.conversations.playing import call

CODE = """
from chatkit.errors import CustomStreamError, ErrorCode, StreamError

def look_up(city: str) -> str:
    "Look up."
    return city

async def breaks(ctx, action, sender):
    raise RuntimeError("secret detail")

async def custom(ctx, action, sender):
    await ctx.context.say("first this")
    raise CustomStreamError("Not on Sundays.", allow_retry=True)

async def plain(ctx, action, sender):
    raise StreamError(ErrorCode.STREAM_ERROR, allow_retry=False)

async def midway(ctx, action, sender):
    yield None
"""
ACTIONS = {name: f"acts:{name}" for name in ("breaks", "custom", "plain", "midway")}


def _api_error(status: int) -> openai.APIStatusError:
    request = httpx2.Request("POST", "http://127.0.0.1/v1/responses")
    return openai.APIStatusError("secret detail", response=httpx2.Response(status, request=request), body=None)


REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/responses")
FAILURES: list[tuple[Exception, str, bool]] = [
    (RuntimeError("secret detail"), "Something went wrong", True),
    (_api_error(400), "The model refused the request.", False),
    (_api_error(401), "The assistant has no access to its model. Please tell the people who run it.", False),
    (_api_error(404), "The assistant has no access to its model.", False),
    (_api_error(429), "receiving too many requests", True),
    (_api_error(503), "not available right now", True),
    (openai.APIConnectionError(request=REQUEST), "can't be reached", True),
    (openai.APITimeoutError(request=REQUEST), "took too long", True),
]


@pytest.mark.parametrize(
    ("error", "message", "retry"), FAILURES, ids=[repr(f[0])[:30] + str(i) for i, f in enumerate(FAILURES)]
)
async def test_a_model_that_fails_is_explained_with_a_reference_and_retry_where_it_helps(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, error: Exception, message: str, retry: bool
) -> None:
    client = await chat()
    client.player.replies = [error]
    answer = await client.say("hi")
    event = answer.events[-1]
    assert (event["type"], event["allow_retry"]) == ("error", retry)
    assert message in event["message"]
    reference = answer.headers["x-request-id"]
    assert f"(reference {reference})" in event["message"]
    assert "secret" not in event["message"]
    assert any(reference in record.message for record in caplog.records if record.levelno == logging.ERROR)
    assert answer.complete


async def test_the_bare_sdk_says_nothing_of_why_and_always_invites_to_retry(bare: MakeBare) -> None:
    client = bare()
    client.player.replies = [_api_error(401)]
    answer = await client.say("hi")
    assert answer.of("error") == [{"type": "error", "code": "stream.error", "allow_retry": True}]


async def test_too_many_steps_have_a_message_of_their_own(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"tools": ["acts:look_up"], "max_turns": 2}}}, acts_py=CODE)
    client.player.replies = [[call("look_up", city="Oslo")]]
    event = (await client.say("hi")).events[-1]
    assert event["message"].startswith("The assistant reached its limit of steps before it could answer.")
    assert event["allow_retry"] is False
    assert len(client.player.asked) == 2


async def test_the_bare_sdk_says_nothing_of_too_many_steps(bare: MakeBare) -> None:
    @function_tool
    def look_up(city: str) -> str:
        return city

    client = bare(tools=[look_up], max_turns=2)
    client.player.replies = [[call("look_up", city="Oslo")]]
    assert "message" not in (await client.say("hi")).of("error")[0]


async def test_what_was_said_before_the_model_failed_is_kept(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = [["Half an answer", RuntimeError("down")], "Whole."]
    answer = await client.say("hi")
    assert answer.types[-1] == "error"
    items = await client.items(answer.thread_id)
    assert [item["type"] for item in items] == ["user_message", "assistant_message"]
    assert (await client.say("again", answer.thread_id)).said == ["Whole."]


async def test_calls_of_a_turn_that_failed_stay_in_pairs(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"tools": ["acts:look_up"]}}}, acts_py=CODE)
    client.player.replies = [[call("look_up", city="Oslo")], RuntimeError("down"), "Fine again."]
    answer = await client.say("hi")
    assert answer.types[-1] == "error"
    await client.say("again", answer.thread_id)
    asked = client.player.asked[-1]
    assert len(asked.of("function_call")) == len(asked.of("function_call_output")) == 1


async def test_an_action_handler_that_raises_ends_its_stream_with_an_error_event(chat: MakeChat) -> None:
    client = await chat({"actions": ACTIONS}, acts_py=CODE)
    thread = (await client.say("hi")).thread_id
    broken = await client.act(thread, "breaks")
    assert broken.status == 200
    assert broken.types[-1] == "error"
    assert b"secret" not in broken.body
    custom = await client.act(thread, "custom")
    assert custom.said == ["first this"]
    assert custom.events[-1] == {"type": "error", "code": "custom", "message": "Not on Sundays.", "allow_retry": True}
    plain = await client.act(thread, "plain")
    assert plain.events[-1] == {"type": "error", "code": "stream.error", "allow_retry": False}


async def test_an_action_handler_that_yields_nonsense_is_an_error_event_and_no_cut_stream(chat: MakeChat) -> None:
    client = await chat({"actions": ACTIONS}, acts_py=CODE)
    thread = (await client.say("hi")).thread_id
    answer = await client.act(thread, "midway")
    assert answer.broken is None
    assert answer.types[-1] == "error"


async def test_a_tool_that_raises_is_an_error_for_the_model_and_the_turn_goes_on(chat: MakeChat) -> None:
    code = "def broken(city: str) -> str:\n    'Break.'\n    raise ValueError('no such city')\n"
    client = await chat({"agents": {"helper": {"tools": ["acts:broken"]}}}, acts_py=code)
    client.player.replies = [[call("broken", city="?")], "I could not find it."]
    assert (await client.say("hi")).said == ["I could not find it."]
    assert "An error occurred" in client.player.asked[1].of("function_call_output")[0]["output"]


async def test_a_model_that_calls_a_tool_it_was_not_given_is_an_error_event(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = [[call("made_up")]]
    answer = await client.say("hi")
    assert answer.broken is None
    assert answer.types[-1] == "error"


async def test_a_scripted_failure_reaches_the_user_as_an_error(chat: MakeChat) -> None:
    config: dict[str, Any] = {"models": {"default": {"scripted": "script.yaml"}}}
    client = await chat(config, script_yaml="otherwise: [{say: One moment}, {fail: the model is overloaded}]\n")
    answer = await client.say("hi")
    assert answer.types[-1] == "error"
