"""Checks of JSON Schemas and of their changes that need no library, which takes 100 ms to import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest, suggest

_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
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
        return isinstance(value, str) and value in _TYPES
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


# Schemas that are valid by the letter, because JSON Schema ignores what it does not know, and mean something else.

_KEYWORDS = frozenset(
    {
        *("$schema", "$id", "$ref", "$defs", "definitions", "$comment", "$anchor", "$dynamicRef", "$dynamicAnchor"),
        *("$vocabulary", "type", "enum", "const", "properties", "required", "additionalProperties"),
        *("patternProperties", "propertyNames", "unevaluatedProperties", "minProperties", "maxProperties"),
        *("dependentRequired", "dependentSchemas", "dependencies", "items", "prefixItems", "additionalItems"),
        *("contains", "minContains", "maxContains", "minItems", "maxItems", "uniqueItems", "unevaluatedItems"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
        *("pattern", "format", "contentEncoding", "contentMediaType", "contentSchema", "allOf", "anyOf", "oneOf"),
        *("not", "if", "then", "else", "title", "description", "default", "examples", "example", "deprecated"),
        *("readOnly", "writeOnly", "nullable", "discriminator", "externalDocs", "xml", "strict"),
    }
)
_TYPE_WORDS = {
    **dict.fromkeys(("str", "text", "String", "varchar", "char"), "string"),
    **dict.fromkeys(("int", "Integer", "long", "Int"), "integer"),
    **dict.fromkeys(("float", "double", "decimal", "Number", "numeric"), "number"),
    **dict.fromkeys(("bool", "Boolean"), "boolean"),
    **dict.fromkeys(("list", "tuple", "set", "Array", "List"), "array"),
    **dict.fromkeys(("dict", "map", "mapping", "Object", "struct", "json"), "object"),
    **dict.fromkeys(("None", "none", "nil", "NoneType"), "null"),
}
_DATES = {"date": "date", "datetime": "date-time", "date-time": "date-time", "time": "time", "uuid": "uuid"}
_DATES |= {"email": "email", "url": "uri", "uri": "uri"}
_LIKE_A_KEYWORD = 0.75


@dataclass(frozen=True, slots=True)
class Misread:
    """A part of a schema that JSON Schema reads otherwise than it is meant, or not at all."""

    path: KeyPath
    message: str
    hint: str
    severity: Severity = "error"
    at_key: bool = False


def find_misread(schema: Any, path: KeyPath = ()) -> Iterator[Misread]:
    """Yield the parts of a schema that mean something else than their author thinks."""
    if not isinstance(schema, Mapping):
        return
    unknown = [key for key in schema if key not in _KEYWORDS and not str(key).startswith("x-")]
    if not path and unknown and _are_properties(schema, unknown):
        names = ", ".join(map(str, unknown))
        message = f"these are properties, and not a JSON Schema: any data would be valid ({names})"
        yield Misread(path, message, f"write {{type: object, properties: {{{names}: …}}, required: […]}}", at_key=True)
        for key in unknown:
            yield from _property(schema[key], (*path, key))
        return
    for key in unknown:
        if meant := nearest(str(key), _KEYWORDS - schema.keys(), _LIKE_A_KEYWORD):
            message = f"JSON Schema has no keyword {key!r}, and ignores it"
            yield Misread((*path, key), message, f"did you mean {meant!r}?", "warning", at_key=True)
    yield from _in_schema(schema, path)


_SHAPES = frozenset({"type", "properties", "$ref", "allOf", "anyOf", "oneOf", "enum", "const", "items", "if", "not"})


def _are_properties(schema: Mapping[str, Any], unknown: Sequence[str]) -> bool:
    """Return whether a schema that says nothing of a shape has fields in the place of its keywords."""
    words = [str(key) for key in unknown if isinstance(schema[key], str)]
    if schema.keys() & _SHAPES or any(nearest(word, ("type",), _LIKE_A_KEYWORD) for word in words):
        return False
    return all(_is_property(schema[key]) for key in unknown)


def _is_property(value: Any) -> bool:
    if isinstance(value, str):
        return value in _TYPES or value in _TYPE_WORDS
    return bool(_mapping(value).keys() & _KEYWORDS)


def _property(value: Any, path: KeyPath) -> Iterator[Misread]:
    if isinstance(value, str):
        name = value if value in _TYPES else _TYPE_WORDS.get(value, "")
        yield Misread(path, f"{value!r} is not a JSON Schema", f"write {{type: {name or 'string'}}}")
    elif isinstance(value, Mapping):
        yield from find_misread(value, path)


def _in_schema(schema: Mapping[str, Any], path: KeyPath) -> Iterator[Misread]:
    kind = schema.get("type")
    if isinstance(kind, str) and kind not in _TYPES:
        if kind in _TYPE_WORDS:
            yield Misread((*path, "type"), f"JSON Schema has no type {kind!r}", f"write {_TYPE_WORDS[kind]!r}")
        elif kind in _DATES:
            hint = f"write {{type: string, format: {_DATES[kind]}}}"
            yield Misread((*path, "type"), f"JSON Schema has no type {kind!r}", hint)
        elif kind in ("any", "Any", "mixed"):
            yield Misread((*path, "type"), f"JSON Schema has no type {kind!r}", "leave 'type' out for any value")
    required = schema.get("required")
    if isinstance(required, bool):
        name = path[-1] if path else "name"
        hint = f"write 'required: [{name}]' beside 'properties'" if required else "leave it out"
        yield Misread((*path, "required"), "'required' is a list of names, and belongs to the object", hint)
    for name, inner in _mapping(schema.get("properties")).items():
        yield from _property(inner, (*path, "properties", name))
    for key in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(key), str | Mapping):
            yield from _property(schema[key], (*path, key))
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        for index, inner in enumerate(_list(schema.get(key))):
            yield from _property(inner, (*path, key, index))
    for key in ("$defs", "definitions"):
        for name, inner in _mapping(schema.get(key)).items():
            yield from _property(inner, (*path, key, name))
