"""A language model that answers at once, so that a turn costs what the server costs.

The user's last message says what it does:

- `plain`: 50 text deltas;
- `tool`: a call of `show_card`, and 50 text deltas when its result is there;
- `archive`: the same with `archive`, which growing.py declares to need approval;
- `short`: one text delta, for filling threads;
- `hold`: one text delta, then nothing until somebody says `release`, then the rest;
- `stamp`: one text delta, the stamp that stands in the agent's instructions: it tells the versions of a project apart;
- `paced`: the stamp, then 50 text deltas, one every 20 ms, as a model that thinks while it speaks.

The event loop gets control before each delta, as it does when a delta comes from a socket.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

from agents import Model, ModelResponse
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseCreatedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
)

DELTAS = tuple(f"word{n:02d} " for n in range(50))
TEXT = "".join(DELTAS)
STAMP = re.compile(r"stamp-[0-9]{6}")
PACE_S = 0.02
_CALLS = {"tool": "show_card", "archive": "archive"}


def build() -> ZeroModel:
    """Return a model of its own for one server."""
    return ZeroModel()


class ZeroModel(Model):
    """Streams what the Responses API streams, without a network and without a wait."""

    def __init__(self) -> None:
        self._released = asyncio.Event()

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Refuse: both servers stream."""
        raise RuntimeError("the model of the benchmark only streams")

    async def stream_response(
        self, system_instructions: str | None, input: str | list[Any], *args: Any, **kwargs: Any
    ) -> AsyncIterator[ResponseStreamEvent]:
        """Answer the last user message of `input`."""
        command = _last_user_text(input)
        if command in _CALLS and not _ends_with_result(input):
            for event in _call_events(_CALLS[command], '{"city":"Oslo"}'):
                yield event
            return
        if command == "release":
            self._released.set()
            self._released = asyncio.Event()
        released = self._released
        async for event in _text_events(_deltas_of(command, system_instructions or "")):
            yield event
            if command == "hold" and event.type == "response.output_text.delta":
                await released.wait()
            if command == "paced" and event.type == "response.output_text.delta":
                await asyncio.sleep(PACE_S)


def _deltas_of(command: str, instructions: str) -> tuple[str, ...]:
    if command in ("short", "release"):
        return DELTAS[:1]
    if command in ("stamp", "paced"):
        stamps = tuple(STAMP.findall(instructions)[:1])
        return stamps if command == "stamp" else (*stamps, *DELTAS)
    return DELTAS


async def _text_events(deltas: tuple[str, ...]) -> AsyncIterator[ResponseStreamEvent]:
    number = itertools.count()
    answer, item_id, text = _fresh_id("resp"), _fresh_id("msg"), "".join(deltas)
    place: dict[str, Any] = {"item_id": item_id, "output_index": 0, "content_index": 0}
    yield ResponseCreatedEvent(
        type="response.created", response=_response(answer, "in_progress"), sequence_number=next(number)
    )
    begun = ResponseOutputMessage(id=item_id, type="message", role="assistant", status="in_progress", content=[])
    yield ResponseOutputItemAddedEvent(
        type="response.output_item.added", item=begun, output_index=0, sequence_number=next(number)
    )
    yield ResponseContentPartAddedEvent(
        type="response.content_part.added", part=_part(""), sequence_number=next(number), **place
    )
    for delta in deltas:
        await asyncio.sleep(0)
        yield ResponseTextDeltaEvent(
            type="response.output_text.delta", delta=delta, logprobs=[], sequence_number=next(number), **place
        )
    yield ResponseTextDoneEvent(
        type="response.output_text.done", text=text, logprobs=[], sequence_number=next(number), **place
    )
    yield ResponseContentPartDoneEvent(
        type="response.content_part.done", part=_part(text), sequence_number=next(number), **place
    )
    message = ResponseOutputMessage(
        id=item_id, type="message", role="assistant", status="completed", content=[_part(text)]
    )
    for event in _closing_events(answer, message, number):
        yield event


def _call_events(name: str, arguments: str) -> list[ResponseStreamEvent]:
    number = itertools.count()
    answer, item_id, call_id = _fresh_id("resp"), _fresh_id("fc"), _fresh_id("call")
    place: dict[str, Any] = {"item_id": item_id, "output_index": 0}

    def call(arguments: str, status: Any) -> ResponseFunctionToolCall:
        return ResponseFunctionToolCall(
            id=item_id, type="function_call", call_id=call_id, name=name, arguments=arguments, status=status
        )

    return [
        ResponseCreatedEvent(
            type="response.created", response=_response(answer, "in_progress"), sequence_number=next(number)
        ),
        ResponseOutputItemAddedEvent(
            type="response.output_item.added",
            item=call("", "in_progress"),
            output_index=0,
            sequence_number=next(number),
        ),
        ResponseFunctionCallArgumentsDeltaEvent(
            type="response.function_call_arguments.delta", delta=arguments, sequence_number=next(number), **place
        ),
        ResponseFunctionCallArgumentsDoneEvent(
            type="response.function_call_arguments.done",
            name=name,
            arguments=arguments,
            sequence_number=next(number),
            **place,
        ),
        *_closing_events(answer, call(arguments, "completed"), number),
    ]


def _closing_events(answer: str, item: Any, number: itertools.count[int]) -> list[ResponseStreamEvent]:
    return [
        ResponseOutputItemDoneEvent(
            type="response.output_item.done", item=item, output_index=0, sequence_number=next(number)
        ),
        ResponseCompletedEvent(
            type="response.completed", response=_response(answer, "completed", item), sequence_number=next(number)
        ),
    ]


def _response(answer: str, status: Any, *output: Any) -> Response:
    return Response(
        id=answer,
        created_at=0,
        model="zero",
        object="response",
        output=list(output),
        parallel_tool_calls=False,
        status=status,
        tool_choice="auto",
        tools=[],
    )


def _part(text: str) -> ResponseOutputText:
    return ResponseOutputText(type="output_text", text=text, annotations=[])


def _fresh_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def _last_user_text(items: str | list[Any]) -> str:
    if isinstance(items, str):
        return items
    content = next(item["content"] for item in reversed(items) if item.get("role") == "user")
    return content if isinstance(content, str) else str(content[0]["text"])


def _ends_with_result(items: str | list[Any]) -> bool:
    return isinstance(items, list) and items[-1].get("type") == "function_call_output"
