"""Schemas that are valid by the letter, because JSON Schema ignores what it does not know, and mean something else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest
from runtime.json_schema.checks import TYPES

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
# Keywords of other systems.
_MEANT = {
    **dict.fromkeys(("options", "choices", "values", "allowed", "oneof", "one_of", "enums"), "enum"),
    **dict.fromkeys(("min", "gte", "ge", "min_value"), "minimum"),
    **dict.fromkeys(("max", "lte", "le", "max_value"), "maximum"),
    **dict.fromkeys(("regex", "regexp", "match"), "pattern"),
    **dict.fromkeys(("desc", "help", "doc"), "description"),
    **{"min_length": "minLength", "max_length": "maxLength", "additional_properties": "additionalProperties"},
    **{"of": "items", "fields": "properties", "props": "properties", "any_of": "anyOf", "all_of": "allOf"},
}
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
        known = _KEYWORDS - schema.keys()
        other = _MEANT.get(str(key), "")
        if meant := other if other in known else nearest(str(key), known, _LIKE_A_KEYWORD):
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
        return value in TYPES or value in _TYPE_WORDS
    return bool(_mapping(value).keys() & _KEYWORDS)


def _property(value: Any, path: KeyPath) -> Iterator[Misread]:
    if isinstance(value, str):
        name = value if value in TYPES else _TYPE_WORDS.get(value, "")
        yield Misread(path, f"{value!r} is not a JSON Schema", f"write {{type: {name or 'string'}}}")
    elif isinstance(value, Mapping):
        yield from find_misread(value, path)


def _in_schema(schema: Mapping[str, Any], path: KeyPath) -> Iterator[Misread]:
    kind = schema.get("type")
    if isinstance(kind, str) and kind not in TYPES:
        if kind in _TYPE_WORDS:
            yield Misread((*path, "type"), f"JSON Schema has no type {kind!r}", f"write {_TYPE_WORDS[kind]!r}")
        elif kind in _DATES:
            hint = f"write {{type: string, format: {_DATES[kind]}}}"
            yield Misread((*path, "type"), f"JSON Schema has no type {kind!r}", hint)
        elif re.search(r"[|,]| or ", kind):
            kinds = [_TYPE_WORDS.get(word, word) for word in re.split(r"\s*(?:\||,|\bor\b)\s*", kind) if word]
            written = ", ".join("'null'" if word == "null" else word for word in kinds)
            yield Misread((*path, "type"), f"JSON Schema has no type {kind!r}", f"write [{written}]")
        elif kind in ("any", "Any", "mixed"):
            yield Misread((*path, "type"), f"JSON Schema has no type {kind!r}", "leave 'type' out for any value")
    required = schema.get("required")
    if isinstance(required, bool):
        name = path[-1] if path else "name"
        hint = f"write 'required: [{name}]' beside 'properties'" if required else "leave it out"
        yield Misread((*path, "required"), "'required' is a list of names, and belongs to the object", hint)
    yield from _contradictions(schema, path)
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


# Keywords that combine schemas: a name that one part requires may be declared in another.
_COMBINES = frozenset({"allOf", "anyOf", "oneOf", "if", "$ref", "$dynamicRef", "patternProperties", "dependentSchemas"})
_BOUNDS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def _contradictions(schema: Mapping[str, Any], path: KeyPath) -> Iterator[Misread]:
    """Yield the keywords of a schema that contradict each other: it is valid, and its author did not mean it."""
    properties, required = schema.get("properties"), schema.get("required")
    if isinstance(properties, Mapping) and isinstance(required, list) and "additionalProperties" not in schema:
        free = [name for name in properties if name not in required]
        for index, name in enumerate(() if schema.keys() & _COMBINES else required):
            # Without a likeness, the name may be meant: any value is accepted for it.
            near = nearest(name, free) if isinstance(name, str) and name not in properties else None
            if near:
                message = f"{name!r} is required, and 'properties' does not describe it"
                yield Misread((*path, "required", index), message, f"did you mean {near!r}?", "warning")
    for name in _mapping(properties):
        if str(name).endswith("?"):
            hint = f"write {str(name)[:-1]!r}, and leave it out of 'required'"
            yield Misread(
                (*path, "properties", name), "the '?' is a part of this property's name", hint, "warning", True
            )
    for low, high in _BOUNDS:
        least, most = schema.get(low), schema.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            message = f"nothing can ever fit: {low!r} {least} is larger than {high!r} {most}"
            yield Misread((*path, low), message, "exchange them", "warning")
    yield from _values_of_other_types(schema, path)


def _values_of_other_types(schema: Mapping[str, Any], path: KeyPath) -> Iterator[Misread]:
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(kinds, list) or not all(isinstance(kind, str) and kind in _PYTHON_TYPES for kind in kinds):
        return
    choices = enumerate(_list(schema.get("enum")))
    values: list[tuple[KeyPath, Any]] = [((*path, "enum", index), each) for index, each in choices]
    values += [((*path, key), schema[key]) for key in ("default", "const") if key in schema]
    for where, value in values:
        if not any(_is_of(value, kind) for kind in kinds) and not (value is None and where[-1] == "default"):
            hint = "put it in quotes" if kinds == ["string"] and isinstance(value, bool | int | float) else ""
            written = json.dumps(value, ensure_ascii=False, default=str)
            message = f"{written} is no {' or '.join(kinds)}, as 'type' requires"
            yield Misread(where, message, hint, "warning")


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _PYTHON_TYPES[kind])


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
