"""Data that a widget must survive: what its schema allows and its author did not think of.

Texts with quotes, line breaks, braces and HTML in them, very long ones and empty ones; and where there is a schema,
empty lists, null, zero and properties that are left out. Every variant fits the schema.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.key_path import KeyPath
from runtime.json_schema.samples import kinds_of, walk

MARK = "zq7191"
"""A key that no widget has: where it shows up as one, data has become structure."""
COMPUTED = "62615533"
"""What the template in the data gives if anything computes it."""
LONG = "a very long text " * 750
BRACES = "{{ 7919 * 7907 }} {% raw %} {% for x in %} {# "

PROBES: dict[str, str] = {
    "a quote": '"',
    "a backslash": "\\",
    "a line break": "a\nb\r\n\tc",
    "a Unicode line separator": "a\u2028b\u2029c\x85d",
    "a template": BRACES,
    "HTML": "<script>alert('x')</script> &amp; <b>",
    "JSON": f'","{MARK}":"',
    "an emoji": "\U0001f9d1\u200d\U0001f680 e\u0301",
    "a very long text": LONG,
}
EMPTY = "an empty text"
_MOST_FIELDS = 60
_MOST_VARIANTS = 120


@dataclass(frozen=True, slots=True)
class Variant:
    """The data with one thing changed: `what` in the field at `path`."""

    what: str
    path: KeyPath
    data: dict[str, Any]


def text_fields(data: Mapping[str, Any]) -> list[KeyPath]:
    """Return the paths of the texts in some data: of alike items in a list, the first stands for all."""
    return [path for path, value in _leaves(data, ()) if isinstance(value, str)][:_MOST_FIELDS]


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:1]):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def with_texts(
    data: dict[str, Any], fields: list[KeyPath], text: str, fits: Callable[[Any], list[KeyPath]]
) -> tuple[dict[str, Any], list[KeyPath]]:
    """Put a text into each of the fields that can hold it; return the data and those fields.

    `fits` returns the paths of what does not fit the schema: those fields stay as they were.
    """
    kept = fields
    for _ in range(2):
        changed = copy.deepcopy(data)
        for path in kept:
            put(changed, path, text)
        wrong = fits(changed)
        if not wrong:
            return changed, kept
        kept = [path for path in kept if not any(path[: len(place)] == place for place in wrong)]
    return data, []


def other_variants(schema: Mapping[str, Any], data: dict[str, Any]) -> Iterator[Variant]:
    """Yield the data with each of its parts as empty, as small, or as absent as the schema may allow."""
    made = _candidates(schema, data)
    for count, (what, path, value) in enumerate(made):
        if count >= _MOST_VARIANTS:
            return
        changed = copy.deepcopy(data)
        if what == "left out":
            del at(changed, path[:-1])[path[-1]]
        else:
            put(changed, path, value)
        yield Variant(what, path, changed)


def _candidates(schema: Mapping[str, Any], data: dict[str, Any]) -> Iterator[tuple[str, KeyPath, Any]]:
    for path, node, value, is_optional in walk(schema, data):
        kinds = kinds_of(schema, node)
        if is_optional:
            yield "left out", path, None
        if "null" in kinds and value is not None:
            yield "null", path, None
        if isinstance(value, list) and value:
            yield "an empty list", path, []
        if isinstance(value, int | float) and not isinstance(value, bool) and kinds & {"integer", "number"}:
            yield "zero", path, 0
            yield "a negative number", path, -7
        if isinstance(value, bool) and "boolean" in kinds:
            yield str(not value).lower(), path, not value


def at(data: Any, path: KeyPath) -> Any:
    """Return what stands at a path of some data."""
    for step in path:
        data = data[step]
    return data


def put(data: Any, path: KeyPath, value: Any) -> None:
    """Change what stands at a path of some data, in place."""
    at(data, path[:-1])[path[-1]] = value
