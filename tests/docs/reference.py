"""Draws docs/reference.md from the JSON Schema, so that no key is undocumented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from runtime.config.schema import config_schema

HEAD = """# Every key of agents.yaml

Generated from the JSON Schema; `chatkit-runtime schema` prints the schema itself. A guide with examples is
[language.md](guide/language.md).
"""


def draw_reference() -> str:
    schema = config_schema()
    parts = [HEAD, "\n## The file\n", *_table(schema, schema)]
    for name in _in_order(schema):
        for form in _objects(schema["$defs"][name], schema):
            parts += [f"\n## {name}\n", f"\n{form.get('description', '')}\n", *_table(form, schema)]
    return "".join(parts)


def _in_order(schema: dict[str, Any]) -> list[str]:
    """The definitions in the order in which a reader meets them."""
    seen: dict[str, None] = {}

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/$defs/")
            if name and name not in seen:
                seen[name] = None
                visit(schema["$defs"][name])
            for key, inner in node.items():
                if key != "$defs":
                    visit(inner)
        elif isinstance(node, list):
            for inner in node:
                visit(inner)

    visit(schema)
    return list(seen)


def _objects(node: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "properties" in node:
        yield node
    for form in node.get("anyOf", []):
        if "properties" in form:
            yield form


def _table(node: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    yield "\n| key | type | default | meaning |\n|---|---|---|---|\n"
    required = set(node.get("required", []))
    for key, value in node["properties"].items():
        default = "required" if key in required else _code(value.get("default"))
        meaning = str(value.get("description", "")).replace("\n", " ").replace("|", "\\|")
        yield f"| `{key}` | {_type(value)} | {default} | {meaning} |\n"


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].removeprefix("#/$defs/")
        return f"[{name}](#{name.lower()})"
    if "const" in value:
        return _code(value["const"])
    if "enum" in value:
        return " or ".join(_code(choice) for choice in value["enum"])
    forms = value.get("anyOf") or value.get("oneOf")
    if forms:
        return " or ".join(dict.fromkeys(_type(form) for form in forms if form.get("type") != "null"))
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}))}"
    if value.get("type") == "object":
        more = value.get("additionalProperties")
        return f"mapping of {_type(more)}" if isinstance(more, dict) and more else "mapping"
    return str(value.get("type", "any"))


def _code(value: Any) -> str:
    if value is None or value in ({}, []):
        return ""
    text = json.dumps(value) if isinstance(value, dict | list | bool) else str(value)
    return f"`{text}`" if len(text) < 60 else ""
