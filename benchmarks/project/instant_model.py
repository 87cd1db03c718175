"""A model that answers at once, so that the cost of a turn is the cost of the server.

The last message of the user selects the answer:

- `plain`: 50 text deltas;
- `tool`: a call of `show_card`, then 50 text deltas after its result;
- `archive`: the same with `archive`, which needs approval in the projects of `benchmarks.growth`;
- `short`: one text delta;
- `hold`: one text delta, and the rest after a message `release`;
- `stamp`: one text delta, the stamp in the agent's instructions, which identifies the version of a project;
- `paced`: the stamp, then 50 text deltas, one every 20 ms;
- `slow`: 50 text deltas, one every 200 ms.

The event loop runs other tasks before each delta, as it does when a delta comes from a socket.
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
PACES_S = {"paced": 0.02, "slow": 0.2}
"""The time after each text delta, in seconds."""
_CALLS = {"tool": "show_card", "archive": "archive"}


def build() -> InstantModel:
    """Return a model for one server."""
    return InstantModel()


class InstantModel(Model):
    """Streams the events of the Responses API, without a network and without a wait."""

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
            if command in PACES_S and event.type == "response.output_text.delta":
                await asyncio.sleep(PACES_S[command])


def _deltas_of(command: str, instructions: str) -> tuple[str, ...]:
    if command in ("short", "release"):
        return DELTAS[:1]
    if command in ("stamp", "paced"):
        stamps = tuple(STAMP.findall(instructions)[:1])
        return stamps if command == "stamp" else (*stamps, *DELTAS)
    return DELTAS


async def _text_events(deltas: tuple[str, ...]) -> AsyncIterator[ResponseStreamEvent]:
    events, item_id, text = _Events(), _new_id("msg"), "".join(deltas)
    place: dict[str, Any] = {"item_id": item_id, "output_index": 0, "content_index": 0}
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    empty = ResponseOutputText(type="output_text", text="", annotations=[])
    message = ResponseOutputMessage(id=item_id, type="message", role="assistant", status="completed", content=[part])
    begun = ResponseOutputMessage(id=item_id, type="message", role="assistant", status="in_progress", content=[])
    for event in events.opening(begun):
        yield event
    yield events.make(ResponseContentPartAddedEvent, "response.content_part.added", part=empty, **place)
    for delta in deltas:
        await asyncio.sleep(0)
        yield events.make(ResponseTextDeltaEvent, "response.output_text.delta", delta=delta, logprobs=[], **place)
    yield events.make(ResponseTextDoneEvent, "response.output_text.done", text=text, logprobs=[], **place)
    yield events.make(ResponseContentPartDoneEvent, "response.content_part.done", part=part, **place)
    for event in events.closing(message):
        yield event


def _call_events(name: str, arguments: str) -> list[ResponseStreamEvent]:
    events, done = _Events(), "response.function_call_arguments.done"
    fields: dict[str, Any] = {"type": "function_call", "id": _new_id("fc"), "call_id": _new_id("call"), "name": name}
    begun = ResponseFunctionToolCall(arguments="", status="in_progress", **fields)
    call = ResponseFunctionToolCall(arguments=arguments, status="completed", **fields)
    place: dict[str, Any] = {"item_id": call.id, "output_index": 0}
    delta = "response.function_call_arguments.delta"
    return [
        *events.opening(begun),
        events.make(ResponseFunctionCallArgumentsDeltaEvent, delta, delta=arguments, **place),
        events.make(ResponseFunctionCallArgumentsDoneEvent, done, name=name, arguments=arguments, **place),
        *events.closing(call),
    ]


class _Events:
    """Makes the events of one response, with their numbers."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._id = _new_id("resp")

    def make(self, event: type[Any], kind: str, **fields: Any) -> Any:
        return event(type=kind, sequence_number=next(self._numbers), **fields)

    def opening(self, item: Any) -> list[ResponseStreamEvent]:
        response = self._response("in_progress")
        return [
            self.make(ResponseCreatedEvent, "response.created", response=response),
            self.make(ResponseOutputItemAddedEvent, "response.output_item.added", item=item, output_index=0),
        ]

    def closing(self, item: Any) -> list[ResponseStreamEvent]:
        response = self._response("completed", item)
        return [
            self.make(ResponseOutputItemDoneEvent, "response.output_item.done", item=item, output_index=0),
            self.make(ResponseCompletedEvent, "response.completed", response=response),
        ]

    def _response(self, status: Any, *output: Any) -> Response:
        shared: dict[str, Any] = {"object": "response", "parallel_tool_calls": False, "tool_choice": "auto"}
        return Response(
            id=self._id, created_at=0, model="instant", output=list(output), status=status, tools=[], **shared
        )


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def _last_user_text(items: str | list[Any]) -> str:
    if isinstance(items, str):
        return items
    content = next(item["content"] for item in reversed(items) if item.get("role") == "user")
    return content if isinstance(content, str) else str(content[0]["text"])


def _ends_with_result(items: str | list[Any]) -> bool:
    return isinstance(items, list) and items[-1].get("type") == "function_call_output"
