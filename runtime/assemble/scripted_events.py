"""The steps of a script as events of the Responses API, in the order and with the ids of a real endpoint."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from uuid import uuid4

from agents.exceptions import AgentsException
from agents.items import TResponseStreamEvent
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseContentPartAddedEvent,
    ResponseContentPartDoneEvent,
    ResponseCreatedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionCallArgumentsDoneEvent,
    ResponseFunctionToolCall,
    ResponseInProgressEvent,
    ResponseOutputItem,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseReasoningSummaryPartAddedEvent,
    ResponseReasoningSummaryPartDoneEvent,
    ResponseReasoningSummaryTextDeltaEvent,
    ResponseReasoningSummaryTextDoneEvent,
    ResponseTextDeltaEvent,
    ResponseTextDoneEvent,
    ResponseUsage,
)
from openai.types.responses.response_reasoning_item import Summary
from openai.types.responses.response_reasoning_summary_part_added_event import Part as AddedPart
from openai.types.responses.response_reasoning_summary_part_done_event import Part as DonePart
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import TypeAdapter

from runtime.errors import RuntimeFault
from runtime.scripts.player import Call, Fail, Item, Say, Step, Think

Sleep = Callable[[float], Awaitable[None]]

_CHUNK = re.compile(r"\s*\S+|\s+$")
# Endpoints split arguments anywhere, so a fragment need not be valid JSON.
_FRAGMENT = re.compile(r".{1,16}", re.DOTALL)
_CHARACTERS_PER_TOKEN = 4
_ITEMS: TypeAdapter[ResponseOutputItem] = TypeAdapter(ResponseOutputItem, config={"defer_build": True})


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
    """Stream one response; other tasks run between its chunks. Raise ScriptedFailure at a `fail:` step.

    `sleep` waits for the delay before each chunk, in seconds; the default is `asyncio.sleep`.
    """
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


# Other tasks run before every chunk, even without a delay.
_PAUSED_BEFORE = frozenset(
    {
        "response.output_text.delta",
        "response.reasoning_summary_text.delta",
        "response.function_call_arguments.delta",
    }
)


class _Reply:
    """Makes the events of one response: numbers them, and collects the output."""

    def __init__(self, model: str, input_tokens: int) -> None:
        self._sequence = -1
        self._characters = self._thought = 0
        self._input_tokens = input_tokens
        self._output: list[ResponseOutputItem] = []
        self._response = Response(
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
        yield ResponseCreatedEvent(type="response.created", response=self._response, sequence_number=self._next())
        yield ResponseInProgressEvent(
            type="response.in_progress", response=self._response, sequence_number=self._next()
        )

    def closing(self) -> TResponseStreamEvent:
        thought, written = estimate_tokens(self._thought), estimate_tokens(self._characters)
        usage = ResponseUsage(
            input_tokens=self._input_tokens,
            input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
            output_tokens=thought + written,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=thought),
            total_tokens=self._input_tokens + thought + written,
        )
        response = self._response.model_copy(update={"output": self._output, "status": "completed", "usage": usage})
        return ResponseCompletedEvent(type="response.completed", response=response, sequence_number=self._next())

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

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _added(self, item: ResponseOutputItem) -> TResponseStreamEvent:
        return ResponseOutputItemAddedEvent(
            type="response.output_item.added",
            item=item,
            output_index=len(self._output),
            sequence_number=self._next(),
        )

    def _done(self, item: ResponseOutputItem) -> TResponseStreamEvent:
        self._output.append(item)
        return ResponseOutputItemDoneEvent(
            type="response.output_item.done",
            item=item,
            output_index=len(self._output) - 1,
            sequence_number=self._next(),
        )

    def _whole(self, item: ResponseOutputItem) -> Iterator[TResponseStreamEvent]:
        yield self._added(item)
        yield self._done(item)

    def _message(self, text: str) -> Iterator[TResponseStreamEvent]:
        self._characters += len(text)
        empty = ResponseOutputText(type="output_text", text="", annotations=[], logprobs=[])
        whole = ResponseOutputText(type="output_text", text=text, annotations=[], logprobs=[])
        item = ResponseOutputMessage(
            id=new_id("msg"), type="message", role="assistant", status="in_progress", content=[]
        )
        index = len(self._output)
        yield self._added(item)
        yield ResponseContentPartAddedEvent(
            type="response.content_part.added",
            item_id=item.id,
            output_index=index,
            content_index=0,
            part=empty,
            sequence_number=self._next(),
        )
        for chunk in _CHUNK.findall(text):
            yield ResponseTextDeltaEvent(
                type="response.output_text.delta",
                item_id=item.id,
                output_index=index,
                content_index=0,
                delta=chunk,
                logprobs=[],
                sequence_number=self._next(),
            )
        yield ResponseTextDoneEvent(
            type="response.output_text.done",
            item_id=item.id,
            output_index=index,
            content_index=0,
            text=text,
            logprobs=[],
            sequence_number=self._next(),
        )
        yield ResponseContentPartDoneEvent(
            type="response.content_part.done",
            item_id=item.id,
            output_index=index,
            content_index=0,
            part=whole,
            sequence_number=self._next(),
        )
        yield self._done(item.model_copy(update={"status": "completed", "content": [whole]}))

    def _reasoning(self, text: str) -> Iterator[TResponseStreamEvent]:
        self._thought += len(text)
        item = ResponseReasoningItem(id=new_id("rs"), type="reasoning", summary=[])
        index = len(self._output)
        yield self._added(item)
        yield ResponseReasoningSummaryPartAddedEvent(
            type="response.reasoning_summary_part.added",
            item_id=item.id,
            output_index=index,
            summary_index=0,
            part=AddedPart(type="summary_text", text=""),
            sequence_number=self._next(),
        )
        for chunk in _CHUNK.findall(text):
            yield ResponseReasoningSummaryTextDeltaEvent(
                type="response.reasoning_summary_text.delta",
                item_id=item.id,
                output_index=index,
                summary_index=0,
                delta=chunk,
                sequence_number=self._next(),
            )
        yield ResponseReasoningSummaryTextDoneEvent(
            type="response.reasoning_summary_text.done",
            item_id=item.id,
            output_index=index,
            summary_index=0,
            text=text,
            sequence_number=self._next(),
        )
        yield ResponseReasoningSummaryPartDoneEvent(
            type="response.reasoning_summary_part.done",
            item_id=item.id,
            output_index=index,
            summary_index=0,
            part=DonePart(type="summary_text", text=text),
            sequence_number=self._next(),
        )
        yield self._done(item.model_copy(update={"summary": [Summary(type="summary_text", text=text)]}))

    def _call(self, call: Call) -> Iterator[TResponseStreamEvent]:
        self._characters += len(call.name) + len(call.arguments)
        item = ResponseFunctionToolCall(
            id=new_id("fc"),
            call_id=new_id("call"),
            type="function_call",
            name=call.name,
            arguments="",
            status="in_progress",
        )
        index, item_id = len(self._output), str(item.id)
        yield self._added(item)
        for fragment in _FRAGMENT.findall(call.arguments):
            yield ResponseFunctionCallArgumentsDeltaEvent(
                type="response.function_call_arguments.delta",
                item_id=item_id,
                output_index=index,
                delta=fragment,
                sequence_number=self._next(),
            )
        yield ResponseFunctionCallArgumentsDoneEvent(
            type="response.function_call_arguments.done",
            item_id=item_id,
            output_index=index,
            arguments=call.arguments,
            name=call.name,
            sequence_number=self._next(),
        )
        yield self._done(item.model_copy(update={"arguments": call.arguments, "status": "completed"}))
