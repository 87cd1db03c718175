"""The steps of a script as events of the Responses API, in the order and with the ids of a real endpoint."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from agents.exceptions import AgentsException
from agents.items import TResponseStreamEvent
from openai.types import responses as api
from openai.types.responses.response_reasoning_item import Summary
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import TypeAdapter

from runtime.errors import RuntimeFault
from runtime.scripts.player import Call, Fail, Item, Say, Step, Think

Sleep = Callable[[float], Awaitable[None]]

_CHUNK = re.compile(r"\s*\S+|\s+$")
# Endpoints split arguments anywhere, so a fragment need not be valid JSON.
_FRAGMENT = re.compile(r".{1,16}", re.DOTALL)
_CHARACTERS_PER_TOKEN = 4
_ITEMS: TypeAdapter[api.ResponseOutputItem] = TypeAdapter(api.ResponseOutputItem, config={"defer_build": True})

TEXT_DELTA = "response.output_text.delta"
_SUMMARY_DELTA = "response.reasoning_summary_text.delta"
_ARGUMENTS_DELTA = "response.function_call_arguments.delta"
# Other tasks run before every chunk, even without a delay.
_PAUSED_BEFORE = frozenset({TEXT_DELTA, _SUMMARY_DELTA, _ARGUMENTS_DELTA})


class ScriptedFailure(RuntimeFault, AgentsException):
    """A `fail:` step; `status_code` is the HTTP status that a real endpoint would return."""

    def __init__(self, message: str, status_code: int) -> None:
        self.message = message
        self.status_code = status_code
        super().__init__(message)


def estimate_tokens(characters: int) -> int:
    """Estimate the number of tokens of a text from its length."""
    return -(-characters // _CHARACTERS_PER_TOKEN)


def new_id(prefix: str) -> str:
    """Return an id in the API's format, such as `msg_` and 32 random hex digits."""
    return f"{prefix}_{uuid4().hex}"


async def play(
    steps: Sequence[Step], *, input_tokens: int = 0, model: str = "scripted", sleep: Sleep | None = None
) -> AsyncIterator[TResponseStreamEvent]:
    """Stream one response; `sleep` waits for the delay before each chunk. Raise ScriptedFailure at a `fail:` step."""
    sleep = sleep or asyncio.sleep
    if steps and isinstance(steps[0], Fail):
        raise ScriptedFailure(steps[0].message, steps[0].status)
    reply = _Reply(model, input_tokens)
    for event in reply.opening():
        yield event
    for step in steps:
        if isinstance(step, Fail):
            raise ScriptedFailure(step.message, step.status)
        delay_s = step.delay_s if isinstance(step, Say | Think) else 0.0
        for event in reply.events(step):
            if event.type in _PAUSED_BEFORE:
                await sleep(delay_s)
            yield event
    yield reply.closing()


