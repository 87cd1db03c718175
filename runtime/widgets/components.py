"""What ChatKit knows of each component: its properties and the values that they take.

They are read from components.json, which is written from the classes of the ChatKit SDK: validating needs no SDK.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from runtime.widgets.data import DataCheck


@functools.cache
def roots() -> tuple[str, ...]:
    """Return the types that can be the root of a widget."""
    return tuple(_file()["roots"])


@functools.cache
def component_checks() -> dict[str, DataCheck]:
    """Return a check for each component by its `type`; it leaves `children` to whoever walks the tree."""
    known = _file()
    return {
        kind: DataCheck({**schema, "$defs": known["definitions"]}, trusted=True)
        for kind, schema in known["components"].items()
    }


@functools.cache
def text_properties(kind: str) -> frozenset[str]:
    """Return the properties of a component that hold a text and nothing else; none for an unknown component."""
    properties = _file()["components"].get(kind, {}).get("properties", {})
    return frozenset(name for name, schema in properties.items() if name != "type" and _is_text(schema))


def _is_text(schema: Mapping[str, Any]) -> bool:
    kinds = [branch for branch in schema.get("anyOf", [schema]) if branch.get("type") != "null"]
    return [{key: kind[key] for key in kind if key != "title"} for kind in kinds] == [{"type": "string"}]


@functools.cache
def _file() -> dict[str, Any]:
    """Return the `roots`, the JSON Schema of each of the `components` by its type, and their shared `definitions`."""
    known: dict[str, Any] = json.loads((files("runtime.widgets") / "components.json").read_text(encoding="utf-8"))
    return known
