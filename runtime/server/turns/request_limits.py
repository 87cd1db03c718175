"""Limits of what a ChatKit request contains: the size of every text, the number of entries, and the depth of JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, Literal, NamedTuple

from chatkit import types
from chatkit.actions import Action
from pydantic import BaseModel
from pydantic_core import from_json, to_json

from runtime.config.model.limits import Limits
from runtime.errors import RequestError

MAX_SHORT_TEXT: Final = 256
"""Characters of an id, a cursor, a name or a MIME type."""
MAX_ENTRIES: Final = 100
"""Entries of a list or mapping in a request, such as the items that are rated."""
MAX_PARTS: Final = 1000
"""Parts of a message: its paragraphs and mentions."""
MAX_DEPTH: Final = 64
"""Levels of JSON in a value that only the project interprets, such as the payload of an action."""
_MAX_VALUES: Final = 4 * MAX_PARTS
_SMALL_BODY: Final = 4096
"""Bytes of a body that can't contain enough invalid values to block the event loop."""

Budget = Literal["message", "answers", "title", "payload", "metadata", "result", "audio"]

BUDGETS: Final[Mapping[tuple[type[BaseModel], str], Budget]] = {
    (types.UserMessageTextContent, "text"): "message",
    (types.UserMessageTagContent, "text"): "message",
    (types.UserMessageInput, "quoted_text"): "message",
    (types.UserMessageTagContent, "data"): "payload",
    (types.StructuredInputAnswerSubmission, "values"): "answers",
    (types.ThreadUpdateParams, "title"): "title",
    (types.ThreadAddClientToolOutputParams, "result"): "result",
    (Action[str, Any], "payload"): "payload",
    (types.InputTranscribeParams, "audio_base64"): "audio",
    (types.BaseReq, "metadata"): "metadata",
}
"""The limit of every field whose text may be long, by the class that declares it; all other texts are short."""
OPAQUE: Final = frozenset({"metadata", "data", "payload", "result"})
"""The fields that may contain any JSON: ChatKit does not check what is in them."""

_NOUNS: Mapping[Budget, str] = {
    "message": "the message",
    "answers": "the list of answers",
    "title": "the title",
    "payload": "the payload",
    "metadata": "the metadata",
    "result": "the result",
}


class _Text(NamedTuple):
    """A text or opaque value of a request, where it is, and its budget; a short text has none."""

    place: str
    value: Any
    budget: Budget | None


def check_values(body: bytes | bytearray | str) -> None:
    """Raise RequestError (400) for a body with so many values that reporting what is wrong would take seconds."""
    if len(body) <= _SMALL_BODY:
        return
    try:
        data = from_json(body)
    except ValueError:
        return  # reported when the request is parsed
    left, stack = _MAX_VALUES, [data]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            inner = [entry for key, entry in value.items() if key not in OPAQUE]
        elif isinstance(value, list):
            inner = value
        else:
            continue
        left -= len(inner)
        if left < 0:
            raise RequestError(400, "too_many_entries", f"the request has more than {_MAX_VALUES} values")
        stack.extend(inner)


def check_texts(part: BaseModel, limits: Limits) -> None:
    """Raise RequestError for a request, or a part of one, with a text, list or nested value beyond its limit."""
    most: Mapping[Budget, int] = {
        "message": limits.message,
        "answers": limits.message,
        "title": limits.title,
        "payload": limits.payload,
        "metadata": limits.payload,
        "result": limits.tool_output,
    }
    sizes: Counter[Budget] = Counter()
    for place, value, budget in _texts(part, "", None):
        if budget is None:
            if len(value) > MAX_SHORT_TEXT:
                message = f"{place} has {len(value)} characters; at most {MAX_SHORT_TEXT} are allowed"
                raise RequestError(400, "text_too_long", message)
        elif budget in most:
            sizes[budget] += _size(value, place)
            if sizes[budget] > most[budget]:
                size = f"{_NOUNS[budget]} has {sizes[budget]} bytes; at most {most[budget]} are allowed"
                raise RequestError(413, f"{budget}_too_large", size)


def _texts(value: Any, place: str, budget: Budget | None) -> Iterator[_Text]:
    if isinstance(value, str):
        yield _Text(place, value, budget)
    elif isinstance(value, BaseModel):
        for name, entry in value.__dict__.items():
            if entry is not None:
                yield from _texts_of_field(type(value), name, entry, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        _check_count(value, place, MAX_PARTS if place.endswith("content") else MAX_ENTRIES)
        for index, entry in enumerate(value):
            yield from _texts(entry, f"{place}.{index}", budget)
    elif isinstance(value, dict):
        _check_count(value, place, MAX_ENTRIES)
        for key, entry in value.items():
            yield _Text(f"a key of {place}", key, None)
            yield from _texts(entry, f"{place}.{key}", budget)


def _texts_of_field(kind: type[BaseModel], name: str, value: Any, place: str) -> Iterator[_Text]:
    budget = budget_of(kind, name)
    if name in OPAQUE and budget is not None:
        yield _Text(place, value, budget)
    else:
        yield from _texts(value, place, budget)


@cache
def budget_of(kind: type[BaseModel], name: str) -> Budget | None:
    """Return the budget of a field, also of a field that a base class declares; None for a short text."""
    return next((BUDGETS[base, name] for base in kind.__mro__ if (base, name) in BUDGETS), None)


def _check_count(entries: list[Any] | dict[str, Any], place: str, most: int) -> None:
    if len(entries) > most:
        message = f"{place} has {len(entries)} entries; at most {most} are allowed"
        raise RequestError(400, "too_many_entries", message)


def _size(value: Any, place: str) -> int:
    """Return the bytes of a text as UTF-8, or of any other value as JSON."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if not value:
        return 0
    _check_depth(value, place)
    return len(to_json(value))


def _check_depth(value: Any, place: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            entry
            for parent in level
            if isinstance(parent, dict | list)
            for entry in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise RequestError(400, "too_deep", f"{place} is nested more than {MAX_DEPTH} levels deep")
