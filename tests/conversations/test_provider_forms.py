"""Answers whose form differs from OpenAI's in ways that servers and gateways really use: read as what they mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from runtime.testing import OpenAIStub, ProviderCase, RawReply
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.provider_outcomes import TOOLS, project

JSON = "application/json"
SSE = "text/event-stream"
OSLO, ROME = '{"city": "Oslo"}', '{"city": "Rome"}'
USAGE = {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28}


def _stream(*data: Any, end: str = "\n", done: bool = True) -> bytes:
    texts = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in data]
    return "".join(f"data: {text}{end}{end}" for text in [*texts, *(["[DONE]"] if done else [])]).encode()


async def _ask(chat: Chat, stub: OpenAIStub, reply: RawReply, second: bytes = b"") -> Any:
    """Return what the user gets of a reply, in both APIs; `second` answers the request after a call."""
    replies = (reply, RawReply(second)) if second else (reply,)
    asked = len(stub.requests)
    stub.replay(ProviderCase("form", "a form", replies, replies))
    answer = await chat.say("how many?")
    assert len(stub.requests) - asked == len(replies)
    return answer


# Text of Chat Completions.


def _chunk(delta: Any, finish: Any = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _without(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


START, OSLO_, ROCKS, END = (
    _chunk({"role": "assistant", "content": ""}), _chunk({"content": "Oslo "}), _chunk({"content": "røcks."}),
    _chunk({}, "stop"),
)  # fmt: skip
COUNT = {**_chunk({}), "choices": [], "usage": USAGE}
TEXT = (START, OSLO_, ROCKS, END, COUNT)
SAID = "Oslo røcks."
TEXTS: dict[str, bytes] = {
    "line ends of Windows": _stream(*TEXT, end="\r\n"),
    "line ends of old": _stream(*TEXT, end="\r"),
    "comments": b": OPENROUTER PROCESSING\n\n" + _stream(*TEXT[:2], done=False) + b": wait\n\n" + _stream(*TEXT[2:]),
    "no space behind the colon": _stream(*TEXT).replace(b"data: ", b"data:"),
    "a byte order mark": b"\xef\xbb\xbf" + _stream(OSLO_, ROCKS, END),
    "ids and retries": b"retry: 10\nid: 1\nevent: message\n" + _stream(*TEXT),
    "empty data": b"data: \n\n" + _stream(*TEXT[:2], done=False) + b"data:\n\n" + _stream(*TEXT[2:]),
    "data without an object": _stream("null", "[]", "ping", *TEXT),
    "pings": b"event: ping\ndata: {}\n\n" + _stream({"type": "ping"}, *TEXT),
    "no [DONE]": _stream(*TEXT, done=False),
    "choices that are null or missing": _stream({**START, "choices": None}, _without(START, "choices"), *TEXT),
    "the counts first": _stream(COUNT, *TEXT[:4]),
    "a prompt's filter results": _stream({"choices": [], "id": "", "model": "", "prompt_filter_results": []}, *TEXT),
    "no index of the choice": _stream(*({**c, "choices": [_without(x, "index") for x in c["choices"]]} for c in TEXT)),
    "no delta": _stream(_chunk(None), {**START, "choices": [{"index": 0}]}, *TEXT),
    "content that is null": _stream(_chunk({"role": "assistant", "content": None}), *TEXT[1:]),
    "a role only later": _stream(OSLO_, _chunk({"role": "assistant", "content": "røcks."}), END),
    "no reason, but the counts": _stream(START, OSLO_, ROCKS, COUNT),
    "no reason, but [DONE]": _stream(START, OSLO_, ROCKS),
    "an empty reason": _stream(_chunk({"content": "Oslo "}, ""), _chunk({"content": "røcks."}, "")),
    "a reason in other words": _stream(START, OSLO_, ROCKS, _chunk({}, "end_turn")),
    "a reason for calls": _stream(START, OSLO_, ROCKS, _chunk({}, "tool_calls")),
    "parts": _stream(_chunk({"content": [{"type": "text", "text": "Oslo "}]}), ROCKS, END),
    "parts that are texts": _stream(_chunk({"content": ["Oslo ", "røcks."]}), END),
    "a part alone": _stream(_chunk({"content": {"type": "text", "text": "Oslo "}}), ROCKS, END),
    "a refusal that is null": _stream(_chunk({"content": SAID, "refusal": None, "tool_calls": None}), END),
    "thoughts that are empty": _stream(_chunk({"content": SAID, "reasoning_content": "", "reasoning": None}), END),
    "counts in every chunk": _stream(*({**chunk, "usage": USAGE} for chunk in TEXT)),
    "counts that are empty": _stream(*TEXT[:4], {**COUNT, "usage": {}}),
    "no ids": _stream(*(_without(chunk, "id", "object", "created", "model") for chunk in TEXT)),
}


async def test_text_is_read_in_every_form_of_chat_completions(chat: MakeChat) -> None:
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("chat_completions", stub), acts_py=TOOLS)
        said = {name: (await _ask(client, stub, RawReply(body))).said for name, body in TEXTS.items()}
    assert said == {name: [SAID] for name in TEXTS}


async def test_thoughts_under_two_names_are_shown_once(chat: MakeChat) -> None:
    thought = [_chunk({"reasoning": text, "reasoning_content": text}) for text in ("Hm. ", "So.")]
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("chat_completions", stub), acts_py=TOOLS)
        answer = await _ask(client, stub, RawReply(_stream(*thought, *TEXT)))
    assert [task["content"] for task in answer.done("workflow")[0]["workflow"]["tasks"]] == ["Hm. So."]


# Calls of Chat Completions.


def _call(arguments: Any = OSLO, name: str | None = "look_up", drop: str = "", **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return _without({"index": 0, "id": "call_1", "type": "function", "function": function, **more}, drop)


def _more(arguments: str, **more: Any) -> dict[str, Any]:
    return {"index": 0, "function": {"arguments": arguments}, **more}


def _calls(*chunks: list[dict[str, Any]], finish: str | None = "tool_calls") -> bytes:
    return _stream(*(_chunk({"tool_calls": pieces}) for pieces in chunks), *([_chunk({}, finish)] if finish else []))


ONE_CALL: dict[str, bytes] = {
    "a piece for each character": _calls([_call("")], *([_more(each)] for each in OSLO)),
    "the reason `stop`": _calls([_call()], finish="stop"),
    "no reason": _calls([_call()], finish=None),
    "no index": _calls([_call(drop="index")]),
    "an index that is null": _calls([_call(index=None)]),
    "no index, in pieces": _calls([_call("", drop="index")], *([_without(_more(each), "index")] for each in OSLO)),
    "an index that is a text": _calls([_call(index="0")]),
    "no id": _calls([_call(drop="id")]),
    "an empty id": _calls([_call(id="")]),
    "an id that is a number": _calls([_call(id=17)]),
    "an id only later": _calls([_call("", drop="id")], [_more(OSLO, id="x")]),
    "an id in every piece": _calls([_call('{"city":')], [_more('"Oslo"}', id="call_1")]),
    "another id in every piece": _calls([_call('{"city":')], [_more('"Oslo"}', id="call_2")]),
    "the name in every piece": _calls([_call('{"city":')], [_call('"Oslo"}')]),
    "a name in pieces": _calls([_call("", "look")], [{"index": 0, "function": {"name": "_up", "arguments": OSLO}}]),
    "a name only later": _calls([_call("", None)], [{"index": 0, "function": {"name": "look_up", "arguments": OSLO}}]),
    "the arguments first": _calls([_more(OSLO, id="x")], [{"index": 0, "function": {"name": "look_up"}}]),
    "empty arguments first": _calls([_call("{}")], [_more(OSLO)]),
    "arguments that are null first": _calls([_call(None)], [_more(OSLO)]),
    "the whole call at the end": _calls([_call("")], [_more('{"city": ')], [_more('"Oslo"}')], [_call()]),
    "a piece without a function": _calls([_call()], [{"index": 0, "function": None}]),
    "no type": _calls([_call(drop="type")]),
    "a text inside of a text": _calls([_call(json.dumps(OSLO))]),
    "a fence": _calls([_call(f"```json\n{OSLO}\n```")]),
    "a tag at the end": _calls([_call(f"{OSLO}\n</tool_call>")]),
    "content that is null": _stream(
        _chunk({"role": "assistant", "content": None, "tool_calls": [_call()]}), _chunk({"content": None}, "tool_calls")
    ),
    "empty content in every piece": _stream(
        _chunk({"content": "", "tool_calls": [_call("")]}), _chunk({"content": "", "tool_calls": [_more(OSLO)]}, "stop")
    ),
}  # fmt: skip
_SECOND = {"arguments": ROME, "id": "call_2"}
TWO_CALLS: dict[str, bytes] = {
    "an index each": _calls([_call()], [_call(**_SECOND, index=1)]),
    "indexes from 1": _calls([_call(index=1)], [_call(**_SECOND, index=2)]),
    "in turns": _calls([_call("")], [_call("", index=1, id="b")], [_more(ROME, index=1)], [_more(OSLO)]),
    "no index, in one piece": _calls([_call(drop="index"), _call(**_SECOND, drop="index")]),
    "no index, in two pieces": _calls([_call(drop="index")], [_call(**_SECOND, drop="index")]),
    "no index and no id": _calls([_without(_call(), "index", "id")], [_without(_call(ROME), "index", "id")]),
    "one index, in one piece": _calls([_call(), _call(**_SECOND)]),
    "one index, in two pieces": _calls([_call()], [_call(**_SECOND)]),
    "one index and one id": _calls([_call()], [_call(ROME)]),
    "one index, and arguments in pieces": _calls(
        [_call("")], [_more('{"city": ')], [_more('"Oslo"}')], [_call("", id="call_2")], [_more(ROME)]
    ),
}
CHAT_DONE = _stream(_chunk({"content": "Done."}), END)


def _outputs(stub: OpenAIStub) -> list[str]:
    body = stub.requests[-1].body
    items = body["input"] if "input" in body else body["messages"]
    told = [item for item in items if item.get("role") == "tool" or item.get("type") == "function_call_output"]
    return [item.get("output", item.get("content")) for item in told]


async def test_calls_are_read_in_every_form_of_chat_completions(chat: MakeChat) -> None:
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("chat_completions", stub), acts_py=TOOLS)
        outcomes = {}
        for name, body in (ONE_CALL | TWO_CALLS).items():
            answer = await _ask(client, stub, RawReply(body), CHAT_DONE)
            outcomes[name] = (answer.said, answer.of("error"), _outputs(stub))
    oslo, rome = "Oslo has 7 parks", "Rome has 7 parks"
    one = {name: (["Done."], [], [oslo]) for name in ONE_CALL}
    assert outcomes == one | {name: (["Done."], [], [oslo, rome]) for name in TWO_CALLS}


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_arguments_that_are_no_json_do_not_stay_in_a_thread(chat: MakeChat, api: str) -> None:
    with OpenAIStub({"otherwise": "Yes."}) as stub:
        client = await chat(project(api, stub), acts_py=TOOLS)
        stub.replay("arguments_cut")
        thread = (await client.say("how many?")).thread_id
        stub.replay("arguments_empty")
        await client.say("how many?", thread)
        await client.say("thanks", thread)
        body = stub.requests[-1].body
    items = body["input"] if "input" in body else body["messages"]
    calls = [call["function"] for item in items for call in item.get("tool_calls", ())]
    calls += [item for item in items if item.get("type") == "function_call"]
    assert [json.loads(call["arguments"]) for call in calls] == [{"arguments": '{"city": "Os'}, {}]


# Events of Responses.


def _response(status: str = "completed", **more: Any) -> dict[str, Any]:
    kind = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status}
    return {**kind, "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], **more}


def _events(*items: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Return the events of a response as OpenAI sends them."""
    events: list[dict[str, Any]] = [{"type": "response.created", "response": _response("in_progress")}]
    for at, item in enumerate(items):
        place = {"item_id": item["id"], "output_index": at}
        started = {"content": []} if item["type"] == "message" else {"arguments": ""}
        events.append({"type": "response.output_item.added", "output_index": at, "item": {**item, **started}})
        if item["type"] == "message":
            [part] = item["content"]
            in_part = {**place, "content_index": 0}
            events += [
                {"type": "response.content_part.added", **in_part, "part": {**part, "text": ""}},
                {"type": "response.output_text.delta", **in_part, "delta": part["text"][:5], "logprobs": []},
                {"type": "response.output_text.delta", **in_part, "delta": part["text"][5:], "logprobs": []},
                {"type": "response.output_text.done", **in_part, "text": part["text"], "logprobs": []},
                {"type": "response.content_part.done", **in_part, "part": part},
            ]
        else:
            told = {"delta": item["arguments"]}
            events.append({"type": "response.function_call_arguments.delta", **place, **told})
        events.append({"type": "response.output_item.done", "output_index": at, "item": item})
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    fields = {"output": [*items], "usage": usage, **more}
    events.append({"type": "response.completed", "response": _response(**fields)})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _message(text: str = SAID, **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content, **more}