class _Reply:
    """Makes the events of one response: numbers them, and collects the output."""

    def __init__(self, model: str, input_tokens: int) -> None:
        self._sequence = -1
        self._characters = self._thought = 0
        self._input_tokens = input_tokens
        self._output: list[api.ResponseOutputItem] = []
        self._response = api.Response(
            id=new_id("resp"),
            created_at=int(time.time()),
            model=model,
            object="response",
            output=[],
            parallel_tool_calls=True,
            status="in_progress",
            tool_choice="auto",
            tools=[],
        )

    def opening(self) -> Iterator[TResponseStreamEvent]:
        yield self._event(api.ResponseCreatedEvent, "response.created", response=self._response)
        yield self._event(api.ResponseInProgressEvent, "response.in_progress", response=self._response)

    def closing(self) -> TResponseStreamEvent:
        thought, written = estimate_tokens(self._thought), estimate_tokens(self._characters)
        usage = api.ResponseUsage(
            input_tokens=self._input_tokens,
            input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
            output_tokens=thought + written,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=thought),
            total_tokens=self._input_tokens + thought + written,
        )
        response = self._response.model_copy(update={"output": self._output, "status": "completed", "usage": usage})
        return self._event(api.ResponseCompletedEvent, "response.completed", response=response)

    def events(self, step: Say | Think | Call | Item) -> Iterator[TResponseStreamEvent]:
        match step:
            case Say():
                return self._message(step.text)
            case Think():
                return self._reasoning(step.text)
            case Call():
                return self._call(step)
            case Item():
                return self._whole(_ITEMS.validate_python(step.data))

    def _event(self, kind: Callable[..., TResponseStreamEvent], type: str, **fields: Any) -> TResponseStreamEvent:
        self._sequence += 1
        return kind(type=type, sequence_number=self._sequence, **fields)

    def _deltas(
        self, kind: Callable[..., TResponseStreamEvent], type: str, parts: Iterable[str], **fields: Any
    ) -> Iterator[TResponseStreamEvent]:
        for part in parts:
            self._sequence += 1
            yield kind(type=type, delta=part, sequence_number=self._sequence, **fields)

    def _added(self, item: api.ResponseOutputItem) -> TResponseStreamEvent:
        added = "response.output_item.added"
        return self._event(api.ResponseOutputItemAddedEvent, added, item=item, output_index=len(self._output))

    def _done(self, item: api.ResponseOutputItem) -> TResponseStreamEvent:
        done, index = "response.output_item.done", len(self._output)
        self._output.append(item)
        return self._event(api.ResponseOutputItemDoneEvent, done, item=item, output_index=index)

    def _whole(self, item: api.ResponseOutputItem) -> Iterator[TResponseStreamEvent]:
        yield self._added(item)
        yield self._done(item)

    def _message(self, text: str) -> Iterator[TResponseStreamEvent]:
        self._characters += len(text)
        item = api.ResponseOutputMessage(
            id=new_id("msg"), type="message", role="assistant", status="in_progress", content=[]
        )
        empty = api.ResponseOutputText(type="output_text", text="", annotations=[], logprobs=[])
        whole = empty.model_copy(update={"text": text})
        at: dict[str, Any] = {"item_id": item.id, "output_index": len(self._output), "content_index": 0}
        yield self._added(item)
        yield self._event(api.ResponseContentPartAddedEvent, "response.content_part.added", part=empty, **at)
        chunks = _CHUNK.findall(text)
        yield from self._deltas(api.ResponseTextDeltaEvent, TEXT_DELTA, chunks, logprobs=[], **at)
        yield self._event(api.ResponseTextDoneEvent, "response.output_text.done", text=text, logprobs=[], **at)
        yield self._event(api.ResponseContentPartDoneEvent, "response.content_part.done", part=whole, **at)
        yield self._done(item.model_copy(update={"status": "completed", "content": [whole]}))

    def _reasoning(self, text: str) -> Iterator[TResponseStreamEvent]:
        self._thought += len(text)
        item = api.ResponseReasoningItem(id=new_id("rs"), type="reasoning", summary=[])
        at: dict[str, Any] = {"item_id": item.id, "output_index": len(self._output), "summary_index": 0}
        empty, whole = ({"type": "summary_text", "text": part} for part in ("", text))
        yield self._added(item)
        yield self._event(
            api.ResponseReasoningSummaryPartAddedEvent, "response.reasoning_summary_part.added", part=empty, **at
        )
        chunks = _CHUNK.findall(text)
        yield from self._deltas(api.ResponseReasoningSummaryTextDeltaEvent, _SUMMARY_DELTA, chunks, **at)
        yield self._event(
            api.ResponseReasoningSummaryTextDoneEvent, "response.reasoning_summary_text.done", text=text, **at
        )
        yield self._event(
            api.ResponseReasoningSummaryPartDoneEvent, "response.reasoning_summary_part.done", part=whole, **at
        )
        yield self._done(item.model_copy(update={"summary": [Summary(type="summary_text", text=text)]}))

    def _call(self, call: Call) -> Iterator[TResponseStreamEvent]:
        self._characters += len(call.name) + len(call.arguments)
        item = api.ResponseFunctionToolCall(
            id=new_id("fc"),
            call_id=new_id("call"),
            type="function_call",
            name=call.name,
            arguments="",
            status="in_progress",
        )
        at: dict[str, Any] = {"item_id": item.id, "output_index": len(self._output)}
        yield self._added(item)
        fragments = _FRAGMENT.findall(call.arguments)
        yield from self._deltas(api.ResponseFunctionCallArgumentsDeltaEvent, _ARGUMENTS_DELTA, fragments, **at)
        done = "response.function_call_arguments.done"
        whole = {"name": call.name, "arguments": call.arguments}
        yield self._event(api.ResponseFunctionCallArgumentsDoneEvent, done, **whole, **at)
        yield self._done(item.model_copy(update={"arguments": call.arguments, "status": "completed"}))
