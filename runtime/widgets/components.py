"""What ChatKit knows of each component: its properties and the values that they take.

It is read from a file that is written from the classes of the ChatKit SDK: validating needs no SDK.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from runtime.widgets.data import DataCheck
from runtime.widgets.known import read_known


@functools.cache
def roots() -> tuple[str, ...]:
    """Return the types that can be the root of a widget."""
    return tuple(read_known()["roots"])


@functools.cache
def component_checks() -> dict[str, DataCheck]:
    """Return a check for each component by its `type`; it leaves `children` to whoever walks the tree."""
    known = read_known()
    return {
        kind: DataCheck({**schema, "$defs": known["definitions"]}, trusted=True)
        for kind, schema in known["components"].items()
    }


@functools.cache
def text_properties(kind: str) -> frozenset[str]:
    """Return the properties of a component that hold a text and nothing else; none for an unknown component."""
    properties = read_known()["components"].get(kind, {}).get("properties", {})
    return frozenset(name for name, schema in properties.items() if name != "type" and _is_text(schema))


@functools.cache
def input_types() -> frozenset[str]:
    """Return the components that a user puts something into: a form adds it to the payload of its actions."""
    known = read_known()["components"].items()
    return frozenset(kind for kind, schema in known if "onChangeAction" in schema["properties"] or _is_input(schema))


def _is_input(schema: Mapping[str, Any]) -> bool:
    return "name" in schema.get("required", ()) and bool({"defaultValue", "required"} & schema["properties"].keys())


def _is_text(schema: Mapping[str, Any]) -> bool:
    kinds = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    return [{key: kind[key] for key in kind if key != "title"} for kind in kinds] == [{"type": "string"}]
