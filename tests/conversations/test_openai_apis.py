"""The whole server on the real OpenAI client over HTTP: conversations that both OpenAI APIs accept to their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from agents import OpenAIChatCompletionsModel, RunConfig
from openai import AsyncOpenAI

from runtime.testing import OpenAIStub
from tests.conversations.conftest import Chat, MakeBare, MakeChat

SCRIPT = {
    "turns": [
        {"user": "Oslo", "reply": [{"call": {"look_up": {"city": "Oslo"}}}, "Oslo: {{ result }}"]},
        {
            "user": "Rome",
            "reply": ["One moment.", {"call": {"look_up": [{"city": "Rome"}][0]}}, "Rome: {{ result }}"],
        },
        {
            "user": "both",
            "reply": [
                {"think": "They want both."},
                {"call": [{"look_up": {"city": "Bergen"}}, {"look_up": {"city": "Turin"}}]},
                "Both are done.",
            ],
        },
        {"user": "choose", "reply": [{"call": {"pick": {"page": "1"}}}, "You chose {{ result }}."]},
        {"user": "invoice", "reply": [{"handoff": "billing"}, "Paid."]},
        {"user": "crash", "reply": {"fail": {"message": "secret detail", "status": 400}}},
    ],
    "otherwise": "Yes.",
}
TOOLS = "def look_up(city: str) -> str:\n    'Look a city up.'\n    return city + ' has 7 parks'\n"
PICK = {
    "client": "get_selection",
    "parameters": {
        "type": "object",
        "properties": {"page": {"type": "string"}},
        "required": ["page"],
        "additionalProperties": False,
    },
}


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub(SCRIPT) as running:
        yield running


async def _project(chat: MakeChat, stub: OpenAIStub, api: str, **more: Any) -> Chat:
    model = {"name": "stub", "api": api, "base_url": stub.base_url, "api_key": "any", "retries": 0, "timeout": "180s"}
    config = {
        "entry": "helper",
        "models": {"default": model},
        "tools": {"look_up": "acts:look_up", "pick": PICK},
        "agents": {"helper": {"tools": ["look_up", "pick"], "handoffs": ["billing"]}, "billing": {}},
        **more,
    }
    return await chat(config, acts_py=TOOLS)


def _history(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(body["input"] if "input" in body else body["messages"])


APIS = ["responses", "chat_completions"]


@pytest.mark.parametrize("api", APIS)
async def test_three_turns_with_tool_calls_keep_their_history_and_are_never_refused(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await _project(chat, stub, api)
    first = await client.say("Oslo?")
    assert first.said == ["Oslo: Oslo has 7 parks"]
    thread = first.thread_id
    second = await client.say("and Rome?", thread)
    assert second.said == ["One moment.", "Rome: Rome has 7 parks"]
    third = await client.say("both, please", thread)
    assert third.said == ["Both are done."]
    fourth = await client.say("thanks", thread)
    assert fourth.said == ["Yes."]
    assert all(answer.of("error") == [] for answer in (first, second, third, fourth))
    assert [request.outcome for request in stub.requests] == ["answered"] * 7
    told = json.dumps(_history(stub.requests[-1].body))
    for city in ("Oslo", "Rome", "Bergen", "Turin"):
        assert f"{city} has 7 parks" in told
    items = await client.items(thread)
    ids = [item["id"] for item in items]
    assert len(ids) == len(set(ids))
    assert not any("fake" in item_id for item_id in ids)


@pytest.mark.parametrize("api", APIS)
async def test_a_client_tool_comes_back_to_the_call_that_asked_for_it(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await _project(chat, stub, api)
    first = await client.say("let me choose")
    item = first.done("client_tool_call")[0]
    assert item["arguments"] == {"page": "1"}
    second = await client.result(first.thread_id, "the red one")
    assert second.of("error") == []
    assert len(second.said) == 1, (second.events, stub.requests[-1].body)
    assert (await client.say("thanks", first.thread_id)).said == ["Yes."]
    assert item["call_id"] in json.dumps(_history(stub.requests[-1].body))
    assert {request.outcome for request in stub.requests} == {"answered"}


@pytest.mark.parametrize("api", APIS)
async def test_a_client_tool_that_the_user_types_past_leaves_a_history_that_is_accepted(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await _project(chat, stub, api)
    thread = (await client.say("let me choose")).thread_id
    assert (await client.say("never mind", thread)).said == ["Yes."]
    assert (await client.say("really", thread)).said == ["Yes."]
    assert {request.outcome for request in stub.requests} == {"answered"}


@pytest.mark.parametrize("api", APIS)
async def test_an_action_that_calls_the_client_leaves_a_history_that_is_accepted(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    actions = {"ask": "clicks:ask"}
    code = "async def ask(ctx, action, sender):\n    await ctx.context.call_client('get_selection', {'page': '2'})\n"
    model = {"name": "stub", "api": api, "base_url": stub.base_url, "api_key": "any", "retries": 0, "timeout": "180s"}
    client = await chat({"models": {"default": model}, "actions": actions}, clicks_py=code)
    thread = (await client.say("hello")).thread_id
    assert len((await client.act(thread, "ask")).done("client_tool_call")) == 1
    assert (await client.result(thread, {"n": 1})).of("error") == []
    assert {request.outcome for request in stub.requests} == {"answered"}


@pytest.mark.parametrize("api", APIS)
async def test_a_handoff_leaves_a_history_that_is_accepted(chat: MakeChat, stub: OpenAIStub, api: str) -> None:
    client = await _project(chat, stub, api)
    first = await client.say("my invoice?")
    assert first.of("error") == []
    second = await client.say("thanks", first.thread_id)
    assert second.of("error") == []
    assert {request.outcome for request in stub.requests} == {"answered"}


@pytest.mark.parametrize("api", APIS)
async def test_a_refusal_by_the_endpoint_is_shown_without_its_details(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await _project(chat, stub, api)
    event = (await client.say("crash")).events[-1]
    assert event["message"].startswith("The model refused the request.")
    assert (event["allow_retry"], "secret" in event["message"]) == (False, False)


@pytest.mark.parametrize("api", APIS)
async def test_an_endpoint_that_drops_the_connection_loses_neither_text_nor_thread(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await _project(chat, stub, api)
    thread = (await client.say("hello")).thread_id
    stub.cut_next(after=1)
    broken = await client.say("hello again", thread)
    assert broken.types[-1] == "error"
    assert broken.events[-1]["allow_retry"] is True
    assert (await client.say("still there?", thread)).said == ["Yes."]


@pytest.mark.parametrize("api", APIS)
async def test_a_client_that_leaves_closes_the_connection_to_the_model(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await _project(chat, stub, api)
    hold = stub.hold(after=1)
    answer = client.begin("hello")
    await hold.until_reached()
    await answer.until(lambda so_far: "stream_options" in so_far.types)
    answer.leave()
    await answer.end()
    await client.runtime.server.close(grace_s=20)
    assert await asyncio.to_thread(stub.requests[-1].done.wait, 180)
    assert stub.requests[-1].outcome == "gone"
    hold.release()


async def test_the_bare_sdk_fails_in_the_second_turn_on_chat_completions(bare: MakeBare, stub: OpenAIStub) -> None:
    client = bare()
    async with AsyncOpenAI(base_url=stub.base_url, api_key="any", max_retries=0) as openai:
        client.server.agent.model = OpenAIChatCompletionsModel("stub", openai)
        first = await client.say("hello")
        assert first.said == ["Yes."]
        assert len((await client.say("again", first.thread_id)).of("error")) == 1


async def test_the_bare_sdk_gives_every_chat_completions_message_the_same_id(bare: MakeBare, stub: OpenAIStub) -> None:
    client = bare()
    async with AsyncOpenAI(base_url=stub.base_url, api_key="any", max_retries=0) as openai:
        client.server.agent.model = OpenAIChatCompletionsModel("stub", openai)
        ids = [(await client.say("hello")).done("assistant_message")[0]["id"] for _ in range(2)]
    assert ids == ["__fake_id__"] * 2


def test_the_bare_sdk_traces_unless_it_is_told_not_to() -> None:
    assert RunConfig().tracing_disabled is False