def _function(arguments: Any = OSLO, **more: Any) -> dict[str, Any]:
    call = {"id": "fc_1", "call_id": "call_1", "name": "look_up", "arguments": arguments, "status": "completed"}
    return {"type": "function_call", **call, **more}


def _drop(value: Any, *names: str) -> Any:
    """Return events without these fields, wherever they are."""
    if isinstance(value, list):
        return [_drop(each, *names) for each in value]
    if isinstance(value, dict):
        return {name: _drop(each, *names) for name, each in value.items() if name not in names}
    return value


def _only(events: list[dict[str, Any]], *endings: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"].endswith(endings)]


def _not(events: list[dict[str, Any]], *endings: str) -> list[dict[str, Any]]:
    return [event for event in events if not event["type"].endswith(endings)]


def _done_as(kind: str) -> list[dict[str, Any]]:
    *events, last = _events(_message())
    return [*events, {**last, "type": kind}]


PLAIN, CALLED = _events(_message()), _events(_function())
RESPONSES: dict[str, bytes] = {
    "line ends of Windows": _stream(*PLAIN, end="\r\n", done=False),
    "[DONE] at the end": _stream(*PLAIN),
    "empty data and pings": b": wait\n\ndata:\n\n" + _stream({"type": "keepalive"}, "ping", *PLAIN, {"x": 1}),
    "llama.cpp: no indexes, no annotations": _stream(
        *_drop(PLAIN, "output_index", "content_index", "annotations", "logprobs", "sequence_number")
    ),
    "annotations that are null": _stream(*PLAIN).replace(b'"annotations": []', b'"annotations": null'),
    "parts of the type `text`": _stream(*PLAIN).replace(b'"output_text", "text"', b'"text", "text"'),
    "content that is a text": _stream(*PLAIN[:-2], {**PLAIN[-2], "item": _message(content=SAID)}, PLAIN[-1]),
    "no ids": _stream(*_drop(PLAIN, "item_id", "id")),
    "the pieces and the whole": _stream(*_only(PLAIN, "text.delta", "completed")),
    "the items and the whole": _stream(*_only(PLAIN, "item.done", "completed")),
    "the whole alone": _stream(*_only(PLAIN, "completed")),
    "no ends of items": _stream(*_not(PLAIN, ".done")),
    "no beginnings": _stream(*_not(PLAIN, ".added")),
    "an empty whole": _stream(*_events(_message(), output=[])),
    "a whole that is null": _stream(*_events(_message(), output=None)),
    "OpenRouter: `response.done`": _stream(*_done_as("response.done")),
    "no counts": _stream(*_events(_message(), usage=None)),
    "counts by other names": _stream(*_events(_message(), usage=USAGE)),
}  # fmt: skip
_TWO = [_function(), _function(ROME, id="fc_2", call_id="call_2")]
ONE_FUNCTION: dict[str, bytes] = {
    "as OpenAI": _stream(*CALLED),
    "the items and the whole": _stream(*_only(CALLED, "item.done", "completed")),
    "the whole alone": _stream(*_only(CALLED, "completed")),
    "an empty whole": _stream(*_events(_function(), output=[])),
    "no ids": _stream(*_drop(CALLED, "id", "item_id", "call_id")),
    "no indexes": _stream(*_drop(CALLED, "output_index", "sequence_number")),
    "an object": _stream(*_only(_events(_function({"city": "Oslo"})), "completed")),
}
TWO_FUNCTIONS: dict[str, bytes] = {
    "as OpenAI": _stream(*_events(*_TWO)),
    "no indexes": _stream(*_drop(_events(*_TWO), "output_index")),
    "an empty whole": _stream(*_events(*_TWO, output=[])),
}


async def test_text_is_read_in_every_form_of_responses(chat: MakeChat) -> None:
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("responses", stub), acts_py=TOOLS)
        outcomes = {}
        for name, body in RESPONSES.items():
            answer = await _ask(client, stub, RawReply(body))
            items = await client.items(answer.thread_id)
            outcomes[name] = (answer.said, answer.of("error"), items[-1]["content"][0]["text"])
    assert outcomes == {name: ([SAID], [], SAID) for name in RESPONSES}


