"""Checks of JSON Schemas and of their changes that need no library, which takes 100 ms to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest

TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_STRING_KEYWORDS = frozenset({"description", "title", "format"})
_NUMBER_KEYWORDS = frozenset({"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"})
_ALLOWS_MORE = frozenset({"patternProperties", "$ref", "$dynamicRef"})
_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
# The values of these are not compared: a different one may accept less data.
_OPAQUE = ("$ref", "anyOf", "oneOf", "allOf", "not", "if", "pattern", "format", "multipleOf", "patternProperties")
_NO_CHANGE: Mapping[str, Any] = {}


def is_plain_schema(schema: Any) -> bool:
    """Return whether a schema is surely valid: it uses only the common keywords, with right values."""
    return isinstance(schema, dict) and all(_is_plain(key, value) for key, value in schema.items())


def _is_plain(key: str, value: Any) -> bool:
    if key == "type":
        return isinstance(value, str) and value in TYPES
    if key == "properties":
        return isinstance(value, dict) and all(map(is_plain_schema, value.values()))
    if key == "items":
        return is_plain_schema(value)
    if key == "additionalProperties":
        return isinstance(value, bool) or is_plain_schema(value)
    if key in ("required", "enum"):
        is_set = isinstance(value, list) and len(set(map(repr, value))) == len(value) > 0
        return is_set and (key == "enum" or all(isinstance(name, str) for name in value))
    if key in _STRING_KEYWORDS:
        return isinstance(value, str)
    return key in _NUMBER_KEYWORDS and isinstance(value, int) and not isinstance(value, bool) and value >= 0


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


class Narrowing(NamedTuple):
    """One difference: `what` changed at `path`; `certain` if some accepted data is surely rejected now."""

    path: str
    what: str
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.path!r} {self.what}" if self.path else f"it {self.what}"


def narrowings(old: Any, new: Any, path: str = "") -> Iterator[Narrowing]:
    """Yield why `new` rejects data that `old` accepts; None is a schema that accepts all data."""
    if old is None and new is not None and not path:
        # The data that was sent may still match.
        yield Narrowing("", "has a schema now", certain=False)
        return
    before = old if isinstance(old, Mapping) else _NO_CHANGE
    if new is False and old is not False:
        yield Narrowing(path, "is not accepted any more")
    if not isinstance(new, Mapping) or new == before:
        return
    if lost := _types(before) - _types(new):
        yield Narrowing(path, f"is no longer {' or '.join(sorted(lost))}")
        return
    yield from _values(before, new, path)
    yield from _properties(before, new, path)
    if "items" in new:
        yield from narrowings(before.get("items"), new["items"], f"{path}[]")
    for word in _OPAQUE:
        if word in new and new[word] != before.get(word):
            yield Narrowing(path, f"has another {word!r}", certain=False)


def _types(schema: Mapping[str, Any]) -> set[str]:
    declared = schema.get("type")
    if isinstance(declared, str):
        declared = [declared]
    if not isinstance(declared, list):
        return {"array", "boolean", "integer", "null", "number", "object", "string"}
    # Every integer is a number.
    return {str(kind) for kind in declared} | ({"integer"} if "number" in declared else set())


def _values(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Narrowing]:
    allowed = _choices(new)
    if allowed is not None:
        before = _choices(old)
        if before is None:
            yield Narrowing(path, f"can only be {_listed(allowed)} now")
        elif gone := [value for value in before if value not in allowed]:
            yield Narrowing(path, f"can't be {_listed(gone)} any more")
    for word in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
        if word in new and _is_tighter(old.get(word), new[word], word in _LOWER_BOUNDS):
            yield Narrowing(path, f"has the {word!r} {new[word]} now")


def _choices(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) else None


def _listed(values: list[Any]) -> str:
    return " or ".join(repr(value) for value in values[:3]) + (" …" if len(values) > 3 else "")


def _is_tighter(old: Any, new: Any, larger_is_less: bool) -> bool:
    if not isinstance(new, int | float) or not isinstance(old, int | float):
        return bool(old != new)
    return bool(new > old if larger_is_less else new < old)


def _properties(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Narrowing]:
    was, now = _mapping(old.get("properties")), _mapping(new.get("properties"))
    for name in _list(new.get("required")):
        if name not in _list(old.get("required")):
            yield Narrowing(_below(path, name), "is required now")
    more_before, more = old.get("additionalProperties", True), new.get("additionalProperties", True)
    if more is False:
        for name in was:
            if name not in now and was[name] is not False:
                yield Narrowing(_below(path, name), "is not accepted any more")
        if more_before is not False:
            yield Narrowing(path, "accepts no other properties now")
    for name, schema in now.items():
        if name in was:
            yield from narrowings(was[name], schema, _below(path, name))
        elif more_before is not False:
            yield from narrowings(more_before, schema, _below(path, name))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
