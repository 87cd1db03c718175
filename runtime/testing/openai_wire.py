"""Convert requests of the two OpenAI APIs to situations of a script, and the events of a reply to bytes."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.items import TResponseStreamEvent
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseOutputMessage, ResponseReasoningItem

from runtime.assemble.scripted_events import new_id
from runtime.assemble.scripted_model import is_users_words, read_situation, text_of
from runtime.scripts.player import Situation
from runtime.testing.provider_style import OPENAI_STYLE, Style


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes of a stream; `is_delta` if they contain a part of the model's output."""

    data: bytes
    is_delta: bool = False


def responses_situation(body: Mapping[str, Any]) -> Situation:
    """Read the body of `POST /responses`."""
    tools = [str(tool.get("name") or tool.get("type")) for tool in body.get("tools") or []]
    return read_situation(
        body["input"], instructions=body.get("instructions") or "", tools=tools, handoffs=_handoffs(tools)
    )


def chat_situation(body: Mapping[str, Any]) -> Situation:
    """Read the body of `POST /chat/completions`."""
    tools = [str(tool["function"]["name"]) for tool in body.get("tools") or [] if "function" in tool]
    told = [text_of(m.get("content")) for m in body["messages"] if m["role"] in ("system", "developer")]
    items = [item for message in body["messages"] for item in _items(message)]
    return read_situation(items, instructions="\n".join(told), tools=tools, handoffs=_handoffs(tools))


async def responses_frames(
    events: AsyncIterator[TResponseStreamEvent], style: Style = OPENAI_STYLE
) -> AsyncIterator[Frame]:
    """Yield the events in the format of the Responses API."""
    async for event in events:
        if not style.raw_thoughts:
            yield _responses_frame(event.type, event.model_dump_json(exclude_unset=True))
        elif (raw := _with_raw_thoughts(event.model_dump(mode="json", exclude_unset=True))) is not None:
            yield _responses_frame(raw["type"], json.dumps(raw, ensure_ascii=False))


def responses_error(message: str, sequence_number: int) -> Frame:
    """Return the event that ends a failing stream of the Responses API."""
    event = {"type": "error", "code": "server_error", "message": message, "param": None}
    return _responses_frame("error", json.dumps({**event, "sequence_number": sequence_number}))


async def chat_frames(
    events: AsyncIterator[TResponseStreamEvent], body: Mapping[str, Any], style: Style = OPENAI_STYLE
) -> AsyncIterator[Frame]:
    """Yield the events in the format of the Chat Completions API."""
    chunk = {"id": new_id("chatcmpl"), "object": "chat.completion.chunk", "created": int(time.time())}
    chunk |= {"model": body["model"], "system_fingerprint": None}
    calls: dict[int, int] = {}
    messages = 0
    async for event in events:
        match event.type:
            case "response.created":
                yield _chat_frame(chunk, {"role": "assistant", "content": ""})
            case "response.output_item.added" if event.item.type == "message":
                messages += 1
                if messages > 1:
                    yield _chat_frame(chunk, {"content": "\n\n"}, is_delta=True)
            case "response.output_item.added" if event.item.type == "function_call":
                calls[event.output_index] = len(calls)
                started = {"index": calls[event.output_index], "id": event.item.call_id, "type": "function"}
                function = {"name": event.item.name, "arguments": ""}
                yield _chat_frame(chunk, {"tool_calls": [style.styled_call({**started, "function": function})]})
            case "response.output_text.delta":
                yield _chat_frame(chunk, {"content": event.delta}, is_delta=True)
            case "response.reasoning_summary_text.delta":
                yield _chat_frame(chunk, style.thought(event.delta), is_delta=True)
            case "response.function_call_arguments.delta":
                piece = {"index": calls[event.output_index], "function": {"arguments": event.delta}}
                yield _chat_frame(chunk, {"tool_calls": [piece]}, is_delta=True)
            case "response.completed":
                yield _chat_frame(chunk, {}, finish_reason="tool_calls" if calls else "stop")
                if (body.get("stream_options") or {}).get("include_usage"):
                    yield _data_frame({**chunk, "choices": [], "usage": _chat_usage(event.response)})
    yield Frame(b"data: [DONE]\n\n")


def chat_error(message: str) -> Frame:
    """Return the chunk that ends a failing stream of the Chat Completions API."""
    return _data_frame({"error": {"message": message, "type": "server_error", "param": None, "code": None}})


def chat_completion(response: Response, body: Mapping[str, Any], style: Style = OPENAI_STYLE) -> dict[str, Any]:
    """Return a complete response of the Chat Completions API, without a stream."""
    texts = [
        part.text
        for item in response.output
        if isinstance(item, ResponseOutputMessage)
        for part in item.content
        if part.type == "output_text"
    ]
    thoughts = [s.text for item in response.output if isinstance(item, ResponseReasoningItem) for s in item.summary]
    calls = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
    message: dict[str, Any] = {"role": "assistant", "content": "\n\n".join(texts) if texts else None, "refusal": None}
    if thoughts:
        message |= style.thought("\n\n".join(thoughts), message["content"])
    if calls:
        message["tool_calls"] = [
            style.styled_call(
                {"id": c.call_id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            )
            for c in calls
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if calls else "stop"}
    return {
        "id": new_id("chatcmpl"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [choice],
        "usage": _chat_usage(response),
    }


def _handoffs(tools: list[str]) -> dict[str, str]:
    return {name: name.removeprefix("transfer_to_") for name in tools if name.startswith("transfer_to_")}


def _items(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if message["role"] == "tool":
        output = text_of(message.get("content"))
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}
        return
    if content := message.get("content"):
        if message["role"] == "user" and isinstance(content, list):
            # What came before the user's words is part of the same message here.
            start = next((index for index, part in enumerate(content) if is_users_words(text_of([part]))), 0)
            for part in content[:start]:
                yield {"type": "message", "role": "user", "content": [part]}
            content = content[start:]
        yield {"type": "message", "role": message["role"], "content": content}
    for call in message.get("tool_calls") or []:
        yield {"type": "function_call", "call_id": call["id"], "name": call["function"]["name"]}


def _with_raw_thoughts(event: dict[str, Any]) -> dict[str, Any] | None:
    """Return an event whose thoughts are texts and no summaries, or None for one that only summaries have."""
    kind = event["type"]
    if kind.startswith("response.reasoning_summary_part"):
        return None
    if kind.startswith("response.reasoning_summary_text"):
        event["type"] = kind.replace("summary_", "")
        event["content_index"] = event.pop("summary_index")
    for item in (event.get("item"), *(event.get("response") or {}).get("output", ())):
        if item is not None and item["type"] == "reasoning" and item["summary"]:
            item["content"] = [{"type": "reasoning_text", "text": part["text"]} for part in item["summary"]]
            item["summary"] = []
    return event


def _responses_frame(kind: str, data: str) -> Frame:
    return Frame(f"event: {kind}\ndata: {data}\n\n".encode(), is_delta=kind.endswith(".delta"))


def _data_frame(data: Mapping[str, Any], is_delta: bool = False) -> Frame:
    return Frame(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode(), is_delta)


def _chat_frame(
    chunk: Mapping[str, Any], delta: Mapping[str, Any], finish_reason: str | None = None, is_delta: bool = False
) -> Frame:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _data_frame({**chunk, "choices": [choice]}, is_delta)


def _chat_usage(response: Response) -> dict[str, Any]:
    usage = response.usage
    assert usage is not None, "a completed response has its usage"
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.output_tokens_details.reasoning_tokens},
    }
