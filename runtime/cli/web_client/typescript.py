"""JSON Schema -> TypeScript: the type of a value that fits a schema.

What TypeScript can't say (patterns, limits, conditions) makes the type wider, never narrower; what isn't known at all,
such as a reference to another document, is `unknown`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

_KINDS = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}
_OF_OBJECTS = ("properties", "required", "additionalProperties", "patternProperties")
_OF_ARRAYS = ("items", "prefixItems")


def declarations(schema: Any, name: str, names: Names, description: str = "") -> list[str]:
    """Return the declaration of the type `name`, and one for each definition that the schema refers to."""
    drawing = _Drawing(schema, name, names)
    texts = [_declaration(name, drawing.draw(schema), description or _words(schema))]
    while drawing.waiting:
        pointer = drawing.waiting.pop(0)
        target = drawing.target(pointer)
        texts.append(_declaration(drawing.named[pointer], drawing.draw(target), _words(target)))
    return texts


def _declaration(name: str, drawn: Drawn, description: str) -> str:
    if drawn.kind == "braces":
        return f"{comment(description)}export interface {name} {drawn.text}\n"
    return f"{comment(description)}export type {name} = {drawn.text};\n"


def _words(schema: Any) -> str:
    """What a schema says about itself to people."""
    if not isinstance(schema, Mapping):
        return ""
    said = [str(schema[key]) for key in ("description", "title") if schema.get(key)][:1]
    if "default" in schema:
        said.append(f"@default {literal(schema['default']).text}")
    if schema.get("deprecated") is True:
        said.append("@deprecated")
    return "\n".join(said)


class _Drawing:
    """Draws one schema; `named` are the types of the definitions in it, by their pointer."""

    def __init__(self, root: Any, name: str, names: Names) -> None:
        self._root, self._names = root, names
        self.named = {"": name}
        self.waiting: list[str] = []

    def draw(self, schema: Any, indent: str = "") -> Drawn:
        """Return the type of what fits a schema."""
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
        drawn = intersection(parts)
        # A word of OpenAPI's, which many schemas are copied from.
        return union([drawn, NULL]) if schema.get("nullable") is True else drawn

    def target(self, pointer: str) -> Any:
        """Return what a pointer leads to; None where it leads nowhere."""
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

    def _all(self, schemas: Sequence[Any], indent: str) -> list[Drawn]:
        return [self.draw(schema, indent) for schema in schemas]

    def _own(self, schema: Mapping[str, Any], indent: str) -> Drawn:
        if "const" in schema:
            return literal(schema["const"])
        if _is_list(schema.get("enum")):
            return union(map(literal, schema["enum"]))
        kinds = schema.get("type")
        if kinds is None:
            kinds = [
                kind for kind, keys in (("object", _OF_OBJECTS[:1]), ("array", _OF_ARRAYS)) if schema.keys() & keys
            ]
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return union(self._kind(kind, schema, indent) for kind in kinds) if _is_list(kinds) and kinds else UNKNOWN

    def _kind(self, kind: str, schema: Mapping[str, Any], indent: str) -> Drawn:
        if kind == "object":
            return self._object(schema, indent)
        if kind == "array":
            return self._array(schema, indent)
        return Drawn(_KINDS.get(str(kind), "unknown"))

    def _object(self, schema: Mapping[str, Any], indent: str) -> Drawn:
        found = schema.get("properties")
        properties: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        required = [*map(str, schema["required"])] if _is_list(schema.get("required")) else []
        others = schema.get("additionalProperties", schema.get("unevaluatedProperties"))
        if schema.get("patternProperties"):
            others = True
        inner = f"{indent}  "
        lines = []
        for name in dict.fromkeys([*properties, *required]):
            drawn = self.draw(properties.get(name, True), inner)
            mark = "" if name in required else "?"
            lines.append(
                f"{comment(_words(properties.get(name)), inner)}{inner}{key_text(name)}{mark}: {drawn.text};\n"
            )
        if not lines and (others is False or not isinstance(others, Mapping)):
            return Drawn("Record<string, never>" if others is False else "Record<string, unknown>")
        if others is not None and others is not False:
            # Beside named properties the type of the others would have to be theirs, too.
            drawn = UNKNOWN if lines else self.draw(others, inner)
            lines.append(f"{inner}[key: string]: {drawn.text};\n")
        return Drawn(f"{{\n{''.join(lines)}{indent}}}", "braces")

    def _array(self, schema: Mapping[str, Any], indent: str) -> Drawn:
        items = schema.get("items", True)
        if not _is_list(schema.get("prefixItems")):
            return Drawn(f"{self.draw(items, indent).tight}[]")
        least = found if isinstance(found := schema.get("minItems"), int) else 0
        first = self._all(schema["prefixItems"], indent)
        parts = [part.text if at < least else f"{part.tight}?" for at, part in enumerate(first)]
        rest = [] if items is False else [f"...{self.draw(items, indent).tight}[]"]
        return Drawn(f"[{', '.join([*parts, *rest])}]")

    def _reference(self, reference: Any) -> Drawn:
        if not isinstance(reference, str) or not reference.startswith("#") or reference[1:2] not in ("", "/"):
            return UNKNOWN
        pointer = reference[1:]
        if self.target(pointer) is None or self._circles(pointer):
            return UNKNOWN
        if pointer not in self.named:
            self.named[pointer] = self._names.claim(self.named[""], unquote(pointer.rpartition("/")[2]))
            self.waiting.append(pointer)
        return Drawn(self.named[pointer])

    def _circles(self, pointer: str) -> bool:
        """Tell whether a definition is made of itself, with no object and no array between: TypeScript refuses that."""
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


# The small parts of TypeScript: names, keys, literals, comments, and where a type needs parentheses.

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
# U+2028 and U+2029 end a line of a comment.
_LINE_ENDS = re.compile("\r\n|[\n\r\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Drawn:
    """The text of a type; `kind` says how tightly it holds together: `braces` is an object type."""

    text: str
    kind: Literal["braces", "atom", "intersection", "union"] = "atom"

    @property
    def tight(self) -> str:
        """The text where a `[]` or a `&` may follow."""
        return f"({self.text})" if self.kind in ("intersection", "union") else self.text


UNKNOWN, NEVER, NULL = Drawn("unknown"), Drawn("never"), Drawn("null")


def union(parts: Iterable[Drawn]) -> Drawn:
    """Any of these."""
    different = [part for part in dict.fromkeys(parts) if part != NEVER]
    if UNKNOWN in different:
        return UNKNOWN
    if len(different) > 1:
        return Drawn(" | ".join(part.text for part in different), "union")
    return different[0] if different else NEVER


def intersection(parts: Iterable[Drawn]) -> Drawn:
    """All of these at once."""
    different = [part for part in dict.fromkeys(parts) if part != UNKNOWN]
    if NEVER in different:
        return NEVER
    if len(different) > 1:
        return Drawn(" & ".join(part.tight for part in different), "intersection")
    return different[0] if different else UNKNOWN


def literal(value: Any) -> Drawn:
    """The type of this value alone."""
    if isinstance(value, Mapping):
        inside = "; ".join(f"{key_text(str(key))}: {literal(inner).text}" for key, inner in value.items())
        return Drawn(f"{{ {inside} }}", "braces") if value else Drawn("Record<string, never>")
    if isinstance(value, list | tuple):
        return Drawn(f"[{', '.join(literal(inner).text for inner in value)}]")
    if isinstance(value, float) and not math.isfinite(value):
        return Drawn("number")
    if isinstance(value, float) and value.is_integer():
        return Drawn(str(int(value)))
    return Drawn(quote(value) if isinstance(value, str) else json.dumps(value, default=str))


def quote(text: str) -> str:
    """A string of TypeScript and JavaScript, in single quotes; fit for a `<script>`, too."""
    inside = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{inside}'".replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("<", "\\u003c")


def key_text(name: str) -> str:
    """The name of a property, quoted where it has to be."""
    return name if _IDENTIFIER.fullmatch(name) else quote(name)


def comment(text: str, indent: str = "") -> str:
    """A JSDoc comment with its line end; empty for no text."""
    lines = [line.strip() for line in _LINE_ENDS.split(text.strip().replace("*/", "*\\/"))]
    if lines == [""]:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    inside = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{inside}{indent} */\n"


class Names:
    """The names of types that a file has given away."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def claim(self, *words: str) -> str:
        """Make a name like `GetLocationArguments` of these words, with a number where it is taken."""
        parts = [part for word in words for part in re.split(r"[^A-Za-z0-9]+", word) if part]
        name = "".join(part[0].upper() + part[1:] for part in parts) or "Type"
        name = f"_{name}" if name[0].isdigit() else name
        free = name
        number = 1
        while free in self._taken:
            number += 1
            free = f"{name}{number}"
        self._taken.add(free)
        return free
