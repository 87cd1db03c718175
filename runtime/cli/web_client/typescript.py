"""JSON Schema -> TypeScript: the type of the values that match a schema.

A constraint that TypeScript can't express (patterns, limits, conditions) makes the type wider, never narrower. A
reference to another document becomes `unknown`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

_TYPE_NAMES = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
_ARRAY_KEYS = ("items", "prefixItems")


def declarations(schema: Any, name: str, names: TypeNames, description: str = "") -> list[str]:
    """Return the declaration of the type `name`, and one for each definition that the schema refers to."""
    writer = _SchemaWriter(schema, name, names)
    texts = [_declaration(name, writer.write(schema), description or _documentation(schema))]
    while writer.waiting:
        pointer = writer.waiting.pop(0)
        target = writer.target(pointer)
        texts.append(_declaration(writer.named[pointer], writer.write(target), _documentation(target)))
    return texts


def _declaration(name: str, type_: TypeText, description: str) -> str:
    if type_.kind == "braces":
        return f"{comment(description)}export interface {name} {type_.text}\n"
    return f"{comment(description)}export type {name} = {type_.text};\n"


def _documentation(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return ""
    lines = [str(schema[key]) for key in ("description", "title") if schema.get(key)][:1]
    if "default" in schema:
        lines.append(f"@default {literal(schema['default']).text}")
    if schema.get("deprecated") is True:
        lines.append("@deprecated")
    return "\n".join(lines)


class _SchemaWriter:
    """Writes the type of one schema; `named` are the type names of its definitions, by JSON pointer."""

    def __init__(self, root: Any, name: str, names: TypeNames) -> None:
        self._root, self._names = root, names
        self.named = {"": name}
        self.waiting: list[str] = []

    def write(self, schema: Any, indent: str = "") -> TypeText:
        """Return the type of a schema."""
        if schema is False:
            return NEVER
        if not isinstance(schema, Mapping):
            return UNKNOWN
        parts = [self._own(schema, indent)]
        if "$ref" in schema:
            parts.append(self._reference(schema["$ref"]))
        parts += [union(self._all(schema[key], indent)) for key in ("anyOf", "oneOf") if _is_list(schema.get(key))]
        if _is_list(schema.get("allOf")):
            parts += self._all(schema["allOf"], indent)
        type_ = intersection(parts)
        # `nullable` is a keyword of OpenAPI 3.0, from which many schemas are copied.
        return union([type_, NULL]) if schema.get("nullable") is True else type_

    def target(self, pointer: str) -> Any:
        """Return the value at a JSON pointer, or None."""
        value = self._root
        for step in pointer.split("/")[1:]:
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(value, Mapping):
                value = value.get(step)
            elif _is_list(value) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            else:
                return None
        return value

    def _all(self, schemas: Sequence[Any], indent: str) -> list[TypeText]:
        return [self.write(schema, indent) for schema in schemas]

    def _own(self, schema: Mapping[str, Any], indent: str) -> TypeText:
        if "const" in schema:
            return literal(schema["const"])
        if _is_list(schema.get("enum")):
            return union(map(literal, schema["enum"]))
        kinds = schema.get("type")
        if kinds is None:
            kinds = [
                kind for kind, keys in (("object", ("properties",)), ("array", _ARRAY_KEYS)) if schema.keys() & keys
            ]
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return union(self._kind(kind, schema, indent) for kind in kinds) if _is_list(kinds) and kinds else UNKNOWN

    def _kind(self, kind: str, schema: Mapping[str, Any], indent: str) -> TypeText:
        if kind == "object":
            return self._object(schema, indent)
        if kind == "array":
            return self._array(schema, indent)
        return TypeText(_TYPE_NAMES.get(str(kind), "unknown"))

    def _object(self, schema: Mapping[str, Any], indent: str) -> TypeText:
        value = schema.get("properties")
        properties: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        required = [*map(str, schema["required"])] if _is_list(schema.get("required")) else []
        others = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        if schema.get("patternProperties"):
            others = True
        inner = f"{indent}  "
        lines = []
        for name in dict.fromkeys([*properties, *required]):
            type_ = self.write(properties.get(name, True), inner)
            mark = "" if name in required else "?"
            lines.append(
                f"{comment(_documentation(properties.get(name)), inner)}{inner}{key_text(name)}{mark}: {type_.text};\n"
            )
        if not lines and (others is False or not isinstance(others, Mapping)):
            return TypeText("Record<string, never>" if others is False else "Record<string, unknown>")
        if others is not None and others is not False:
            # TypeScript requires the type of an index signature to include those of the named properties.
            type_ = UNKNOWN if lines else self.write(others, inner)
            lines.append(f"{inner}[key: string]: {type_.text};\n")
        return TypeText(f"{{\n{''.join(lines)}{indent}}}", "braces")

    def _array(self, schema: Mapping[str, Any], indent: str) -> TypeText:
        items = schema.get("items", True)
        if not _is_list(schema.get("prefixItems")):
            return TypeText(f"{self.write(items, indent).operand}[]")
        least = value if isinstance(value := schema.get("minItems"), int) else 0
        first = self._all(schema["prefixItems"], indent)
        parts = [part.text if at < least else f"{part.operand}?" for at, part in enumerate(first)]
        rest = [] if items is False else [f"...{self.write(items, indent).operand}[]"]
        return TypeText(f"[{', '.join([*parts, *rest])}]")

    def _reference(self, reference: Any) -> TypeText:
        if not isinstance(reference, str) or not reference.startswith("#") or reference[1:2] not in ("", "/"):
            return UNKNOWN
        pointer = reference[1:]
        if self.target(pointer) is None or self._is_circular(pointer):
            return UNKNOWN
        if pointer not in self.named:
            self.named[pointer] = self._names.claim(self.named[""], unquote(pointer.rpartition("/")[2]))
            self.waiting.append(pointer)
        return TypeText(self.named[pointer])

    def _is_circular(self, pointer: str) -> bool:
        """Return whether a definition refers to itself without an object or array between, which TypeScript rejects."""
        seen: set[str] = set()
        ahead = [*_bare_references(self.target(pointer))]
        while ahead:
            step = ahead.pop()
            if step == pointer:
                return True
            if step not in seen:
                seen.add(step)
                ahead += _bare_references(self.target(step))
        return False


def _bare_references(schema: Any) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#"):
        yield reference[1:]
    for key in ("anyOf", "oneOf", "allOf"):
        for inner in schema[key] if _is_list(schema.get(key)) else ():
            yield from _bare_references(inner)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


# TypeScript syntax: literals, keys, comments, and parentheses.

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
# U+2028 and U+2029 end a line of a comment.
_LINE_ENDS = re.compile("\r\n|[\n\r\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class TypeText:
    """The text of a type. `kind` decides whether it needs parentheses; `braces` is an object type."""

    text: str
    kind: Literal["braces", "atom", "intersection", "union"] = "atom"

    @property
    def operand(self) -> str:
        """The text, in parentheses if needed, as the operand of `[]` or `&`."""
        return f"({self.text})" if self.kind in ("intersection", "union") else self.text


UNKNOWN, NEVER, NULL = TypeText("unknown"), TypeText("never"), TypeText("null")


def union(parts: Iterable[TypeText]) -> TypeText:
    """Return the union of types."""
    different = [part for part in dict.fromkeys(parts) if part != NEVER]
    if UNKNOWN in different:
        return UNKNOWN
    if len(different) > 1:
        return TypeText(" | ".join(part.text for part in different), "union")
    return different[0] if different else NEVER


def intersection(parts: Iterable[TypeText]) -> TypeText:
    """Return the intersection of types."""
    different = [part for part in dict.fromkeys(parts) if part != UNKNOWN]
    if NEVER in different:
        return NEVER
    if len(different) > 1:
        return TypeText(" & ".join(part.operand for part in different), "intersection")
    return different[0] if different else UNKNOWN


def literal(value: Any) -> TypeText:
    """Return the literal type of a value."""
    if isinstance(value, Mapping):
        inside = "; ".join(f"{key_text(str(key))}: {literal(inner).text}" for key, inner in value.items())
        return TypeText(f"{{ {inside} }}", "braces") if value else TypeText("Record<string, never>")
    if isinstance(value, list | tuple):
        return TypeText(f"[{', '.join(literal(inner).text for inner in value)}]")
    if isinstance(value, float) and not math.isfinite(value):
        return TypeText("number")
    if isinstance(value, float) and value.is_integer():
        return TypeText(str(int(value)))
    return TypeText(quote(value) if isinstance(value, str) else json.dumps(value, default=str))


def quote(text: str) -> str:
    """Return a string literal of TypeScript and JavaScript in single quotes, which is safe in a `<script>` too."""
    inside = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{inside}'".replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("<", "\\u003c")


def key_text(name: str) -> str:
    """Return a property name, quoted if needed."""
    return name if _IDENTIFIER.fullmatch(name) else quote(name)


def comment(text: str, indent: str = "") -> str:
    """Return a JSDoc comment with its line end; empty if there is no text."""
    lines = [line.strip() for line in _LINE_ENDS.split(text.strip().replace("*/", "*\\/"))]
    if lines == [""]:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    inside = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{inside}{indent} */\n"


class TypeNames:
    """The type names that are taken in a file."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def claim(self, *words: str) -> str:
        """Take a name such as `GetLocationArguments`, made of these words; add a number if it is taken."""
        parts = [part for word in words for part in re.split(r"[^A-Za-z0-9]+", word) if part]
        name = "".join(part[0].upper() + part[1:] for part in parts) or "Type"
        name = f"_{name}" if name[0].isdigit() else name
        free, number = name, 1
        while free in self._taken:
            number += 1
            free = f"{name}{number}"
        self._taken.add(free)
        return free
