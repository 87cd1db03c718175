"""ChatKit's components without its SDK: components.json, which a test writes from the SDK's classes."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


@functools.cache
def load_components() -> dict[str, Any]:
    """Return the `roots`, the JSON Schema of each of the `components` by its type, and their shared `definitions`."""
    components: dict[str, Any] = json.loads((files("runtime.widgets") / "components.json").read_text(encoding="utf-8"))
    return components


@functools.cache
def is_page_component(kind: str) -> bool:
    """Return whether a type is that of a component of the page's own: in small letters, with a hyphen.

    `acme-map` is one; `list-view` and `list-view-item` are ListView and ListViewItem, misspelt.
    """
    return "-" in kind and kind.islower() and kind.replace("-", "") not in _plain_names()


@functools.cache
def _plain_names() -> frozenset[str]:
    return frozenset(kind.replace(".", "").lower() for kind in load_components()["components"])


@functools.cache
def icons() -> tuple[str, ...]:
    """Return the names of the icons that ChatKit has."""
    names = load_components()["components"]["Icon"]["properties"]["name"]["anyOf"]
    return tuple(name for form in names for name in form.get("enum", ()))


@functools.cache
def roots() -> tuple[str, ...]:
    """Return the types that can be the root of a widget."""
    return tuple(load_components()["roots"])


@functools.cache
def text_properties(kind: str) -> frozenset[str]:
    """Return the properties of a component that take only a string; none for an unknown component."""
    properties = load_components()["components"].get(kind, {}).get("properties", {})
    return frozenset(name for name, schema in properties.items() if name != "type" and _is_text(schema))


@functools.cache
def input_types() -> frozenset[str]:
    """Return the components that a user enters a value in, which a form adds to the payload of its actions."""
    components = load_components()["components"].items()
    return frozenset(
        kind for kind, schema in components if "onChangeAction" in schema["properties"] or _is_input(schema)
    )


def _is_input(schema: Mapping[str, Any]) -> bool:
    return "name" in schema.get("required", ()) and bool({"defaultValue", "required"} & schema["properties"].keys())


def _is_text(schema: Mapping[str, Any]) -> bool:
    kinds = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    return [{key: kind[key] for key in kind if key != "title"} for kind in kinds] == [{"type": "string"}]
