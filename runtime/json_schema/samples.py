"""Sample data for a JSON Schema: plain, small and deterministic.

A `pattern`, for example, matches only by chance, so callers validate the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.diagnostics.key_path import KeyPath

Schema = Mapping[str, Any]
_DEEP = 12
_MANY_ITEMS = 50
_TEXT = "text"
_FORMATS = {
    "date": "2024-02-29",
    "time": "12:30:00Z",
    "date-time": "2024-02-29T12:30:00Z",
    "duration": "P1D",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uri-reference": "https://example.com/",
    "iri": "https://example.com/",
    "uuid": "12345678-1234-4234-8234-123456789abc",
    "json-pointer": "/a",
    "regex": "a",
}


def make_data(schema: Schema) -> Any:
    """Return data with every property that the schema declares; values that are nested too deep are null."""
    return _make(schema, schema, 0)


def schema_at(root: Schema, node: Any) -> Schema:
    """Return a part of a schema with its own `$ref`s resolved; keywords beside a `$ref` are kept."""
    seen: set[str] = set()
    while isinstance(node, Mapping) and isinstance(node.get("$ref"), str) and node["$ref"] not in seen:
        seen.add(node["$ref"])
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = {**_pointed(root, node["$ref"]), **beside}
    return node if isinstance(node, Mapping) else {}


def _pointed(root: Schema, reference: str) -> Schema:
    node: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        node = node.get(step) if isinstance(node, Mapping) else None
    return node if reference.startswith("#") and isinstance(node, Mapping) else {}


def kinds_of(root: Schema, node: Any) -> frozenset[str]:
    """Return the types that a part of a schema names, also in its branches; empty if it allows any type."""
    node = schema_at(root, node)
    written = node.get("type")
    kinds = {written} if isinstance(written, str) else set(written or ())
    for branch in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        if branch is not node:
            kinds |= kinds_of(root, branch) if not _refers_to(branch, node) else frozenset()
    values = [*node.get("enum", ()), *([node["const"]] if "const" in node else [])]
    return frozenset(kinds | ({"null"} if None in values else set()))


def _refers_to(branch: Any, node: Schema) -> bool:
    return isinstance(branch, Mapping) and "$ref" in branch and branch.get("$ref") == node.get("$ref")


def _make(root: Schema, node: Any, depth: int) -> Any:
    node = schema_at(root, node)
    if depth > _DEEP:
        return None
    if "const" in node:
        return node["const"]
    for key in ("enum", "examples"):
        if isinstance(node.get(key), list) and node[key]:
            return node[key][0]
    if "default" in node and node["default"] is not None:
        return node["default"]
    for key in ("anyOf", "oneOf"):
        if branches := node.get(key):
            rest = {name: value for name, value in node.items() if name != key}
            return _make(root, {**rest, **schema_at(root, _first_not_null(root, branches))}, depth + 1)
    if parts := node.get("allOf"):
        return _make(root, _merge_parts(root, node, parts), depth + 1)
    return _of_kind(root, node, _kind(node), depth)


def _first_not_null(root: Schema, branches: list[Any]) -> Any:
    return next((branch for branch in branches if schema_at(root, branch).get("type") != "null"), branches[0])


def _merge_parts(root: Schema, node: Schema, parts: list[Any]) -> dict[str, Any]:
    whole = {key: value for key, value in node.items() if key != "allOf"}
    for part in parts:
        for key, value in schema_at(root, part).items():
            if isinstance(value, Mapping) and isinstance(whole.get(key), Mapping):
                whole[key] = {**whole[key], **value}
            elif isinstance(value, list) and isinstance(whole.get(key), list) and key == "required":
                whole[key] = [*whole[key], *value]
            else:
                whole[key] = value
    return whole


def _kind(node: Schema) -> str:
    written = node.get("type")
    if isinstance(written, list):
        written = next((kind for kind in written if kind != "null"), "null")
    if written:
        return str(written)
    if "properties" in node or "required" in node:
        return "object"
    return "array" if "items" in node else "string"


def _of_kind(root: Schema, node: Schema, kind: str, depth: int) -> Any:
    match kind:
        case "object":
            return _object(root, node, depth)
        case "array":
            return _array(root, node, depth)
        case "string":
            return _string(node)
        case "integer" | "number":
            return _number(node, whole=kind == "integer")
        case "boolean":
            return True
        case _:
            return None


def _object(root: Schema, node: Schema, depth: int) -> dict[str, Any]:
    properties = node.get("properties", {})
    needed = set(node.get("required", ()))
    # Stop the recursion of a schema that contains itself at an optional property.
    names = [name for name in properties if name in needed or depth < _DEEP // 2]
    made = {name: _make(root, properties[name], depth + 1) for name in names}
    more = node.get("additionalProperties")
    return made | {name: _make(root, more, depth + 1) for name in sorted(needed - made.keys()) if more is not False}


def _array(root: Schema, node: Schema, depth: int) -> list[Any]:
    first = [_make(root, part, depth + 1) for part in node.get("prefixItems", ())]
    least = min(max(int(node.get("minItems", 1)), 0 if depth >= _DEEP // 2 else 1), _MANY_ITEMS)
    most = node.get("maxItems", _MANY_ITEMS)
    items = node.get("items", {})
    made = [*first, *(_make(root, items, depth + 1) for _ in range(max(0, least - len(first))))] if items else first
    if node.get("uniqueItems"):
        made = [_another(item, index) for index, item in enumerate(made)]
    return made[: int(most)]


def _another(item: Any, index: int) -> Any:
    if isinstance(item, str):
        return item + str(index) if index else item
    return item + index if isinstance(item, int | float) and not isinstance(item, bool) else item


def _string(node: Schema) -> str:
    text = _FORMATS.get(str(node.get("format")), _TEXT)
    text += "x" * (min(int(node.get("minLength", 0)), 100_000) - len(text))
    return text[: int(node["maxLength"])] if "maxLength" in node else text


def _number(node: Schema, *, whole: bool) -> int | float:
    low = node.get("minimum", node.get("exclusiveMinimum"))
    high = node.get("maximum", node.get("exclusiveMaximum"))
    value: int | float = 1 if low is None else low
    if "exclusiveMinimum" in node and value <= node["exclusiveMinimum"]:
        value = node["exclusiveMinimum"] + (1 if whole or high is None else (high - node["exclusiveMinimum"]) / 2)
    if high is not None and value > high:
        value = high
    if "exclusiveMaximum" in node and value >= node["exclusiveMaximum"]:
        value = node["exclusiveMaximum"] - 1
    if step := node.get("multipleOf"):
        value = math.ceil(value / step) * step
    return math.ceil(value) if whole else value


def walk(root: Schema, data: Any) -> Iterator[tuple[KeyPath, Schema, Any, bool]]:
    """Yield each value in the data with its path and schema, and whether it is optional."""
    waiting: list[tuple[KeyPath, Schema, Any]] = [((), schema_at(root, root), data)]
    while waiting:
        path, node, value = waiting.pop(0)
        for key, part, item, is_optional in _parts(root, node, value):
            waiting.append(((*path, key), part, item))
            yield (*path, key), part, item, is_optional


def _parts(root: Schema, node: Schema, value: Any) -> Iterator[tuple[str | int, Schema, Any, bool]]:
    node = _branch_of(root, node, value)
    if isinstance(value, Mapping):
        properties, needed = node.get("properties", {}), node.get("required", ())
        for key, item in value.items():
            declared = isinstance(properties, Mapping) and key in properties
            yield key, schema_at(root, properties[key] if declared else {}), item, declared and key not in needed
    elif isinstance(value, list):
        # The items have one schema: the first represents all.
        items = schema_at(root, node.get("items", {}))
        yield from ((index, items, item, False) for index, item in enumerate(value[:1]))


def _branch_of(root: Schema, node: Schema, value: Any) -> Schema:
    """Return the branch of a union whose type is that of the value, an object or a list."""
    wanted = "object" if isinstance(value, Mapping) else "array"
    for branch in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        if wanted in kinds_of(root, branch):
            return schema_at(root, branch)
    return node
