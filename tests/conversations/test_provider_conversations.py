"""Whole conversations at each provider of the docs: tools, a client tool, an approval, a handoff, and failed turns.

The stub rejects what the provider rejects, and answers in its manner.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from runtime.testing import PROVIDER_CASES, OpenAIStub, ProviderCase
from runtime.testing.provider_rules import PROVIDERS, Provider, has_responses
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.provider_outcomes import TOOLS, model_of

PLACES = [(provider, "chat_completions") for provider in PROVIDERS] + [
    (provider, "responses") for provider in PROVIDERS if has_responses(provider)
]
ACTS = (
    TOOLS
    + """
from agents import ToolOutputImage

done = []

def refund(order: str) -> str:
    "Refund."
    done.append(order)
    return "refunded"

def photo() -> ToolOutputImage:
    "Take a photo."
    return ToolOutputImage(image_url="data:image/png;base64,iVBORw0KGgo=")
"""
)
SCRIPT = {
    "turns": [
        {"user": "never mind", "reply": "Yes."},
        {"user": "parks", "reply": [{"think": "Parks."}, {"call": {"look_up": {"city": "Oslo"}}}, "{{ result }}."]},
        {
            "user": "choose",
            "reply": [{"think": "A choice."}, "Choose.", {"call": {"pick": {"city": "Oslo"}}}, "You chose it."],
        },
        {
            "user": "refund",
            "reply": [
                {"think": "Money."},
                {"call": {"refund": {"order": "A1"}}},
                "Refunded.",
            ],
        },
        {"user": "Images from", "reply": "A red dot."},
        {"user": "photo", "reply": [{"call": {"photo": {}}}, "A red dot."]},
        {"instructions": "You count", "reply": '{"answer": "7 parks"}'},
        {"user": "letter", "instructions": "You write.", "reply": "Dear Ann."},
        {"user": "letter", "reply": [{"think": "Letters."}, {"handoff": "writer"}]},
    ],
    "otherwise": "Yes.",
}  # fmt: skip
AGENTS = {
    "desk": {
        "instructions": "You help.",
        "preface": "Today is Monday.",
        "tools": ["look_up", "pick", "refund", "photo"],
        "handoffs": ["writer"],
    },
    "writer": {"instructions": "You write.", "sticky": True},
}
DECLARED = {
    "look_up": "acts:look_up",
    "photo": "acts:photo",
    "pick": {"client": "pick", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    "refund": {"python": "acts:refund", "needs_approval": True},
}


@pytest.fixture(params=PLACES, ids=lambda place: "-".join(place))
def place(request: pytest.FixtureRequest) -> tuple[Provider, str]:
    found: tuple[Provider, str] = request.param
    return found


@pytest.fixture
def stub(place: tuple[Provider, str]) -> Iterator[OpenAIStub]:
    with OpenAIStub(SCRIPT, provider=place[0]) as running:
        yield running


@pytest.fixture
async def client(chat: MakeChat, stub: OpenAIStub, place: tuple[Provider, str]) -> Chat:
    name = "gemini-3.8-flash" if place[0] == "gemini" else "model-1"
    config = {
        "models": {"default": {**model_of(place[1], stub), "name": name}},
        "entry": "desk",
        "agents": AGENTS,
        "tools": DECLARED,
    }
    return await chat(config, acts_py=ACTS)


def _failing(*parts: str) -> ProviderCase:
    """The replies of several cases, of which each fills one request: the first of each."""
    cases = [PROVIDER_CASES[part] for part in parts]
    return ProviderCase(
        "failing", "some", tuple(case.chat[0] for case in cases), tuple(case.responses[0] for case in cases)
    )


async def _click(client: Chat, thread: str, answer: Any) -> Any:
    [card] = [item for item in answer.done("widget") if "confirm" in item["widget"]]
    action = card["widget"]["confirm"]["action"]
    return await client.act(thread, action["type"], action["payload"], card["id"])


async def test_a_conversation_of_four_turns_is_accepted_to_its_end(client: Chat, stub: OpenAIStub) -> None:
    await have_a_conversation(client, stub)


async def have_a_conversation(client: Chat, stub: OpenAIStub) -> None:
    """Use a tool, a client tool, a tool that needs approval, and a handoff, in a turn each."""
    first = await client.say("parks?")
    assert first.said == ["Oslo has 7 parks."], first.events
    thread = first.thread_id
    asked = await client.say("let me choose", thread)
    assert len(asked.done("client_tool_call")) == 1, asked.events
    assert (await client.result(thread, {"city": "Bergen"})).said == ["You chose it."], stub.requests[-1].body
    waiting = await client.say("refund A1", thread)
    approved = await _click(client, thread, waiting)
    assert approved.said == ["Refunded."], approved.events
    letter = await client.say("write a letter", thread)
    assert letter.said == ["Dear Ann."], letter.events
    assert (await client.say("thanks", thread)).said == ["Yes."]
    assert client.runtime.generation.snapshot.code.resolve("acts:done") == ["A1"]


async def test_an_image_of_a_tool_is_accepted_in_this_turn_and_in_the_next(client: Chat, stub: OpenAIStub) -> None:
    first = await client.say("take a photo")
    assert first.said == ["A red dot."], first.events
    assert (await client.say("thanks", first.thread_id)).said == ["Yes."], stub.requests[-1].body


async def test_an_output_with_a_schema_is_read(chat: MakeChat, stub: OpenAIStub, place: tuple[Provider, str]) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    output = {"schema": schema, "template": "{{ answer }}."}
    config = {
        "models": {"default": model_of(place[1], stub)},
        "agents": {"helper": {"instructions": "You count.", "output": output}},
    }
    client = await chat(config)
    first = await client.say("how many?")
    assert first.of("error") == [], stub.requests[-1].body
    assert first.said == ["7 parks."]


@pytest.mark.parametrize("provider", ["openai", "azure"])
async def test_what_the_endpoint_does_not_store_is_not_named(chat: MakeChat, provider: Provider) -> None:
    with OpenAIStub(SCRIPT, provider=provider) as stub:
        model = {**model_of("responses", stub), "settings": {"store": False}}
        config = {"models": {"default": model}, "agents": {"desk": {"tools": ["look_up"]}}, "tools": DECLARED}
        client = await chat(config, acts_py=ACTS)
        first = await client.say("parks?")
        assert first.said == ["Oslo has 7 parks."], first.events
        assert (await client.say("thanks", first.thread_id)).said == ["Yes."]


@pytest.mark.parametrize("before", ["chat_completions", "responses"])
async def test_a_thread_that_began_at_another_endpoint_goes_on(
    chat: MakeChat, stub: OpenAIStub, place: tuple[Provider, str], before: str
) -> None:
    with OpenAIStub(SCRIPT, provider="openai") as other:
        models = {"default": model_of(before, other), "next": {**model_of(place[1], stub), "name": "gemini-3"}}
        config = {
            "models": models,
            "entry": "desk",
            "agents": AGENTS,
            "tools": DECLARED,
            "chat": {"composer": {"models": ["default", "next"]}},
        }
        client = await chat(config, acts_py=ACTS)
        first = await client.say("parks?")
        assert first.said == ["Oslo has 7 parks."]
        thread, there = first.thread_id, {"inference_options": {"model": "next"}}
        assert (await client.say("hello", thread, **there)).said == ["Yes."], stub.requests[-1].body
        assert (await client.say("parks?", thread, **there)).said == ["Oslo has 7 parks."], stub.requests[-1].body
        assert (await client.say("thanks", thread)).said == ["Yes."]
        assert {request.outcome for request in other.requests} == {"answered"}


async def test_a_conversation_goes_on_after_failures_and_after_questions_that_nobody_answers(
    client: Chat, stub: OpenAIStub
) -> None:
    first = await client.say("hello")
    thread = first.thread_id
    stub.replay(_failing("constant_call_id", "server_error_in_stream"))
    assert (await client.say("parks of Oslo?", thread)).of("error")
    assert (await client.say("hello?", thread)).said == ["Yes."], stub.requests[-1].body
    stub.replay(_failing("failure_after_text"))
    assert (await client.say("parks of Rome?", thread)).of("error")
    assert (await client.say("hello?", thread)).said == ["Yes."], stub.requests[-1].body
    assert len((await client.say("let me choose", thread)).done("client_tool_call")) == 1
    assert (await client.say("never mind", thread)).said == ["Yes."], stub.requests[-1].body
    assert (await client.say("refund A1", thread)).done("widget")
    assert (await client.say("never mind", thread)).said == ["Yes."], stub.requests[-1].body
    assert client.runtime.generation.snapshot.code.resolve("acts:done") == []


async def test_an_answer_that_broke_off_is_made_again(client: Chat, stub: OpenAIStub) -> None:
    stub.replay(_failing("constant_call_id", "failure_after_text"))
    first = await client.say("parks of Oslo?")
    assert first.of("error")
    message = first.done("user_message")[0]["id"]
    again = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=message)
    assert again.said == ["Oslo has 7 parks."], stub.requests[-1].body
    assert (await client.say("thanks", first.thread_id)).said == ["Yes."]
