"""What is known of ChatKit's components without its SDK: components.json, which is written from the SDK's classes."""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any


@functools.cache
def read_known() -> dict[str, Any]:
    """Return the `roots`, the JSON Schema of each of the `components` by its type, and their shared `definitions`."""
    known: dict[str, Any] = json.loads((files("runtime.widgets") / "components.json").read_text(encoding="utf-8"))
    return known


@functools.cache
def icons() -> tuple[str, ...]:
    """Return the names of the icons that ChatKit has."""
    names = read_known()["components"]["Icon"]["properties"]["name"]["anyOf"]
    return tuple(name for form in names for name in form.get("enum", ()))