async def test_calls_are_read_in_every_form_of_responses(chat: MakeChat) -> None:
    done = _stream(*_events(_message("Done.")))
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("responses", stub), acts_py=TOOLS)
        outcomes = {}
        for name, body in [*ONE_FUNCTION.items(), *((f"two, {key}", body) for key, body in TWO_FUNCTIONS.items())]:
            answer = await _ask(client, stub, RawReply(body), done)
            outcomes[name] = (answer.said, answer.of("error"), _outputs(stub))
    oslo, rome = "Oslo has 7 parks", "Rome has 7 parks"
    one = {name: (["Done."], [], [oslo]) for name in ONE_FUNCTION}
    assert outcomes == one | {f"two, {name}": (["Done."], [], [oslo, rome]) for name in TWO_FUNCTIONS}


# One JSON object where a stream was asked for.


def _whole(message: Mapping[str, Any], finish: Any = "stop") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}


WHOLE_CALLS = [_without(_call(), "index"), _without(_call(**_SECOND), "index")]
_TWO_FUNCTIONS = [_function(), _function(ROME, id="fc_2", call_id="call_2")]
WHOLE: dict[str, dict[str, dict[str, Any]]] = {
    "chat_completions": {
        "text": _whole({"content": SAID}),
        "text without a reason": _whole({"content": SAID}, None),
        "a call": _whole({"tool_calls": WHOLE_CALLS[:1]}, "tool_calls"),
        "two calls": _whole({"tool_calls": WHOLE_CALLS}, "tool_calls"),
        "cut off": _whole({"content": SAID}, "length"),
        "nothing": _whole({}),
        "no choices": {**_whole({}), "choices": []},
    },
    "responses": {
        "text": _response(output=[_message()]),
        "text without a reason": _without(_response(output=[_message()]), "status"),
        "a call": _response(output=_TWO_FUNCTIONS[:1]),
        "two calls": _response(output=_TWO_FUNCTIONS),
        "cut off": _response("incomplete", output=[_message()], incomplete_details={"reason": "max_output_tokens"}),
        "nothing": _response(output=[]),
        "no choices": _without(_response(), "output"),
    },
}


