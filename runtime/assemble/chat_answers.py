"""The answers of Chat Completions endpoints in the form that the SDK reads.

Endpoints leave out indexes, give two calls one index, and repeat or split what OpenAI sends once. Calls get an index
each, arguments are texts, and thoughts are no content. The reason why an answer ended is in its chunks alone, and the
SDK does not report it: an answer that was cut off or filtered raises ModelFailure.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import openai

from runtime.assemble.http_traces import HttpTrace, current_trace
from runtime.assemble.model_failures import ModelFailure
from runtime.assemble.provider_answers import ended_early, is_early
from runtime.resources.token_usage import TokenUsage

_NO_ARGUMENTS = "{}"


def read_chat_response(response: Any) -> Any:
    """Return a completion, or a pair with a stream of chunks, in the form that the SDK reads. Raise ModelFailure."""
    if isinstance(response, tuple):
        first, stream = response
        return first, _Chunks(stream, current_trace())
    choice = response.choices[0] if response.choices else None
    if choice is None:
        return response
    _normalise(choice.message)
    if is_early(choice.finish_reason):
        raise _ended(choice, _usage(getattr(response, "usage", None)), choice.message.content or "")
    _restore_refusal(choice.message)
    return response


class _Chunks:
    """The chunks of an answer; raises ModelFailure at the end of one that was cut off or filtered."""

    def __init__(self, stream: Any, trace: HttpTrace | None) -> None:
        self.response = getattr(stream, "response", None)
        self._trace = trace
        self._refusals = None
        below = getattr(stream, "completion_stream", None)
        if isinstance(below, openai.AsyncStream):
            stream.completion_stream = self._refusals = _Refusals(below)
        self._stream, self._chunks = stream, self._read(stream)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._chunks

    async def aclose(self) -> None:
        """Close the stream."""
        await self._chunks.aclose()
        close: Callable[[], Any] | None = getattr(self._stream, "aclose", None) or getattr(self._stream, "close", None)
        if close is not None:
            await close()

    async def _read(self, stream: Any) -> AsyncGenerator[Any, None]:
        last = usage = None
        calls = _CallIndexes()
        has_choices = False
        async for chunk in stream:
            usage = getattr(chunk, "usage", None) or usage
            if choices := chunk.choices:
                has_choices, choice = True, choices[0]
                if choice.index is None:
                    choice.index = 0
                if choice.finish_reason:
                    last = choice
                delta = choice.delta
                if delta is not None:
                    _normalise(delta)
                    if delta.tool_calls:
                        calls.assign(delta.tool_calls)
                    if self._refusals is not None and choice.finish_reason:
                        delta.refusal = self._refusals.text
            yield chunk
        if last is not None and is_early(last.finish_reason):
            raise _ended(last, _usage(usage))
        if last is None and usage is None and has_choices and not self._is_done():
            raise ended_early(None)

    def _is_done(self) -> bool:
        return self._trace is not None and self._trace.is_done


class _Refusals:
    """The stream of an endpoint below LiteLLM's, which drops the words of a refusal."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.text = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for chunk in self._stream:
            for choice in getattr(chunk, "choices", None) or ():
                self.text += getattr(getattr(choice, "delta", None), "refusal", None) or ""
            yield chunk


@dataclass(slots=True)
class _Call:
    index: int
    id: str
    name: str = ""
    arguments: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether the arguments are a whole JSON object."""
        try:
            return isinstance(json.loads(self.arguments), Mapping)
        except ValueError:
            return False

    def is_followed_by(self, piece: Any) -> bool:
        """Return whether a piece with the index of this call, or without any, begins another call."""
        if not piece.function.name or not self.name:
            return False
        arguments = piece.function.arguments or ""
        has_other_id = bool(piece.id and self.id and piece.id != self.id)
        if not self.arguments:
            return has_other_id
        return self.is_complete and (has_other_id or bool(arguments and arguments != self.arguments))

    def add(self, piece: Any) -> None:
        """Add a piece; one that repeats the call as a whole is emptied."""
        function, arguments = piece.function, piece.function.arguments or ""
        self.id = self.id or piece.id or ""
        if function.name and self.name and not self.arguments and not piece.id and function.name != self.name:
            # The name comes in pieces; the SDK keeps the last one.
            function.name = self.name + function.name
        self.name = function.name or self.name
        if arguments and arguments == self.arguments and function.name:
            function.arguments = ""
        elif self.arguments == _NO_ARGUMENTS and arguments:
            # Some begin with empty arguments.
            self.arguments = arguments
        else:
            self.arguments += arguments
            if self.arguments == _NO_ARGUMENTS:
                # Sent to nobody until they are certain: an answer without arguments has none.
                function.arguments = ""


class _CallIndexes:
    """Gives each call of an answer an index of its own. Gemini and Ollama send none, or 0 for every call."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[Any, _Call] = {}

    def assign(self, pieces: list[Any]) -> None:
        """Set the index of each piece of a call."""
        for piece in pieces:
            if piece.function is None:
                if (known := self._by_index.get(piece.index)) is not None:
                    piece.index = known.index
                continue
            call = self._call_of(piece)
            if call is None or call.is_followed_by(piece):
                call = _Call(len(self._calls), piece.id or "")
                self._calls.append(call)
                self._by_index[piece.index] = call
            call.add(piece)
            piece.index = call.index

    def _call_of(self, piece: Any) -> _Call | None:
        if piece.index is not None:
            return self._by_index.get(piece.index)
        with_id = (call for call in reversed(self._calls) if piece.id and call.id == piece.id)
        last = self._calls[-1] if self._calls else None
        return next(with_id, last)


def _normalise(said: Any) -> None:
    """Give a message, or a piece of one, the form of OpenAI's: arguments are texts, and thoughts are no content."""
    for call in said.tool_calls or ():
        function = call.function
        if function is not None and isinstance(function.arguments, Mapping | list):
            function.arguments = json.dumps(function.arguments)
        if call.id is not None and not isinstance(call.id, str):
            call.id = str(call.id)
    if said.content is not None and not isinstance(said.content, str):
        _read_parts(said, said.content if isinstance(said.content, list) else [said.content])
    more = said.model_extra
    if more and more.get("reasoning") and more.get("reasoning_content"):
        # vLLM sends its thoughts under both names.
        said.reasoning = None


def _read_parts(said: Any, content: list[Any]) -> None:
    parts = [part if isinstance(part, Mapping) else {"type": "text", "text": str(part)} for part in content]
    # Mistral's models that think.
    thoughts = [part["thinking"] for part in parts if part.get("type") == "thinking"]
    said.content = "".join(part["text"] for part in parts if part.get("type") == "text")
    if thoughts:
        said.reasoning_content = "".join(map(_text_of_thought, thoughts))


def _text_of_thought(thought: Any) -> str:
    return thought if isinstance(thought, str) else "".join(part.get("text", "") for part in thought)


def _restore_refusal(message: Any) -> None:
    """Take a refusal from where LiteLLM puts it."""
    fields = getattr(message, "provider_specific_fields", None) or {}
    if fields.get("refusal") and not getattr(message, "refusal", None):
        message.refusal = fields["refusal"]


def _ended(choice: Any, usage: TokenUsage | None, text: str = "") -> ModelFailure:
    """Return the failure of an answer that ended early; OpenRouter tells the error beside the reason."""
    error = getattr(choice, "error", None)
    return ended_early(choice.finish_reason, usage, text) if not error else ModelFailure.of_error(error)


def _usage(usage: Any) -> TokenUsage | None:
    return None if usage is None else TokenUsage(1, usage.prompt_tokens or 0, 0, usage.completion_tokens or 0)
