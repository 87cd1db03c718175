"""Answers of providers that are none, or not in the form that was asked for: named, repeated or repaired."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from runtime.testing import PROVIDER_CASES, OpenAIStub, ProviderCase, RawReply
from tests.conversations.conftest import MakeChat
from tests.conversations.provider_outcomes import TOOLS, model_of, project
from tests.conversations.test_usage import TOKEN, usage

APIS = pytest.mark.parametrize("api", ["chat_completions", "responses"])
BEFORE_THE_FIRST_WORD = ["rate_limit_in_stream", "server_error_in_stream", "error_event", "html_page", "done_alone"]


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub({"otherwise": "Yes."}) as running:
        yield running


def _sent(stub: OpenAIStub, index: int = -1) -> list[dict[str, Any]]:
    body: Mapping[str, Any] = stub.requests[index].body
    return list(body["input"] if "input" in body else body["messages"])


def _outputs(stub: OpenAIStub) -> list[str]:
    """The results of the model's calls in its last input."""
    items = _sent(stub)
    return [
        str(item.get("output", item.get("content"))) for item in items if "output" in item or item.get("role") == "tool"
    ]


# Failures.


@APIS
@pytest.mark.parametrize("case", [*BEFORE_THE_FIRST_WORD, "quota_in_stream", "too_long_in_stream", "empty_body"])
async def test_a_failure_before_the_first_word_gives_way_to_the_fallback(
    chat: MakeChat, stub: OpenAIStub, api: str, case: str
) -> None:
    with OpenAIStub({"otherwise": "I am here."}) as other:
        models = {"default": {**model_of(api, stub), "fallback": ["next"]}, "next": model_of(api, other)}
        client = await chat(project(api, stub, models=models), acts_py=TOOLS)
        stub.replay(case)
        answer = await client.say("hello")
        assert answer.of("error") == []
        assert answer.said == ["I am here."]


@APIS
@pytest.mark.parametrize("case", BEFORE_THE_FIRST_WORD)
async def test_a_failure_before_the_first_word_is_tried_again(
    chat: MakeChat, stub: OpenAIStub, api: str, case: str
) -> None:
    settings = {"retry": {"max": 2, "backoff": {"initial": 0, "max": 0, "jitter": False}}}
    config = project(api, stub, models={"default": model_of(api, stub, settings=settings)})
    client = await chat(config, acts_py=TOOLS)
    stub.replay(case)
    answer = await client.say("hello")
    assert answer.said == ["Yes."]
    assert len(stub.requests) == 2


@APIS
async def test_a_quota_that_is_used_up_is_not_tried_again(chat: MakeChat, stub: OpenAIStub, api: str) -> None:
    settings = {"retry": {"max": 2, "backoff": {"initial": 0, "max": 0, "jitter": False}}}
    config = project(api, stub, models={"default": model_of(api, stub, settings=settings)})
    client = await chat(config, acts_py=TOOLS)
    stub.replay("quota_in_stream")
    error = (await client.say("hello")).of("error")[-1]
    assert error["message"].startswith("The assistant has used up its quota")
    assert error["allow_retry"] is False
    assert len(stub.requests) == 1


@APIS
@pytest.mark.parametrize("case", ["failure_after_text", "cut_off", "filtered"])
async def test_what_was_said_before_a_failure_stays(chat: MakeChat, stub: OpenAIStub, api: str, case: str) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay(case)
    answer = await client.say("hello")
    assert answer.deltas == "Oslo has "
    assert len(answer.of("error")) == 1
    items = await client.items(answer.thread_id)
    assert items[-1]["content"][0]["text"] == "Oslo has "