@pytest.mark.parametrize("api", WHOLE)
async def test_an_endpoint_that_does_not_stream_is_answered_all_the_same(chat: MakeChat, api: str) -> None:
    done = CHAT_DONE if api == "chat_completions" else _stream(*_events(_message("Done.")))
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project(api, stub), acts_py=TOOLS)
        outcomes = {}
        for name, body in WHOLE[api].items():
            answer = await _ask(client, stub, _reply(200, body), done if "call" in name else b"")
            told = _outputs(stub) if "call" in name else [error["message"][:22] for error in answer.of("error")]
            outcomes[name] = (answer.said or [answer.deltas], told)
    assert outcomes == {
        "text": ([SAID], []),
        "text without a reason": ([SAID], []),
        "a call": (["Done."], ["Oslo has 7 parks"]),
        "two calls": (["Done."], ["Oslo has 7 parks", "Rome has 7 parks"]),
        "cut off": ([SAID], ["The answer was cut off"]),
        "nothing": ([""], ["The model sent no answ"]),
        "no choices": ([""], ["The model sent no answ"]),
    }


async def test_the_text_of_an_answer_that_is_cut_off_in_its_last_event_is_shown(chat: MakeChat) -> None:
    response = _response("incomplete", output=[_message()], incomplete_details={"reason": "max_output_tokens"})
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("responses", stub), acts_py=TOOLS)
        answer = await _ask(client, stub, RawReply(_stream({"type": "response.incomplete", "response": response})))
    [error] = answer.of("error")
    assert (answer.said, error["message"][:22]) == ([SAID], "The answer was cut off")


