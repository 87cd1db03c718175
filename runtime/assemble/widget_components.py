"""What the installed ChatKit SDK knows of each component: its properties and the values that they take.

The classes are read as JSON Schemas and never constructed, which the SDK discourages by a warning.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, get_args

from chatkit import widgets
from pydantic import TypeAdapter

from runtime.assemble.widget_data import DataCheck

ROOTS: tuple[str, ...] = get_args(widgets.DynamicWidgetRoot.model_fields["type"].annotation)
_ANY = widgets.DynamicWidgetComponent.__name__


@functools.cache
def component_checks() -> dict[str, DataCheck]:
    """Return a check for each component by its `type`; it leaves `children` to whoever walks the tree."""
    return {kind: DataCheck({**schema, "$defs": _schemas()[1]}, trusted=True) for kind, schema in _schemas()[0].items()}


@functools.cache
def text_properties(kind: str) -> frozenset[str]:
    """Return the properties of a component that hold a text and nothing else; none for an unknown component."""
    properties = _schemas()[0].get(kind, {}).get("properties", {})
    return frozenset(name for name, schema in properties.items() if name != "type" and _is_text(schema))


def _is_text(schema: Mapping[str, Any]) -> bool:
    kinds = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    return [{key: kind[key] for key in kind if key != "title"} for kind in kinds] == [{"type": "string"}]


@functools.cache
def _schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schema of each component by its `type`, and the definitions that they share."""
    whole = TypeAdapter(widgets.StrictWidgetRoot).json_schema()
    closed: dict[str, Any] = {name: _closed(schema) for name, schema in whole["$defs"].items()}
    own = {name: schema for name, schema in closed.items() if _is_component(name)}
    components = {schema["properties"]["type"]["const"]: schema for schema in own.values()}
    components["Basic"] = _basic(components)
    return components, {name: schema for name, schema in closed.items() if name not in own}


def _is_component(name: str) -> bool:
    kind = getattr(widgets, name, None)
    # The dynamic component stands for all types and has none of its own.
    return isinstance(kind, type) and issubclass(kind, widgets.WidgetComponentBase) and kind.__name__ != _ANY


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    properties = {name: {} if name == "children" else value for name, value in schema.get("properties", {}).items()}
    return {**schema, "properties": properties, "additionalProperties": False}


def _basic(components: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a Basic root takes: the SDK lists nothing, the browser lays it out as a Box with a theme."""
    box, card = components["Box"]["properties"], components["Card"]["properties"]
    known = {**box, "theme": card["theme"], "type": {"const": "Basic"}}
    return {"type": "object", "properties": known, "additionalProperties": False}
