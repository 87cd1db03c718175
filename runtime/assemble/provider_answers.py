"""The answers of providers in one form: events and items as OpenAI sends them, and each failure as an exception.

Endpoints that speak OpenAI's APIs differ in what they send. Here, calls get ids of ours and the names of tools that
exist, `<think>` becomes a thought, and what must come back to the endpoint is kept with the call. An error, or an end
before there is an answer, raises ModelFailure. Missing counts of tokens are estimated. Text passes unchanged.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any

from agents.usage import Usage
from openai.types import responses as api
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from runtime.assemble.answer_repairs import (
    as_completed,
    as_done,
    normalise_event,
    normalise_message,
    repaired_arguments,
    repaired_name,
)
from runtime.assemble.model_failures import ModelFailure
from runtime.assemble.scripted_events import TEXT_DELTA, estimate_tokens
from runtime.assemble.think_tags import MessageStream, unopened_thoughts, visible_text
from runtime.assemble.token_meter import ESTIMATED_USAGE, token_usage
from runtime.resources.token_usage import TokenUsage

_ID_CHARACTERS = string.ascii_letters + string.digits
# Mistral accepts ids of exactly this length, and every other provider does as well.
_ID_LENGTH = 9
# These events show nothing. They are held, so that a request that fails before the first word can be repeated.
_HELD = frozenset(
    {
        "response.created",
        "response.in_progress",
        "response.queued",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
    }
)
_CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})
_FILTERED = frozenset(
    {
        "content_filter",
        "content_filtered",
        "guardrail_intervened",
        "safety",
        "image_safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "sensitive",
        "refusal",
    }
)
# DeepSeek, Zhipu, SGLang and Gemini: the answer ended by a fault of theirs.
_BROKEN = frozenset(
    {
        "error",
        "network_error",
        "insufficient_system_resource",
        "abort",
        "malformed_function_call",
        "unexpected_tool_call",
    }
)
_HELD_ITEMS = frozenset({"message", "reasoning", "function_call"})


class ProviderAnswer:
    """Reads one answer of an endpoint.

    `endpoint` says where the answer is from, and `keeps_thoughts` whether the endpoint wants its thoughts back with a
    call. `tool_names` returns the names that the model may call, and `input_size` the characters of the request.
    `may_be_empty`: the model may have nothing to add to what a tool has shown. `is_opened`: a template begins each
    answer with thoughts, and no tag opens them; None if that is not known. `learn` is called with whether it is so when
    an answer shows it.
    """

    def __init__(
        self,
        endpoint: str,
        tool_names: Callable[[], Iterable[str]],
        input_size: Callable[[], int],
        *,
        keeps_thoughts: bool,
        may_be_empty: bool,
        is_opened: bool | None = False,
        learn: Callable[[bool], None] = lambda is_opened: None,
    ) -> None:
        self._endpoint, self._tool_names, self._input_size = endpoint, tool_names, input_size
        self._keeps_thoughts, self._may_be_empty = keeps_thoughts, may_be_empty
        self._call_ids: dict[int, str] = {}
        self._thoughts: dict[str, Any] | None = None
        self._is_opened, self._learn = is_opened, learn
        self._message = MessageStream(is_opened)
        self._read_parts: list[Any] = []
        self._has_call = False
        self._done: list[Any] = []
        """The items of a streamed answer that are complete."""

    async def events(self, stream: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        """Yield the events of a streamed answer. Raise ModelFailure."""
        held: list[Any] = []
        started = complete = False
        message = self._message
        async for event in stream:
            if message.is_plain and event.type == TEXT_DELTA:
                if event.content_index is None:
                    event.content_index = 0
                yield event
                continue
            if event.type is None:
                continue
            event = as_completed(event)
            normalise_event(event)
            for each in self._convert(event):
                if not started and _shows_nothing(each):
                    held.append(each)
                    continue
                if not started:
                    started = True
                    for waiting in held:
                        yield waiting
                complete = complete or each.type == "response.completed"
                yield each
        if not complete:
            raise ModelFailure(
                "unavailable" if started else "silent", "the stream ended before the answer was complete"
            )

    def correct(self, output: Iterable[Any]) -> None:
        """Correct the items of a whole answer, in place. Raise ModelFailure if it says nothing."""
        says_something = self._may_be_empty
        output = list(output)
        self._has_call = self._has_call or any(item.type == "function_call" for item in output)
        for index, item in enumerate(output):
            if item.type == "message":
                normalise_message(item)
                self._hide_thoughts(*item.content)
            else:
                self._correct_item(index, item)
            says_something = says_something or _says_something(item)
        if not says_something:
            raise ModelFailure("silent", "the answer is empty")

    def estimate(self, output: Iterable[Any]) -> TokenUsage:
        """Estimate the tokens of an answer whose endpoint has not counted them."""
        ESTIMATED_USAGE.set(True)
        size = sum(len(item.model_dump_json(include={"content", "summary", "arguments", "name"})) for item in output)
        return TokenUsage(1, estimate_tokens(self._input_size()), 0, estimate_tokens(size))

    def _convert(self, event: Any) -> Iterable[Any]:
        message = self._message
        match event.type:
            case "response.output_item.added" if event.item.type == "message":
                return message.open(event)
            case "response.content_part.added" if event.part.type == "output_text":
                return message.hold(event)
            case "response.output_text.delta":
                return message.add(event)
            case "response.output_text.done":
                ended = self._ended(event, event.text)
                event.text = self._visible(event.text)
                return ended
            case "response.content_part.done" if event.part.type == "output_text":
                ended = self._ended(event, event.part.text)
                self._hide_thoughts(event.part)
                return ended
            case "response.output_item.done" if event.item.type == "message":
                ended = self._ended(event, _text_of(event.item))
                self._hide_thoughts(*event.item.content)
                self._done.append(event.item)
                return ended
            case "response.refusal.delta":
                return [*message.end(event), event]
            case "response.output_item.added":
                self._correct_item(event.output_index, event.item)
            case "response.output_item.done":
                self._correct_item(event.output_index, event.item)
                self._done.append(event.item)
            case "response.completed":
                return self._complete(event)
            case "response.failed":
                raise _failure_of(event.response)
            case "error" | "response.error":
                raise ModelFailure.of_error(_error_of(event))
            case "response.incomplete":
                return self._end_early(event)
        return (event,)

    def _ended(self, event: Any, text: str) -> list[Any]:
        """Return the event behind what was held, or nothing of a message that has only thoughts."""
        events = list(self._message.end(event, text, may_drop=True, before_call=self._has_call))
        if self._message.learned is not None:
            self._learn(self._message.learned)
        return events if self._message.dropped else [*events, event]

    def _visible(self, text: str) -> str:
        if not self._is_opened and unopened_thoughts(text, before_call=self._has_call):
            self._learn(True)
        is_opened = bool(self._is_opened) and self._message.learned is not False
        return visible_text(text, is_opened=is_opened, before_call=self._has_call)

    def _hide_thoughts(self, *parts: Any) -> None:
        for part in parts:
            # The SDK may send one object twice.
            if part.type == "output_text" and not any(part is read for read in self._read_parts):
                self._read_parts.append(part)
                part.text = self._visible(part.text or "")

    def _end_early(self, event: Any) -> Iterator[Any]:
        """Yield the ends of messages that the endpoint has left out, and raise the failure."""
        yield from self._missing_ends(event)
        raise _end_of(event.response)

    def _missing_ends(self, event: Any) -> list[Any]:
        messages = [item for item in event.response.output or () if item.type == "message"]
        missing = messages[sum(item.type == "message" for item in self._done) :]
        for item in missing:
            normalise_message(item)
        return [each for item in missing for each in self._convert(as_done(event, item))]

    def _complete(self, event: Any) -> Iterable[Any]:
        """Return the event that completes the answer, behind the ends of messages that the endpoint has left out."""
        response = event.response
        if response.status == "failed":
            raise _failure_of(response)
        if response.status == "incomplete":
            return self._end_early(event)
        if not response.output:
            # Gateways that store nothing: what was streamed is all there is.
            response.output = self._done
        events = self._missing_ends(event)
        self.correct(response.output)
        self._count(response)
        return [*events, event]

    def _count(self, response: Any) -> None:
        usage = response.usage
        ESTIMATED_USAGE.set(False)
        if usage is None or not (usage.input_tokens or usage.output_tokens):
            used = self.estimate(response.output)
            response.usage = api.ResponseUsage(
                input_tokens=used.input_tokens,
                output_tokens=used.output_tokens,
                total_tokens=used.total,
                input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
                output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
            )

    def _correct_item(self, index: int, item: Any) -> None:
        if item.type == "reasoning":
            item.provider_data = {**_provider_data(item), "endpoint": self._endpoint}
            if self._keeps_thoughts and (item.summary or item.content):
                self._thoughts = item.model_dump(mode="json", exclude_none=True)
        elif item.type == "function_call":
            self._has_call = True
            item.call_id = self._call_ids.setdefault(index, _new_call_id())
            item.name = repaired_name(item.name or "", self._tool_names)
            item.arguments = repaired_arguments(item.arguments)
            data = {**_provider_data(item), "endpoint": self._endpoint}
            if self._thoughts is not None and index == min(self._call_ids):
                data["reasoning"] = self._thoughts
            item.provider_data = data


def estimated_usage(used: TokenUsage) -> Usage:
    """Return an estimate as the SDK counts tokens."""
    return Usage(requests=1, input_tokens=used.input_tokens, output_tokens=used.output_tokens, total_tokens=used.total)


def ended_early(reason: str | None, usage: TokenUsage | None = None, text: str = "") -> ModelFailure:
    """Return the failure of an answer that ended for this reason, in the words of one of the APIs or of a provider."""
    name = _reason(reason)
    if name in _FILTERED:
        return ModelFailure("filtered", "the content filter stopped the answer", usage=usage, text=text)
    if name in _CUT_OFF:
        return ModelFailure("cut_off", "the answer reached the limit of tokens", usage=usage, text=text)
    return ModelFailure("unavailable", f"the answer is incomplete: {reason or 'no reason was given'}", usage=usage)


def is_early(reason: str | None) -> bool:
    """Return whether an answer that ended for this reason is incomplete."""
    return _reason(reason) in _CUT_OFF | _FILTERED | _BROKEN


def _reason(reason: str | None) -> str:
    # Gemini: `function_call_filter: MALFORMED_FUNCTION_CALL`.
    return (reason or "").lower().rpartition(": ")[2]


def _new_call_id() -> str:
    return "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))


def _shows_nothing(event: Any) -> bool:
    if event.type == "response.output_item.added":
        return event.item.type in _HELD_ITEMS
    return event.type in _HELD


def _says_something(item: Any) -> bool:
    if item.type == "message":
        texts = (getattr(part, "text", "") or getattr(part, "refusal", "") or "" for part in item.content)
        return any(text.strip() for text in texts)
    return bool(item.type != "reasoning")


def _text_of(message: Any) -> str:
    """Return the words of a message, or its refusal."""
    return "".join(getattr(part, "text", "") or getattr(part, "refusal", "") or "" for part in message.content)


def _provider_data(item: Any) -> Mapping[str, Any]:
    return getattr(item, "provider_data", None) or {}


def _failure_of(response: Any) -> ModelFailure:
    error = response.error
    if error is None or isinstance(error, str):
        return ModelFailure.of_error(error or {})
    return ModelFailure.of_error({"code": error.code, "message": error.message})


def _end_of(response: Any) -> ModelFailure:
    details = response.incomplete_details
    return ended_early(None if details is None else details.reason, token_usage(response.usage))


def _error_of(event: Any) -> Mapping[str, Any]:
    inner = getattr(event, "error", None)
    if isinstance(inner, Mapping):
        return inner
    return {"code": getattr(event, "code", None), "message": getattr(event, "message", None)}