# Failures: the key of `chat.errors`, and whether a retry is offered.


def _reply(status: int, body: Any, content_type: str = JSON) -> RawReply:
    return RawReply(body if isinstance(body, bytes) else json.dumps(body).encode(), status, content_type)


BUSY, GONE, LONG = (
    ("The model is receiving too many requests", True),
    ("The model is not available right now", True),
    ("This is too long for the model", False),
)
_TPM = "Request too large for gpt-6-luna on tokens per min (TPM): Limit 30000, Requested 41000."
FAILURES: dict[str, tuple[RawReply, tuple[str, bool]]] = {
    "an error that is a text": (RawReply(_stream({"error": "Rate limit exceeded"})), BUSY),
    "an error without words": (RawReply(_stream({"error": {"code": 429}})), BUSY),
    "an error beside nothing": (RawReply(_stream({"code": 429, "message": "Slow down"})), BUSY),
    "an event `error`": (RawReply(b"event: error\n" + _stream({"message": "Slow down", "code": 429})), BUSY),
    "`detail`": (RawReply(_stream({"detail": "Internal Server Error"})), GONE),
    "`errors`": (RawReply(_stream({"errors": [{"message": "Too many requests"}]})), BUSY),
    "`msg`": (RawReply(_stream({"code": 1302, "msg": "rate limit"})), BUSY),
    "vLLM's object": (RawReply(_stream({"object": "error", "message": "maximum context length", "code": 400})), LONG),
    "a list": (_reply(200, [{"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED"}}]), BUSY),
    "JSON in place of a stream": (_reply(200, {"error": "too many requests"}), BUSY),
    "429 with a page": (_reply(429, b"<html>Too many</html>", "text/html"), BUSY),
    "429 with a page that is called JSON": (_reply(429, b"<html>Too many</html>"), BUSY),
    "429 with a text": (_reply(429, "slow down"), BUSY),
    "429 with nothing": (_reply(429, b""), BUSY),
    "429 with a list": (_reply(429, [{"error": {"code": 429}}]), BUSY),
    "429 of a request that is too large": (
        _reply(429, {"error": {"message": _TPM, "type": "tokens", "code": "rate_limit_exceeded"}}),
        LONG,
    ),
    "503 with a text": (_reply(503, b"no healthy upstream", "text/plain"), GONE),
    "529": (_reply(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}), GONE),
    "413 with a page": (_reply(413, b"<html>Request Entity Too Large</html>", "text/html"), LONG),
    "400 with an error that is a text": (_reply(400, {"error": "prompt is too long: 9 tokens > 8 maximum"}), LONG),
    "400 with a text": (_reply(400, "context length of only 4096 tokens"), LONG),
    "400 with a model that is none": (
        _reply(400, {"error": {"message": "The model `m` has been decommissioned", "code": "model_decommissioned"}}),
        ("The assistant has no access to its model", False),
    ),
    "422 with details": (
        _reply(422, {"detail": [{"loc": ["body"], "msg": "field required"}]}),
        ("The model refused the request", False),
    ),
}  # fmt: skip


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_failures_are_named_in_every_form(chat: MakeChat, api: str) -> None:
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project(api, stub), acts_py=TOOLS)
        outcomes = {}
        for name, (reply, (words, _)) in FAILURES.items():
            [error] = (await _ask(client, stub, reply)).of("error")
            outcomes[name] = (error["message"][: len(words)], error["allow_retry"])
    assert outcomes == {name: wanted for name, (_, wanted) in FAILURES.items()}


