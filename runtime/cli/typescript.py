"""JSON Schema -> TypeScript: the type of a value that fits a schema.

What TypeScript can't say (patterns, limits, conditions) makes the type wider, never narrower; what isn't known at all,
such as a reference to another document, is `unknown`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from runtime.cli.typescript_text import NEVER, NULL, UNKNOWN, Drawn, Names, comment, intersection, key_text, literal
from runtime.cli.typescript_text import union as any_of

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
        parts += [any_of(self._all(schema[key], indent)) for key in ("anyOf", "oneOf") if _is_list(schema.get(key))]
        if _is_list(schema.get("allOf")):
            parts += self._all(schema["allOf"], indent)
        drawn = intersection(parts)
        # A word of OpenAPI's, which many schemas are copied from.
        return any_of([drawn, NULL]) if schema.get("nullable") is True else drawn

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
            return any_of(map(literal, schema["enum"]))
        kinds = schema.get("type")
        if kinds is None:
            kinds = [
                kind for kind, keys in (("object", _OF_OBJECTS[:1]), ("array", _OF_ARRAYS)) if schema.keys() & keys
            ]
        kinds = [kinds] if isinstance(kinds, str) else kinds
        return any_of(self._kind(kind, schema, indent) for kind in kinds) if _is_list(kinds) and kinds else UNKNOWN

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