@APIS
async def test_the_log_names_what_an_endpoint_sent_in_place_of_an_answer(
    chat: MakeChat, stub: OpenAIStub, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay("html_page")
    await client.say("hello")
    assert "content type 'text/html', first bytes '<!DOCTYPE html>" in caplog.text


@APIS
async def test_a_key_in_what_an_endpoint_sends_is_masked_in_the_log(
    chat: MakeChat, stub: OpenAIStub, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
    page = RawReply(f"<html>wrong key {key}</html>".encode(), content_type="text/html")
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay(ProviderCase("page", "a page with a key", (page,), (page,)))
    await client.say("hello")
    assert "wrong key" in caplog.text
    assert key not in caplog.text


@APIS
@pytest.mark.parametrize("case", ["too_long", "too_long_without_a_code", "too_long_in_stream"])
async def test_a_conversation_that_is_too_long_is_shortened_and_sent_once_more(
    chat: MakeChat, stub: OpenAIStub, api: str, case: str
) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    thread = (await client.say("the first message")).thread_id
    for number in range(4):
        await client.say(f"message {number}", thread)
    once = PROVIDER_CASES[case]
    stub.replay(ProviderCase("once", "too long, once", once.chat[:1], once.responses[:1]))
    answer = await client.say("the last message", thread)
    assert answer.said == ["Yes."]
    told = json.dumps(_sent(stub))
    assert "the last message" in told
    assert "the first message" not in told
    assert "the first message" in json.dumps(_sent(stub, -2))


# Refusals.


@APIS
async def test_a_refusal_is_the_answer(
    chat: MakeChat, stub: OpenAIStub, api: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay("refusal")
    answer = await client.say("something bad")
    assert answer.said == ["I can't help with that."]
    assert answer.deltas == "I can't help with that."
    assert answer.of("error") == []
    assert "Traceback" not in caplog.text
    assert (await client.say("something good", answer.thread_id)).said == ["Yes."]


@APIS
async def test_a_refusal_is_shown_as_it_is_where_an_answer_has_a_form(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await chat(project(api, stub, agents={"helper": {"output": OUTPUT}}), acts_py=TOOLS)
    stub.replay("refusal")
    answer = await client.say("something bad")
    assert answer.said == ["I can't help with that."]
    assert answer.of("error") == []


# The form of an answer.

OUTPUT = {
    "schema": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
    "template": "It is {{ answer }}.",
}


@APIS
@pytest.mark.parametrize("case", ["json_in_a_fence", "json_after_prose", "json_after_thoughts"])
async def test_structured_output_is_read_wherever_it_stands(
    chat: MakeChat, stub: OpenAIStub, api: str, case: str
) -> None:
    client = await chat(project(api, stub, agents={"helper": {"output": OUTPUT}}), acts_py=TOOLS)
    stub.replay(case)
    answer = await client.say("how many?")
    assert answer.of("error") == []
    assert answer.said == ["It is 7 parks."]


@APIS
@pytest.mark.parametrize("case", ["think_tags", "other_think_tags", "think_brackets", "think_without_start"])
async def test_thoughts_between_tags_are_no_part_of_the_answer(
    chat: MakeChat, stub: OpenAIStub, api: str, case: str
) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay(case)
    answer = await client.say("how many?")
    assert answer.said == ["Oslo has 7 parks."]
    [workflow] = answer.done("workflow")
    assert [task["content"] for task in workflow["workflow"]["tasks"]] == ["They want the parks of Oslo."]
    assert [item["type"] for item in await client.items(answer.thread_id)] == [
        "user_message", "workflow", "assistant_message",
    ]  # fmt: skip
    await client.say("thanks", answer.thread_id)
    assert "thi" not in json.dumps(_sent(stub)).lower()


@APIS
async def test_text_that_turns_out_to_be_thoughts_is_taken_back(chat: MakeChat, stub: OpenAIStub, api: str) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay("think_without_start")
    answer = await client.say("how many?")
    [removed] = answer.of("thread.item.removed")
    added = [event["item"] for event in answer.of("thread.item.added")]
    assert [item["type"] for item in added] == ["assistant_message", "workflow", "assistant_message"]
    assert removed["item_id"] == added[0]["id"] != added[2]["id"]
    assert [item["id"] for item in answer.done("assistant_message")] == [added[2]["id"]]
    later = answer.events[answer.events.index(removed) :]
    pieces = [event["update"]["delta"] for event in later if event.get("update", {}).get("delta")]
    assert "".join(pieces) == "Oslo has 7 parks."


@APIS
@pytest.mark.parametrize("hold", [False, True])
async def test_a_guardrail_reads_the_answer_without_what_was_taken_back(
    chat: MakeChat, stub: OpenAIStub, api: str, hold: bool
) -> None:
    guard = """
def no_wishes(ctx, text):
    assert text == "Oslo has 7 parks.", text
"""
    guardrails = {"no_wishes": {"python": "guards:no_wishes", "hold": hold}}
    agents = {"helper": {"guardrails": {"output": ["no_wishes"]}}}
    client = await chat(project(api, stub, agents=agents, guardrails=guardrails), acts_py=TOOLS, guards_py=guard)
    stub.replay("think_without_start")
    answer = await client.say("how many?")
    assert (answer.of("error"), answer.said) == ([], ["Oslo has 7 parks."])
    # What is held is never shown, so that nothing is removed.
    assert len(answer.of("thread.item.removed")) == (0 if hold else 1)
    assert len(answer.of("thread.item.added")) == (2 if hold else 3)


@pytest.mark.parametrize(
    "pieces",
    [
        ("They want parks.\n", "</think>\n\n"),
        ("They want parks.\n", "</think>"),
        ("They want parks.</thi", "nk>"),
        ("<think>They want", " parks.</think>\n\n"),
        ("\n\n",),
    ],
)
async def test_thoughts_before_a_call_leave_no_empty_message(
    chat: MakeChat, stub: OpenAIStub, pieces: tuple[str, ...]
) -> None:
    client = await chat(project("chat_completions", stub), acts_py=TOOLS)
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Oslo"}'}}
    deltas = [*({"content": piece} for piece in pieces), {"tool_calls": [call]}]
    choices = [
        *({"index": 0, "delta": delta} for delta in deltas),
        {"index": 0, "delta": {}, "finish_reason": "tool_calls"},
    ]
    chunks = [
        {"id": "1", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": [each]}
        for each in choices
    ]
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    stub.replay(ProviderCase("thoughts, then a call", "", chat=(RawReply(body.encode()),)))
    answer = await client.say("how many?")
    assert answer.said == ["Yes."]
    items = await client.items(answer.thread_id)
    assert [item["type"] for item in items if item["type"] != "workflow"] == ["user_message", "assistant_message"]
    thoughts = [item["workflow"]["tasks"][0]["content"] for item in items if item["type"] == "workflow"]
    assert thoughts == (["They want parks."] if len(pieces) == 2 else [])


@APIS
async def test_a_template_that_opens_the_tag_is_known_from_the_second_answer_on(
    chat: MakeChat, stub: OpenAIStub, api: str
) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay("think_without_start")
    thread = (await client.say("how many?")).thread_id
    stub.replay("think_without_start")
    second = await client.say("how many?", thread)
    assert (second.said, second.deltas) == (["Oslo has 7 parks."], "Oslo has 7 parks.")
    [workflow] = second.done("workflow")
    assert [task["content"] for task in workflow["workflow"]["tasks"]] == ["They want the parks of Oslo."]
    # An answer without thoughts is streamed as a thought, which is taken back; the next answer comes as it is.
    without = await client.say("thanks", thread)
    assert (without.said, without.deltas) == (["Yes."], "Yes.")
    [thought] = [event["item"] for event in without.of("thread.item.added") if event["item"]["type"] == "workflow"]
    assert [event["item_id"] for event in without.of("thread.item.removed")] == [thought["id"]]
    assert [item["type"] for item in (await client.items(thread))[-2:]] == ["user_message", "assistant_message"]
    assert (await client.say("thanks", thread)).done("workflow") == []


@pytest.mark.parametrize(
    ("api", "case"),
    [
        ("chat_completions", "think_tags"),
        ("responses", "think_tags"),
        ("chat_completions", "reasoning_content"),
        ("chat_completions", "reasoning_field"),
        ("responses", "reasoning_text"),
    ],
)
async def test_thoughts_are_shown_as_thoughts(chat: MakeChat, stub: OpenAIStub, api: str, case: str) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay(case)
    answer = await client.say("how many?")
    [workflow] = answer.done("workflow")
    assert [task["content"] for task in workflow["workflow"]["tasks"]] == ["They want the parks of Oslo."]
    assert answer.said == ["Oslo has 7 parks."]


async def test_each_call_of_a_model_has_thoughts_of_its_own(chat: MakeChat, stub: OpenAIStub) -> None:
    client = await chat(project("chat_completions", stub), acts_py=TOOLS)
    called, thought = PROVIDER_CASES["reasoning_content"].chat[0], PROVIDER_CASES["reasoning_content"].chat
    again = RawReply(called.body.replace(b"They want the parks of Oslo.", b"Once more."))
    stub.replay(ProviderCase("twice", "thoughts before two calls", (called, again, thought[1])))
    answer = await client.say("how many?")
    [workflow] = answer.done("workflow")
    assert [task["content"] for task in workflow["workflow"]["tasks"]] == ["They want the parks of Oslo.", "Once more."]


# Calls.


@APIS
@pytest.mark.parametrize("approval", [False, True, "{{ args.city == 'Oslo' }}"])
@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("arguments_null", "'city' is a required property"),
        ("arguments_empty", "'city' is a required property"),
        ("arguments_list", "must be a JSON object, not a list"),
        ("arguments_string", "must be a JSON object, not a string"),
        ("arguments_cut", "not valid JSON"),
        ("arguments_without_a_field", "'city' is a required property"),
        ("arguments_of_another_type", "city: ['Oslo'] is not of type 'string'"),
    ],
)
async def test_the_model_gets_the_wrong_arguments_as_an_error_and_no_approval_is_asked(
    chat: MakeChat, stub: OpenAIStub, api: str, approval: Any, case: str, told: str
) -> None:
    tools = {"look_up": {"python": "acts:look_up", "needs_approval": approval}}
    client = await chat(project(api, stub, tools=tools), acts_py=TOOLS)
    stub.replay(case)
    answer = await client.say("how many?")
    assert answer.of("error") == []
    assert answer.done("widget") == []
    assert answer.said == ["Oslo has 7 parks."]
    assert told in _outputs(stub)[0]


@APIS
@pytest.mark.parametrize("case", ["tool_with_prefix", "tool_with_space", "tool_with_channel", "arguments_object"])
async def test_a_call_whose_meaning_is_certain_runs(chat: MakeChat, stub: OpenAIStub, api: str, case: str) -> None:
    client = await chat(project(api, stub), acts_py=TOOLS)
    stub.replay(case)
    await client.say("how many?")
    assert _outputs(stub) == ["Oslo has 7 parks"]


@APIS
async def test_the_model_gets_a_list_of_the_tools_that_exist(chat: MakeChat, stub: OpenAIStub, api: str) -> None:
    agents = {"helper": {"tools": ["look_up"], "handoffs": ["billing"]}, "billing": {}}
    client = await chat(project(api, stub, agents=agents, entry="helper"), acts_py=TOOLS)
    stub.replay("tool_made_up")
    answer = await client.say("how many?")
    assert answer.said == ["Oslo has 7 parks."]
    assert "There is no tool 'search_everything'. The tools are: 'look_up', 'transfer_to_billing'." in _outputs(stub)[0]


async def test_an_image_of_a_tool_is_a_message_for_chat_completions(chat: MakeChat, stub: OpenAIStub) -> None:
    code = (
        "from agents import ToolOutputImage\n\n"
        "def look_up(city: str) -> ToolOutputImage:\n    'Draw.'\n"
        "    return ToolOutputImage(image_url='data:image/png;base64,AAAA')\n"
    )
    client = await chat(project("chat_completions", stub), acts_py=code)
    stub.replay("constant_call_id")
    first = await client.say("draw it")
    assert first.said == ["Oslo has 7 parks."]
    *_, output, images = _sent(stub)
    assert output["content"] == "[The image is in the next message.]"
    assert images["content"][1] == {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64,AAAA", "detail": "auto"},
    }
    assert (await client.say("thanks", first.thread_id)).said == ["Yes."]


# Tokens.


@APIS
async def test_tokens_that_an_endpoint_does_not_count_are_estimated(chat: MakeChat, stub: OpenAIStub, api: str) -> None:
    client = await chat(project(api, stub, **TOKEN, store="sqlite:///threads.db"), acts_py=TOOLS)
    stub.replay("no_usage")
    await client.say("how many parks has Oslo?")
    [row] = await usage(client)
    assert row["model"] == "quirky-1 (estimated)"
    assert row["input_tokens"] > 10
    assert row["output_tokens"] > 3


async def test_a_stream_of_chat_completions_is_asked_for_its_tokens(chat: MakeChat, stub: OpenAIStub) -> None:
    client = await chat(project("chat_completions", stub), acts_py=TOOLS)
    await client.say("hello")
    assert stub.requests[-1].body["stream_options"] == {"include_usage": True}


async def test_an_endpoint_that_refuses_to_count_is_asked_without(chat: MakeChat, stub: OpenAIStub) -> None:
    client = await chat(project("chat_completions", stub), acts_py=TOOLS)
    stub.fail_next(400, message="Unknown parameter: 'stream_options'.")
    first = await client.say("hello")
    assert first.said == ["Yes."]
    await client.say("hello", first.thread_id)
    assert ["stream_options" in request.body for request in stub.requests] == [True, False, False]


# Whole answers: of agents that are tools, of judges and of titles.


def _whole(text: str | None = None, finish: str = "stop", **message: Any) -> ProviderCase:
    """A case with one answer without a stream, in both APIs."""
    refusal = message.get("refusal")
    said = {"role": "assistant", "content": text, **message}
    chat = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "quirky-1",
        "choices": [{"index": 0, "finish_reason": finish, "message": said}],
    }  # fmt: skip
    part = (
        {"type": "refusal", "refusal": refusal} if refusal else {"type": "output_text", "text": text, "annotations": []}
    )
    incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(finish)
    responses = {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "quirky-1", "error": None, "tools": [],
        "status": "incomplete" if incomplete else "completed", "parallel_tool_calls": True, "tool_choice": "auto",
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}],
    }  # fmt: skip
    replies = [
        RawReply(json.dumps(body).encode(), content_type="application/json", whole=True) for body in (chat, responses)
    ]
    return ProviderCase("whole", "a whole answer", (replies[0],), (replies[1],))


