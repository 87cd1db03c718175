"""Adversarial data for a widget: what its schema allows and its author may not expect.

Texts with quotes, line breaks, braces and HTML, very long ones and empty ones; and where there is a schema, empty
lists, null, zero and missing properties. All of it matches the schema.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.key_path import KeyPath
from runtime.json_schema.samples import kinds_of, walk

MARKER_KEY = "zq7191"
"""A key that no widget has: a node that has it was made from data."""
COMPUTED = "62615533"
"""The result of the template in the data: it appears only if that template is rendered."""

PROBES: dict[str, str] = {
    "a quote": '"',
    "a backslash": "\\",
    "a line break": "a\nb\r\n\tc",
    "a Unicode line separator": "a\u2028b\u2029c\x85d",
    "a template": "{{ 7919 * 7907 }} {% raw %} {% for x in %} {# ",
    "HTML": "<script>alert('x')</script> &amp; <b>",
    "JSON": f'","{MARKER_KEY}":"',
    "an emoji": "\U0001f9d1\u200d\U0001f680 e\u0301",
    "a very long text": "a very long text " * 750,
}
EMPTY = "an empty text"
_MAX_FIELDS = 60
_MAX_EDGE_CASES = 120


@dataclass(frozen=True, slots=True)
class EdgeCase:
    """Data with one change: `what` is the new value of the field at `path`, in words."""

    what: str
    path: KeyPath
    data: dict[str, Any]


def text_fields(data: Mapping[str, Any]) -> list[KeyPath]:
    """Return the paths of the first 60 texts in some data, in a list only those of the first item."""
    return [path for path, value in _leaves(data, ()) if isinstance(value, str)][:_MAX_FIELDS]


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:1]):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def replace_texts(
    data: dict[str, Any], fields: list[KeyPath], text: str, find_misfits: Callable[[Any], list[KeyPath]]
) -> tuple[dict[str, Any], list[KeyPath]]:
    """Put a text into each of the fields whose schema allows it; return the data and those fields.

    `find_misfits` returns the paths of the values that do not match the schema.
    """
    replaced = fields
    for _ in range(2):
        changed = copy.deepcopy(data)
        for path in replaced:
            _set(changed, path, text)
        misfits = find_misfits(changed)
        if not misfits:
            return changed, replaced
        replaced = [path for path in replaced if not any(path[: len(misfit)] == misfit for misfit in misfits)]
    return data, []


def edge_cases(schema: Mapping[str, Any], data: dict[str, Any]) -> Iterator[EdgeCase]:
    """Yield the data with each of its parts as empty, as small, or as absent as the schema may allow."""
    for what, path, value in itertools.islice(_candidates(schema, data), _MAX_EDGE_CASES):
        changed = copy.deepcopy(data)
        if what == "left out":
            del _get(changed, path[:-1])[path[-1]]
        else:
            _set(changed, path, value)
        yield EdgeCase(what, path, changed)


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


def _get(data: Any, path: KeyPath) -> Any:
    for step in path:
        data = data[step]
    return data


def _set(data: Any, path: KeyPath, value: Any) -> None:
    _get(data, path[:-1])[path[-1]] = value
