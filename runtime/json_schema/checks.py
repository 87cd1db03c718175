"""Checks of a JSON Schema that need no library, which takes 100 ms to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest

_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_STRING_KEYWORDS = frozenset({"description", "title", "format"})
_NUMBER_KEYWORDS = frozenset({"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"})
_ALLOWS_MORE = frozenset({"patternProperties", "$ref", "$dynamicRef"})


def is_plain_schema(schema: Any) -> bool:
    """Return whether a schema is surely valid: it uses only the common keywords, with right values."""
    return isinstance(schema, dict) and all(_is_plain(key, value) for key, value in schema.items())


def _is_plain(key: str, value: Any) -> bool:
    if key == "type":
        return isinstance(value, str) and value in _TYPES
    if key == "properties":
        return isinstance(value, dict) and all(map(is_plain_schema, value.values()))
    if key == "items":
        return is_plain_schema(value)
    if key == "additionalProperties":
        return isinstance(value, bool) or is_plain_schema(value)
    if key in ("required", "enum"):
        return isinstance(value, list) and len(set(map(repr, value))) == len(value) > 0 and _are_names(key, value)
    if key in _STRING_KEYWORDS:
        return isinstance(value, str)
    return key in _NUMBER_KEYWORDS and isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_names(key: str, values: list[Any]) -> bool:
    return key == "enum" or all(isinstance(value, str) for value in values)


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """A property that a schema both requires and forbids; `path` is that of its name in `required`.

    `is_certain` means that no data can match the schema; otherwise only an optional part of the data is impossible.
    """

    path: KeyPath
    name: str
    known: tuple[str, ...]
    is_certain: bool

    @property
    def message(self) -> str:
        """The message of the diagnostic."""
        what = "no data can ever fit" if self.is_certain else "nothing can ever fit here"
        return f"{what}: {self.name!r} is required, and refused by 'additionalProperties: false'"

    @property
    def hint(self) -> str:
        """The hint of the diagnostic."""
        return suggest(self.name, self.known) or "declare it in 'properties', or don't require it"

    @property
    def severity(self) -> Severity:
        """An error where no data can match, else a warning."""
        return "error" if self.is_certain else "warning"


def find_unsatisfiable(schema: Any, path: KeyPath = (), *, is_certain: bool = True) -> Iterator[Unsatisfiable]:
    """Yield the properties that an object schema, or one inside it, requires and forbids."""
    if not isinstance(schema, Mapping) or schema.keys() & _ALLOWS_MORE:
        return
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return
    if schema.get("additionalProperties") is False and _is_object(schema, path):
        for index, name in enumerate(required):
            if isinstance(name, str) and name not in properties:
                yield Unsatisfiable((*path, "required", index), name, tuple(properties), is_certain)
    for name, inner in properties.items():
        is_needed = is_certain and name in required and _is_object(schema, path)
        yield from find_unsatisfiable(inner, (*path, "properties", name), is_certain=is_needed)
    yield from find_unsatisfiable(schema.get("items"), (*path, "items"), is_certain=False)


def _is_object(schema: Mapping[str, Any], path: KeyPath) -> bool:
    # The root schema always describes an object.
    return schema.get("type") == "object" or (not path and "type" not in schema)