def _with_expert(api: str, stub: OpenAIStub, expert: OpenAIStub) -> dict[str, Any]:
    return project(
        api,
        stub,
        models={"default": model_of(api, stub), "other": model_of(api, expert)},
        tools={"look_up": {"agent": "expert"}},
        agents={"helper": {"tools": ["look_up"]}, "expert": {"model": "other", "description": "Knows."}},
        entry="helper",
    )


ASKS = {
    "turns": [{"user": "ask", "reply": [{"call": {"look_up": {"input": "What?"}}}, "{{ result }}"]}],
    "otherwise": "Yes.",
}


@APIS
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (_whole(refusal="I can't help with that."), "The agent expert refused: I can't help with that."),
        (_whole("<think>Hm.</think>\n\nForty-two."), "Forty-two."),
        (_whole("Forty-", "length"), "did not answer: its answer reached the limit of tokens"),
        (_whole("Forty-", "content_filter"), "did not answer: the content filter stopped its answer"),
        (_whole(""), "did not answer: its model sent no answer"),
    ],
    ids=["refusal", "thoughts", "cut off", "filtered", "empty"],
)
async def test_the_caller_of_an_agent_gets_the_reason_why_its_answer_ended(
    chat: MakeChat, api: str, answer: ProviderCase, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with OpenAIStub(ASKS) as stub, OpenAIStub({"otherwise": "No."}) as expert:
        client = await chat(_with_expert(api, stub, expert))
        expert.replay(answer)
        said = await client.say("ask the expert")
        assert said.of("error") == []
        assert told in _outputs(stub)[0]
        if "did not answer" in told:
            assert "tool 'look_up' of agent 'helper' (agent 'expert') failed" in caplog.text
        else:
            assert "Traceback" not in caplog.text


@APIS
@pytest.mark.parametrize(
    ("answer", "title"),
    [(_whole("<think>Hm.</think>\n\nParks of Oslo"), "Parks of Oslo"), (_whole("Parks of", "length"), "Parks of")],
    ids=["thoughts", "cut off"],
)
async def test_a_title_has_no_thoughts_and_may_be_cut_off(
    chat: MakeChat, stub: OpenAIStub, api: str, answer: ProviderCase, title: str
) -> None:
    with OpenAIStub({"otherwise": "No."}) as titles:
        models = {"default": model_of(api, stub), "titles": model_of(api, titles)}
        client = await chat(project(api, stub, models=models, chat={"title": {"model": "titles"}}), acts_py=TOOLS)
        # The SDK does not return the text of a response that is cut off.
        wanted = None if (api, title) == ("responses", "Parks of") else title
        titles.replay(answer)
        said = await client.say("hello")
        thread = await client.call("threads.get_by_id", thread_id=said.thread_id)
        assert thread.json.get("title") == wanted


# Other words for the same ends.

CUT = PROVIDER_CASES["cut_off"].chat[0].body


@pytest.mark.parametrize(
    ("body", "words", "may_retry"),
    [
        (CUT.replace(b'"length"', b'"model_length"'), "was cut off", False),
        (CUT.replace(b'"length"', b'"max_tokens"'), "was cut off", False),
        (CUT.replace(b'"length"', b'"SAFETY"'), "content filter", False),
        (CUT.replace(b'"length"', b'"error"'), "not available", True),
        (CUT[: CUT.index(b"Oslo has ") + len('Oslo has "}, "finish_reason": null}]}\n\n')], "not available", True),
        (CUT.replace(b"Oslo has ", b"  ").replace(b'"length"', b'"stop"'), "no answer", True),
    ],
    ids=["model_length", "max_tokens", "safety", "error", "no end", "spaces"],
)
async def test_an_answer_that_ends_early_in_other_words_says_why(
    chat: MakeChat, stub: OpenAIStub, body: bytes, words: str, may_retry: bool
) -> None:
    client = await chat(project("chat_completions", stub), acts_py=TOOLS)
    stub.replay(ProviderCase("early", "ends early", (RawReply(body),)))
    [error] = (await client.say("how many?")).of("error")
    assert words in error["message"]
    assert error["allow_retry"] is may_retry
