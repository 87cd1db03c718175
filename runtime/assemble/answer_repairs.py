"""What providers leave out or misspell in an answer, put right where the meaning is certain."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from openai.types import responses as api

from runtime.config.tool_names import NOT_IN_NAMES

_PREFIX = re.compile(r"\A(?:functions?|tools?|default_api)[.:/]")
_NUMBER = re.compile(r":\d+\Z")
_LONGEST_NAME = 64
_LENIENT = json.JSONDecoder(strict=False)
"""Reads line breaks inside of strings as they are."""
_FENCE = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)
_END_OF_CALL = re.compile(r"\s*(?:</?[\w|:]+>\s*)*")
_PLACED = ("response.content_part", "response.output_text", "response.refusal")


def repaired_name(name: str, known: Callable[[], Iterable[str]]) -> str:
    """Return the tool that a model means where that is certain; else a name that the next request may contain."""
    names = set(known())
    if name in names:
        return name
    bare = _NUMBER.sub("", _PREFIX.sub("", name.partition("<|")[0].strip()))
    if bare in names:
        return bare
    alike = [each for each in names if each.casefold() == bare.casefold()]
    return alike[0] if len(alike) == 1 else NOT_IN_NAMES.sub("_", bare)[:_LONGEST_NAME] or "unnamed"


def repaired_arguments(arguments: Any) -> str:
    """Return the JSON object that a model means by the arguments of a call where that is certain; else its text.

    A fence around the object, a tag behind it, an object inside of a string, and line breaks in strings are certain.
    No arguments are an empty object: the SDK would not ask a tool that takes none whether it needs approval.
    """
    if arguments is None or arguments == "":
        return "{}"
    if not isinstance(arguments, str):
        return json.dumps(arguments, ensure_ascii=False)
    if _is_object(arguments):
        return arguments
    text = arguments.strip()
    if fence := _FENCE.match(text):
        text = fence[1]
    try:
        value, end = _LENIENT.raw_decode(text)
        if isinstance(value, str):
            value = json.loads(value)
    except ValueError:
        return arguments
    is_certain = isinstance(value, dict) and _END_OF_CALL.fullmatch(text, end) is not None
    return json.dumps(value, ensure_ascii=False) if is_certain else arguments


def sendable_arguments(arguments: Any) -> str:
    """Return arguments as a JSON object, for an endpoint that reads them in every later request."""
    if not arguments:
        return "{}"
    return arguments if _is_object(arguments) else json.dumps({"arguments": arguments}, ensure_ascii=False)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def as_completed(event: Any) -> Any:
    """Return the event that completes an answer where an endpoint names it `response.done`, as OpenRouter does."""
    if event.type != "response.done":
        return event
    fields = event.model_dump() | {"type": "response.completed"}
    return api.ResponseCompletedEvent.construct(**fields)


def as_done(event: Any, item: Any) -> api.ResponseOutputItemDoneEvent:
    """Return the event that ends an item, which the endpoint has sent only with the whole answer."""
    return api.ResponseOutputItemDoneEvent.model_construct(
        type="response.output_item.done",
        item=item,
        output_index=event.response.output.index(item),
        sequence_number=event.sequence_number,
    )


def normalise_event(event: Any) -> None:
    """Set what an event of a message lacks: llama.cpp sends neither the index of a part nor its annotations."""
    kind = event.type
    if kind.startswith(_PLACED):
        if event.content_index is None:
            event.content_index = 0
        if (part := getattr(event, "part", None)) is not None:
            _normalise_part(part)
    elif kind.startswith("response.output_item.") and event.item.type == "message":
        normalise_message(event.item)


def normalise_message(item: Any) -> None:
    """Give the content of a message the form of OpenAI's: a list of parts with annotations."""
    if not isinstance(item.content, list):
        text = item.content or ""
        item.content = [api.ResponseOutputText(type="output_text", text=text, annotations=[])] if text else []
    for part in item.content:
        _normalise_part(part)


def _normalise_part(part: Any) -> None:
    if part.type == "text":
        part.type = "output_text"
    if part.type == "output_text" and part.annotations is None:
        part.annotations = []
