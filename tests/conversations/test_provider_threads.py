"""Threads that providers with rules of their own accept to their end: ids, thoughts, roles, approvals and retries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from runtime.testing import PROVIDER_CASES, OpenAIStub, ProviderCase, RawReply
from runtime.testing.provider_rules import Provider
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.provider_outcomes import TOOLS, model_of, project

APIS = pytest.mark.parametrize("api", ["chat_completions", "responses"])
SCRIPT = {
    "turns": [
        {"user": "refund", "reply": [{"call": {"refund": {"order": "A1"}}}, "Refunded."]},
        {"user": "parks", "reply": [{"call": {"look_up": {"city": "Oslo"}}}, "{{ result }}."]},
    ],
    "otherwise": "Yes.",
}
ACTS = TOOLS + "\ndone = []\n\ndef refund(order: str) -> str:\n    'Refund.'\n    done.append(order)\n    return 'ok'\n"
PICK = {"client": "pick", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub(SCRIPT) as running:
        yield running


def _sent(stub: OpenAIStub, index: int = -1) -> list[dict[str, Any]]:
    body: Mapping[str, Any] = stub.requests[index].body
    return list(body["input"] if "input" in body else body["messages"])


def _outcomes(stub: OpenAIStub) -> set[str]:
    """The outcomes of all requests but the first, whose form the endpoint may reject."""
    first_in_form = 1 if stub.requests[0].outcome == "refused" else 0
    return {request.outcome for request in stub.requests[first_in_form:]}


async def _click(client: Chat, answer: Any, approved: bool = True) -> Any:
    [card] = [item for item in answer.done("widget") if "confirm" in item["widget"]]
    action = card["widget"]["confirm" if approved else "cancel"]["action"]
    return await client.act(card["thread_id"], action["type"], action["payload"], card["id"])


# Approvals.


@APIS
@pytest.mark.parametrize("before", [0, 1, 2])
async def test_an_approval_goes_on_in_any_turn(chat: MakeChat, stub: OpenAIStub, api: str, before: int) -> None:
    desk = {
        "models": {"default": model_of(api, stub)},
        "tools": {"refund": {"python": "acts:refund", "needs_approval": True}},
        "agents": {"desk": {"tools": ["refund"]}},
    }
    client = await chat(desk, acts_py=ACTS)
    thread = None
    for _ in range(before):
        thread = (await client.say("hello", thread)).thread_id if thread is None else thread
        await client.say("hello", thread)
    asked = await client.say("refund A1", thread)
    answer = await _click(client, asked)
    assert answer.of("error") == []
    assert answer.said == ["Refunded."]
    thread = thread or asked.thread_id
    assert (await client.say("thanks", thread)).said == ["Yes."]
    assert _outcomes(stub) == {"answered"}


# Ids of calls.


@APIS
async def test_an_id_that_a_provider_uses_again_and_again_is_replaced(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    thread = None
    for _ in range(3):
        stub.replay("constant_call_id")
        answer = await client.say("How many parks has Oslo?", thread)
        assert answer.said == ["Oslo has 7 parks."]
        thread = thread or answer.thread_id
    await client.say("thanks", thread)
    history = _sent(stub)
    if api == "responses":
        calls = [item["call_id"] for item in history if item.get("type") == "function_call"]
    else:
        calls = [call["id"] for item in history for call in item.get("tool_calls") or ()]
    assert len(calls) == len(set(calls)) == 3
    assert json.dumps(history).count("Oslo has 7 parks") == 6
    assert _outcomes(stub) == {"answered"}


@APIS
async def test_two_calls_with_one_id_in_a_response_both_run(chat: MakeChat, stub: OpenAIStub, api: str) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay("same_call_id_twice")
    assert (await client.say("parks of both?")).said == ["Oslo has 7 parks."]
    told = json.dumps(_sent(stub))
    assert "Oslo has 7 parks" in told
    assert "Rome has 7 parks" in told


async def test_ids_are_of_the_form_that_mistral_accepts(chat: MakeChat) -> None:
    with OpenAIStub(SCRIPT, provider="mistral") as stub:
        client = await chat(project("chat_completions", stub), acts_py=TOOLS)
        first = await client.say("parks?")
        assert first.said == ["Oslo has 7 parks."]
        assert (await client.say("and more parks?", first.thread_id)).said == ["Oslo has 7 parks."]
        assert _outcomes(stub) == {"answered"}


# Thoughts that must come back.


@pytest.mark.parametrize(
    ("case", "provider", "name"),
    [
        ("reasoning_content", "deepseek", "quirky-1"),
        ("thought_signature", "gemini", "gemini-3"),
    ],
)
async def test_what_must_come_back_with_a_call_comes_back_in_every_later_turn(
    chat: MakeChat, case: str, provider: Provider, name: str
) -> None:
    with OpenAIStub(SCRIPT, provider=provider) as stub:
        model = {**model_of("chat_completions", stub), "name": name}
        client = await chat(project("chat_completions", stub, models={"default": model}), acts_py=TOOLS)
        thread = None
        for _ in range(2):
            stub.replay(case)
            answer = await client.say("How many?", thread)
            assert answer.said == ["Oslo has 7 parks."], answer.events
            thread = thread or answer.thread_id
        assert (await client.say("thanks", thread)).said == ["Yes."]
        assert _outcomes(stub) == {"answered"}


async def test_a_client_tool_returns_with_the_thoughts_of_its_call(chat: MakeChat) -> None:
    with OpenAIStub(SCRIPT, provider="deepseek") as stub:
        config = project("chat_completions", stub, tools={"look_up": PICK})
        client = await chat(config)
        stub.replay("reasoning_content")
        asked = await client.say("How many?")
        assert len(asked.done("client_tool_call")) == 1
        answer = await client.result(asked.thread_id, {"parks": 7})
        assert answer.said == ["Oslo has 7 parks."]
        assert (await client.say("thanks", asked.thread_id)).said == ["Yes."]
        assert _outcomes(stub) == {"answered"}


async def test_thoughts_do_not_go_to_another_endpoint(chat: MakeChat, stub: OpenAIStub) -> None:
    with OpenAIStub(SCRIPT, provider="mistral") as other:
        models = {"default": model_of("chat_completions", stub), "next": model_of("chat_completions", other)}
        menu = {"composer": {"models": ["default", "next"]}}
        config = project("chat_completions", stub, models=models, chat=menu)
        client = await chat(config, acts_py=TOOLS)
        stub.replay("reasoning_content")
        first = await client.say("How many?")
        second = await client.say("thanks", first.thread_id, inference_options={"model": "next"})
        assert second.said == ["Yes."]
        assert _outcomes(other) == {"answered"}
        assert "reasoning" not in json.dumps(_sent(other))


# Roles.


async def test_a_failed_turn_and_a_preface_leave_a_thread_that_chat_templates_accept(chat: MakeChat) -> None:
    with OpenAIStub(SCRIPT, provider="llama_cpp") as stub:
        agents = {"helper": {"tools": ["look_up"], "instructions": "Be kind.", "preface": "Today is Monday."}}
        client = await chat(project("chat_completions", stub, agents=agents), acts_py=TOOLS)
        first = await client.say("hello")
        stub.replay("server_error_in_stream")
        assert (await client.say("hello again", first.thread_id)).of("error")
        assert (await client.say("parks?", first.thread_id)).said == ["Oslo has 7 parks."]
        assert (await client.say("still there?", first.thread_id)).said
        assert [request.outcome for request in stub.requests if request.outcome == "refused"] == []


# Retries.


@APIS
async def test_a_retry_after_a_failure_behind_a_tool_does_not_run_the_tool_again(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    config = project(api, stub, tools={"refund": "acts:refund"}, agents={"helper": {"tools": ["refund"]}})
    client = await chat(config, acts_py=ACTS)
    first = await _fails_behind_the_tool(client, stub)
    assert first.of("error")[-1]["allow_retry"]
    message = first.done("user_message")[0]["id"]
    again = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=message)
    assert again.said == ["Refunded."]
    assert client.runtime.generation.snapshot.code.resolve("acts:done") == ["A1"]
    assert (await client.say("thanks", first.thread_id)).said == ["Yes."]
    assert [item["type"] for item in await client.items(first.thread_id)] == [
        "user_message", "assistant_message", "user_message", "assistant_message",
    ]  # fmt: skip


async def _fails_behind_the_tool(client: Chat, stub: OpenAIStub) -> Any:
    called, failed = PROVIDER_CASES["constant_call_id"], PROVIDER_CASES["server_error_in_stream"]
    chat = (_renamed(called.chat[0]), *failed.chat)
    stub.replay(
        ProviderCase("both", "a call, then a failure", chat, (_renamed(called.responses[0]), *failed.responses))
    )
    return await client.say("refund it")


def _renamed(reply: RawReply) -> RawReply:
    body = reply.body.replace(b"look_up", b"refund").replace(b'\\"city\\": \\"Oslo\\"', b'\\"order\\": \\"A1\\"')
    return RawReply(body)