ENDS: dict[str, tuple[Any, str]] = {
    "DeepSeek": ("insufficient_system_resource", GONE[0]),
    "Zhipu": ("network_error", GONE[0]),
    "SGLang": ("abort", GONE[0]),
    "Gemini": ("function_call_filter: MALFORMED_FUNCTION_CALL", GONE[0]),
    "Anthropic, too long": ("model_context_window_exceeded", "The answer was cut off"),
    "Anthropic": ("refusal", "The content filter of the model's provider stopped the answer"),
    "Bedrock": ("guardrail_intervened", "The content filter of the model's provider stopped the answer"),
}


async def test_the_reason_why_an_answer_ended_is_named_in_the_words_of_each_provider(chat: MakeChat) -> None:
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("chat_completions", stub), acts_py=TOOLS)
        outcomes = {}
        for name, (reason, words) in ENDS.items():
            [error] = (await _ask(client, stub, RawReply(_stream(START, OSLO_, _chunk({}, reason))))).of("error")
            outcomes[name] = error["message"][: len(words)]
        upstream = _chunk({"content": ""}, "error", error={"code": 429, "message": "rate limited upstream"})
        [error] = (await _ask(client, stub, RawReply(_stream(upstream)))).of("error")
    assert outcomes == {name: words for name, (_, words) in ENDS.items()}
    assert error["message"].startswith(BUSY[0])


async def test_the_log_repeats_what_an_endpoint_says_of_a_rejection(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    key = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("chat_completions", stub), acts_py=TOOLS)
        await _ask(client, stub, _reply(401, {"detail": f"no such key {key}"}))
    assert 'AuthenticationError: Error code: 401 - {"detail": "no such key ' in caplog.text
    assert key not in caplog.text


@pytest.mark.parametrize("status", ["failed", "incomplete"])
async def test_a_response_is_not_complete_because_its_event_says_so(chat: MakeChat, status: str) -> None:
    error = {"code": "rate_limit_exceeded", "message": "x"} if status == "failed" else None
    details = {"reason": "max_output_tokens"} if status == "incomplete" else None
    events = _events(status=status, error=error, incomplete_details=details, output=[])
    with OpenAIStub({"otherwise": "No."}) as stub:
        client = await chat(project("responses", stub), acts_py=TOOLS)
        [told] = (await _ask(client, stub, RawReply(_stream(*events)))).of("error")
    assert told["message"].startswith(BUSY[0] if status == "failed" else "The answer was cut off")
