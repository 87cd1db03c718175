"""Differences by which a JSON Schema rejects data that an earlier version of it accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# Each bound, and whether a larger value accepts less data.
_BOUNDS = {
    "minimum": True,
    "exclusiveMinimum": True,
    "minLength": True,
    "minItems": True,
    "minProperties": True,
    "maximum": False,
    "exclusiveMaximum": False,
    "maxLength": False,
    "maxItems": False,
    "maxProperties": False,
}
# The values of these are not compared: a different one may accept less data.
_OPAQUE = ("$ref", "anyOf", "oneOf", "allOf", "not", "if", "pattern", "format", "multipleOf", "patternProperties")
_NO_CHANGE: Mapping[str, Any] = {}


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
    for word, larger_is_less in _BOUNDS.items():
        if word in new and _is_tighter(old.get(word), new[word], larger_is_less):
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
