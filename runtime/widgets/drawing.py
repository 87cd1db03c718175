"""Fill a template in as a request does: absent data has its default, and what comes out is a tree of components."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runtime.config.template import Template
from runtime.widgets.data import Path, TreeError, hint
from runtime.widgets.form import Form
from runtime.widgets.studio import StudioTemplate

_MORE_PROPERTIES = {"patternProperties", "allOf", "anyOf", "oneOf", "if", "$ref"}
COPY = ("copy_text",)


def absent_values(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what declared properties are where the data leaves them out: their default, or null."""
    properties = (schema or {}).get("properties", {})
    if not isinstance(properties, Mapping):
        return {}
    return {name: value.get("default") for name, value in properties.items() if isinstance(value, Mapping)}


def draw(form: Form, absent: Mapping[str, Any], data: dict[str, Any]) -> Any:
    """Return what the template makes of the data; raises TreeError."""
    # ChatKit's own templates may ask whether a name `is defined`.
    return form.template.render(data if isinstance(form.template, StudioTemplate) else {**absent, **data})


def unknown_names(form: Form, copy: Template | None, schema: Mapping[str, Any] | None) -> list[TreeError]:
    """Return an error for each name that the templates read and the data's schema does not declare."""
    used: dict[str, Path] = {} if isinstance(form.template, StudioTemplate) else dict(form.template.names)
    used |= {name: COPY for name in sorted(copy.names if copy else ()) if name not in used}
    known = (schema or {}).get("properties", {})
    return [
        TreeError(used[name], f"{name!r} is not in the data{hint(name, known)}") for name in undeclared(used, schema)
    ]


def undeclared(names: Iterable[str], schema: Mapping[str, Any] | None) -> list[str]:
    """Return the names that a schema does not declare; none where it doesn't say which there may be."""
    if not isinstance(schema, Mapping) or schema.keys() & _MORE_PROPERTIES:
        return []
    if not isinstance(schema.get("properties"), Mapping):
        return []
    return [name for name in names if name not in schema["properties"]]


def is_closed(schema: Mapping[str, Any] | None) -> bool:
    """Tell whether a schema allows no property that it doesn't name."""
    return isinstance(schema, Mapping) and schema.get("additionalProperties") is False
