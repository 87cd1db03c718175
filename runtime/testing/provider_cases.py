"""Answers of real providers, byte for byte: the quirks of endpoints that are called OpenAI-compatible.

`OpenAIStub.replay` sends the answers of a case in place of those of its script. A case has the bytes for both
APIs; where an API does not have the quirk, it has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_EVENT_STREAM = "text/event-stream"
_JSON = "application/json"
_HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n<body>Bad Gateway</body></html>\n"
_USAGE = {"prompt_tokens": 21, "completion_tokens": 7, "total_tokens": 28}
_MODEL = "quirky-1"


@dataclass(frozen=True, slots=True)
class RawReply:
    """One response, sent as it is: the bytes of its body, its status and its content type.

    A `whole` one answers a request without `stream`, such as those for titles and of agents that are tools.
    """

    body: bytes
    status: int = 200
    content_type: str = _EVENT_STREAM
    whole: bool = False

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:
            raise ValueError(f"the status of a reply is a number from 200 to 599, not {self.status}")


@dataclass(frozen=True, slots=True)
class ProviderCase:
    """What a provider sends in one situation: `chat` and `responses` answer one request each, in order.

    A request of the other form, whole or streamed, is answered by the script.
    """

    name: str
    summary: str
    """One line for people: who sends it, and what is unusual."""
    chat: tuple[RawReply, ...] = ()
    responses: tuple[RawReply, ...] = ()


# Chat Completions.


def _frames(*data: Mapping[str, Any] | str) -> bytes:
    texts = (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in data)
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def _chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": _MODEL, "choices": [choice]}


def _usage() -> dict[str, Any]:
    return {**_chunk({}), "choices": [], "usage": _USAGE}


def _chat(*deltas: Mapping[str, Any], finish: str | None = "stop", usage: bool = True) -> RawReply:
    chunks = [_chunk({"role": "assistant", "content": ""}), *map(_chunk, deltas)]
    if finish is not None:
        chunks.append(_chunk({}, finish))
    return RawReply(_frames(*chunks, *([_usage()] if usage else []), "[DONE]"))


def _says(*pieces: str, finish: str | None = "stop", usage: bool = True) -> RawReply:
    return _chat(*({"content": piece} for piece in pieces), finish=finish, usage=usage)


def _tool_call(name: str, arguments: Any, call_id: str = "call_1", index: int = 0, **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function, **more}]}


def _calls(*deltas: Mapping[str, Any], finish: str = "tool_calls") -> RawReply:
    return _chat(*deltas, finish=finish)


def _chat_error(message: str, code: str | int | None, kind: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _refused(status: int, message: str, code: str | int | None, kind: str | None = None) -> RawReply:
    return RawReply(json.dumps(_chat_error(message, code, kind)).encode(), status, _JSON)


# Responses.


class _ResponsesStream:
    """Builds the events of one response, with the numbers and ids that the API gives them."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []
        self._output: list[dict[str, Any]] = []
        self.add("response.created", response=self._response("in_progress"))

    def add(self, kind: str, **fields: Any) -> _ResponsesStream:
        self._events.append({"type": kind, "sequence_number": len(self._events), **fields})
        return self

    def say(self, *pieces: str, done: bool = True) -> _ResponsesStream:
        return self._message("output_text", "text", pieces, {"annotations": [], "logprobs": []}, done)

    def refuse(self, *pieces: str) -> _ResponsesStream:
        return self._message("refusal", "refusal", pieces, {}, True)

    def think(self, text: str, kind: str = "reasoning_text") -> _ResponsesStream:
        at, item = len(self._output), {"id": f"rs_{len(self._output)}", "type": "reasoning", "summary": []}
        place = {"item_id": item["id"], "output_index": at, "content_index": 0}
        self.add("response.output_item.added", output_index=at, item=item)
        self.add(f"response.{kind}.delta", **place, delta=text)
        self.add(f"response.{kind}.done", **place, text=text)
        return self._done(at, {**item, "content": [{"type": "reasoning_text", "text": text}]})

    def call(self, name: str, arguments: Any, call_id: str = "call_1") -> _ResponsesStream:
        at = len(self._output)
        item = {"id": f"fc_{at}", "type": "function_call", "call_id": call_id, "name": name, "status": "completed"}
        self.add("response.output_item.added", output_index=at, item={**item, "arguments": "", "status": "in_progress"})
        if isinstance(arguments, str):
            place = {"item_id": item["id"], "output_index": at}
            self.add("response.function_call_arguments.delta", **place, delta=arguments)
            self.add("response.function_call_arguments.done", **place, name=name, arguments=arguments)
        return self._done(at, {**item, "arguments": arguments})

    def end(self, status: str = "completed", usage: bool = True, **fields: Any) -> RawReply:
        counts = {
            "input_tokens": 21,
            "output_tokens": 7,
            "total_tokens": 28,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        response = {**self._response(status), "output": self._output, "usage": counts if usage else None, **fields}
        self.add(f"response.{status}", response=response)
        return self.cut()

    def cut(self) -> RawReply:
        return RawReply(b"".join(_event(each) for each in self._events))

    def _message(
        self, kind: str, field: str, pieces: tuple[str, ...], more: Mapping[str, Any], done: bool
    ) -> _ResponsesStream:
        at, text = len(self._output), "".join(pieces)
        item = {"id": f"msg_{at}", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        place = {"item_id": item["id"], "output_index": at, "content_index": 0}
        self.add("response.output_item.added", output_index=at, item=item)
        self.add("response.content_part.added", **place, part={"type": kind, field: "", **more})
        logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        for piece in pieces:
            self.add(f"response.{kind}.delta", **place, delta=piece, **logprobs)
        if not done:
            return self
        self.add(f"response.{kind}.done", **place, **{field: text}, **logprobs)
        part = {"type": kind, field: text, **more}
        self.add("response.content_part.done", **place, part=part)
        return self._done(at, {**item, "status": "completed", "content": [part]})

    def _done(self, at: int, item: dict[str, Any]) -> _ResponsesStream:
        self._output.append(item)
        return self.add("response.output_item.done", output_index=at, item=item)

    @staticmethod
    def _response(status: str) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "output": [],
        }
        more = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
        kind = {"id": "resp_1", "object": "response", "created_at": 1, "model": _MODEL, "status": status}
        return {**kind, **fields, **more}


def _event(event: Mapping[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


def _stream() -> _ResponsesStream:
    return _ResponsesStream()


def _failed(code: str, message: str) -> RawReply:
    return _stream().end("failed", error={"code": code, "message": message})


def _incomplete(stream: _ResponsesStream, reason: str) -> RawReply:
    return stream.end("incomplete", incomplete_details={"reason": reason})


# The cases. In those with a tool, it is `look_up(city: str)`, and the second reply is the answer after it.

_ARGUMENTS = '{"city": "Oslo"}'
_ANSWER = "Oslo has 7 parks."
_CHAT_ANSWER, _RESPONSES_ANSWER = _says(_ANSWER), _stream().say(_ANSWER).end()
_BUSY = "Rate limit reached for requests. Please try again later."
_BROKEN = "The server had an error while processing your request. Sorry about that!"
_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
_POOR = "You exceeded your current quota, please check your plan and billing details."
_REFUSAL = "I can't help with that."
_THOUGHT = "They want the parks of Oslo."


def _with_call(
    name: str, summary: str, chat: tuple[Mapping[str, Any], ...] = (), responses: _ResponsesStream | None = None
) -> ProviderCase:
    return ProviderCase(
        name,
        summary,
        (_calls(*chat), _CHAT_ANSWER) if chat else (),
        (responses.end(), _RESPONSES_ANSWER) if responses is not None else (),
    )


def _called(name: str, summary: str, tool: str, arguments: Any = _ARGUMENTS) -> ProviderCase:
    return _with_call(name, summary, (_tool_call(tool, arguments),), _stream().call(tool, arguments))


def _answered(name: str, summary: str, *pieces: str) -> ProviderCase:
    return ProviderCase(name, summary, (_says(*pieces),), (_stream().say(*pieces).end(),))


def _cases() -> Iterator[ProviderCase]:
    yield from _tool_cases()
    yield from _thought_cases()
    yield from _failure_cases()
    yield from _silent_cases()
    yield from _ended_cases()


def _tool_cases() -> Iterator[ProviderCase]:
    yield _called("constant_call_id", "llama.cpp, Kimi: every call has the same id", "look_up")
    twice = (_tool_call("look_up", _ARGUMENTS), _tool_call("look_up", '{"city": "Rome"}', index=1))
    both = _stream().call("look_up", _ARGUMENTS).call("look_up", '{"city": "Rome"}')
    yield _with_call("same_call_id_twice", "two calls of one response have the same id", twice, both)
    apart = (twice[0], _tool_call("look_up", '{"city": "Rome"}', "call_2"))
    yield _with_call("calls_of_one_index", "Gemini, Ollama: every call has the index 0", apart)
    unnumbered = tuple({"tool_calls": [{**call["tool_calls"][0], "index": None}]} for call in apart)
    yield _with_call("calls_without_index", "calls have no index", unnumbered)
    yield _called("tool_with_prefix", "a call of `functions.look_up`", "functions.look_up")
    yield _called("tool_with_space", "a call of ` look_up`", " look_up")
    yield _called("tool_with_channel", "gpt-oss: its channel in the name", "look_up<|channel|>commentary")
    yield _called("tool_made_up", "a call of a tool that does not exist", "search_everything")
    yield _called("arguments_null", "the arguments are `null`", "look_up", "null")
    yield _called("arguments_empty", "the arguments are an empty text", "look_up", "")
    yield _called("arguments_list", "the arguments are a list", "look_up", '["Oslo"]')
    yield _called("arguments_string", "the arguments are a string", "look_up", '"Oslo"')
    yield _called("arguments_cut", "the JSON of the arguments is cut", "look_up", '{"city": "Os')
    yield _called("arguments_without_a_field", "a required argument is missing", "look_up", '{"town": "Oslo"}')
    yield _called("arguments_of_another_type", "an argument is of another type", "look_up", '{"city": ["Oslo"]}')
    yield _called("arguments_object", "Ollama: an object in place of its JSON text", "look_up", {"city": "Oslo"})


def _thought_cases() -> Iterator[ProviderCase]:
    call = _tool_call("look_up", _ARGUMENTS)
    deepseek = ({"reasoning_content": _THOUGHT}, call)
    yield _with_call("reasoning_content", "DeepSeek: thoughts that must come back with the call", deepseek)
    signed = _tool_call("look_up", _ARGUMENTS, extra_content={"google": {"thought_signature": "c2lnbmVk"}})
    yield _with_call("thought_signature", "Gemini: a signature that must come back with the call", (signed,))
    yield _with_call("reasoning_field", "vLLM, OpenRouter: thoughts in `reasoning`", ({"reasoning": _THOUGHT}, call))
    parts = {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": _THOUGHT}]}]}
    yield _with_call("thinking_parts", "Mistral: thoughts as parts of the content", (parts, call))
    text = _stream().think(_THOUGHT).call("look_up", _ARGUMENTS)
    yield _with_call("reasoning_text", "vLLM, LM Studio: thoughts as `reasoning_text`", (), text)
    yield _answered("think_tags", "thoughts between `<think>` tags", "<thi", f"nk>{_THOUGHT}</th", "ink>\n\n", _ANSWER)
    other = ("\n<Thou", f"GHT>{_THOUGHT}</thou", "GHT>\n", _ANSWER)
    yield _answered("other_think_tags", "`<thought>`, `<thinking>`, `<reasoning>`, in any case", *other)
    brackets = ("[THI", f"NK]{_THOUGHT}[/TH", "INK]", _ANSWER)
    yield _answered("think_brackets", "Mistral's templates: thoughts between `[THINK]` and `[/THINK]`", *brackets)
    yield _answered(
        "think_without_start", "a template that opens `<think>` itself", f"{_THOUGHT}\n</thi", "nk>\n\n", _ANSWER
    )
    fenced = ("```json\n", '{"answer": "7 parks"}', "\n```")
    yield _answered("json_in_a_fence", "structured output inside a fence", *fenced)
    yield _answered("json_after_prose", "structured output after prose", "Here it is:\n", '{"answer": "7 parks"}')
    thought_json = ("<think>Easy {really}.</think>", '{"answer": "7 parks"}')
    yield _answered("json_after_thoughts", "structured output after `<think>`", *thought_json)


def _failure_cases() -> Iterator[ProviderCase]:
    for name, code, message in (
        ("rate_limit_in_stream", "rate_limit_exceeded", _BUSY),
        ("server_error_in_stream", "server_error", _BROKEN),
    ):
        chat = RawReply(_frames(_chunk({"role": "assistant", "content": ""}), _chat_error(message, code)))
        yield ProviderCase(name, f"`{code}` inside of a 200 stream", (chat,), (_failed(code, message),))
    number = RawReply(_frames({"error": {"message": "Upstream error", "code": 502}}))
    event = _stream().add("error", code="server_error", message=_BROKEN, param=None).cut()
    yield ProviderCase("error_event", "OpenRouter, OpenAI: an error as the first event", (number,), (event,))
    late = RawReply(_frames(_chunk({"content": "Oslo has "}), _chat_error(_BROKEN, "server_error")))
    spoken = _stream().say("Oslo has ", done=False).add("error", code="server_error", message=_BROKEN, param=None)
    yield ProviderCase("failure_after_text", "an error after the first words", (late,), (spoken.cut(),))
    # Clients repeat a request with this status.
    poor = (_refused(429, _POOR, "insufficient_quota", "insufficient_quota"),) * 3
    yield ProviderCase("quota", "no money left (429)", poor, poor)
    yield _everywhere(
        "quota_402", "DeepSeek, OpenRouter: no money left (402)", _refused(402, "Insufficient Balance", 402)
    )
    chat_quota = RawReply(_frames(_chat_error(_POOR, "insufficient_quota")))
    yield ProviderCase(
        "quota_in_stream", "no money left, in a stream", (chat_quota,), (_failed("insufficient_quota", _POOR),)
    )
    long = _refused(400, _LONG, "context_length_exceeded", "invalid_request_error")
    yield ProviderCase("too_long", "the input is longer than the context (400)", (long, long), (long, long))
    vllm = _refused(400, _LONG, 400, "BadRequestError")
    yield ProviderCase("too_long_without_a_code", "vLLM: the same, told by its message", (vllm, vllm), (vllm, vllm))
    chat_long = RawReply(_frames(_chat_error(_LONG, "context_length_exceeded")))
    failed = _failed("context_length_exceeded", _LONG)
    yield ProviderCase("too_long_in_stream", "the same, in a stream", (chat_long, chat_long), (failed, failed))
    filtered = "The response was filtered due to the prompt triggering a content management policy."
    yield _everywhere(
        "prompt_filtered", "Azure: the prompt is filtered (400)", _refused(400, filtered, "content_filter")
    )


def _everywhere(name: str, summary: str, reply: RawReply) -> ProviderCase:
    return ProviderCase(name, summary, (reply,), (reply,))


def _silent_cases() -> Iterator[ProviderCase]:
    yield _everywhere("html_page", "a proxy's HTML page with status 200", RawReply(_HTML, content_type="text/html"))
    yield _everywhere("empty_body", "a 200 with an empty body", RawReply(b""))
    yield _everywhere("done_alone", "`[DONE]` and nothing else", RawReply(_frames("[DONE]")))
    error = RawReply(json.dumps(_chat_error("Overloaded", "overloaded_error")).encode(), content_type=_JSON)
    yield _everywhere("json_error", "a JSON error with status 200", error)
    yield _everywhere("broken_json", "an event that is no JSON", RawReply(b'data: {"id": "chatcmpl-1", "cho\n\n'))
    yield ProviderCase("no_choices", "chunks without choices", (RawReply(_frames(_usage(), "[DONE]")),))
    yield ProviderCase("no_content", "an answer without content", (_chat(),), (_stream().end(),))
    only = {"reasoning_content": _THOUGHT}
    yield ProviderCase("only_thoughts", "thoughts and no answer", (_chat(only),), (_stream().think(_THOUGHT).end(),))


def _ended_cases() -> Iterator[ProviderCase]:
    said = _stream().say("Oslo has ", done=False)
    yield ProviderCase(
        "cut_off",
        "the limit of tokens in the middle of the answer",
        (_says("Oslo has ", finish="length"),),
        (_incomplete(said, "max_output_tokens"),),
    )
    yield ProviderCase(
        "cut_off_before_text",
        "the limit of tokens before the answer",
        (_chat({"reasoning_content": _THOUGHT}, finish="length"),),
        (_incomplete(_stream(), "max_output_tokens"),),
    )
    cut_call = _tool_call("look_up", '{"city": "Os')
    yield ProviderCase("cut_off_in_a_call", "the limit of tokens in a call", (_calls(cut_call, finish="length"),))
    halted = _stream().say("Oslo has ", done=False)
    yield ProviderCase(
        "filtered",
        "the filter stops the answer",
        (_says("Oslo has ", finish="content_filter"),),
        (_incomplete(halted, "content_filter"),),
    )
    yield ProviderCase(
        "filtered_before_text",
        "the filter lets nothing through",
        (_chat(finish="content_filter"),),
        (_incomplete(_stream(), "content_filter"),),
    )
    refused = _chat({"refusal": _REFUSAL[:7]}, {"refusal": _REFUSAL[7:]})
    yield ProviderCase(
        "refusal", "the model refuses", (refused,), (_stream().refuse(_REFUSAL[:7], _REFUSAL[7:]).end(),)
    )
    yield ProviderCase(
        "no_reason", "no reason why the answer ended, but `[DONE]`", (_says(_ANSWER, finish=None, usage=False),)
    )
    unplaced = re.sub(rb'"(output_index|content_index|sequence_number)": \d+, ', b"", _RESPONSES_ANSWER.body)
    bare = RawReply(unplaced.replace(b', "annotations": [], "logprobs": []', b""))
    yield ProviderCase("no_indexes", "llama.cpp: events have no indexes, texts no annotations", (), (bare,))
    empty = _stream().say(_ANSWER).end(output=[])
    yield ProviderCase("no_output", "the response that completes the answer has no items", (), (empty,))
    yield ProviderCase(
        "no_usage",
        "no counts of tokens",
        (_says(_ANSWER, usage=False),),
        (_stream().say(_ANSWER).end(usage=False),),
    )


PROVIDER_CASES: Mapping[str, ProviderCase] = {case.name: case for case in _cases()}
"""The cases by name."""
