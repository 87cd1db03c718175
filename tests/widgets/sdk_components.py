"""What runtime/widgets/components.json holds, read from the classes of the installed ChatKit SDK.

The classes are read as JSON Schemas and never constructed, which the SDK discourages by a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from chatkit import widgets
from pydantic import TypeAdapter

ROOTS: tuple[str, ...] = get_args(widgets.DynamicWidgetRoot.model_fields["type"].annotation)
_ANY = widgets.DynamicWidgetComponent.__name__


def read_components() -> dict[str, Any]:
    """Return the types that can be a root, and the JSON Schema of each component with the definitions they share."""
    whole = TypeAdapter(widgets.StrictWidgetRoot).json_schema()
    closed: dict[str, Any] = {name: _closed(schema) for name, schema in whole["$defs"].items()}
    own = {name: schema for name, schema in closed.items() if _is_component(name)}
    components = {schema["properties"]["type"]["const"]: schema for schema in own.values()}
    components["Basic"] = _basic(components)
    definitions = {name: schema for name, schema in closed.items() if name not in own}
    return {"roots": list(ROOTS), "components": components, "definitions": definitions}


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
