"""Read a widget's template: a file of the project or the tree in agents.yaml, and which of the forms it has.

A file may say more than its template: a `.widget` file carries the schema of its data, the shorthand for sections may
stand in a `{type: widget, widget: …}` with its data's schema, copy text and sample beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runtime.config.model.widgets import SectionsWidget
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.json_schema.data import TreeError, show_value
from runtime.templates.template import Template
from runtime.widgets.sections import SectionsTemplate, read_sections
from runtime.widgets.studio import StudioTemplate, read_studio
from runtime.widgets.tree import TreeTemplate

_BESIDE = ("data", "copy_text", "sample", "description")


@dataclass(frozen=True, slots=True)
class Form:
    """One template with what its file says about it; `tried` is sample data that only the file's editor vouches for."""

    template: StudioTemplate | TreeTemplate | SectionsTemplate
    data: dict[str, Any] | None = None
    copy_text: str | None = None
    sample: dict[str, Any] | None = None
    tried: dict[str, Any] | None = None
    tree: dict[str, Any] | None = None


def read_form(written: str | dict[str, Any], files: ProjectFiles) -> Form:
    """Read the template in a file of the project, or the tree itself; raises TreeError."""
    if not isinstance(written, str):
        return form_of(written)
    try:
        return form_of(_read_json(written, files))
    except TreeError as error:
        place = (error.line, error.column)
        raise TreeError(error.path, error.message, *place, hint=error.hint, kind=error.kind, file=written) from error


def sections_form(widget: SectionsWidget) -> Form:
    """Compile the shorthand; raises TreeError."""
    return Form(SectionsTemplate(widget), widget.data, widget.copy_text, widget.sample)


def _read_json(written: str, files: ProjectFiles) -> Any:
    text = files.read(written)
    if isinstance(text, Diagnostic):
        raise TreeError((), text.message, hint=text.hint)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        said = f"{error.msg[:1].lower()}{error.msg[1:]}"
        raise TreeError((), f"not JSON at line {error.lineno}, column {error.colno}: {said}") from error
    except RecursionError as error:
        raise TreeError((), "nested too deep") from error
    except ValueError as error:  # Python reads no longer ones
        raise TreeError((), "a number has too many digits") from error


@dataclass(frozen=True, slots=True)
class TemplateParts:
    """What a template's file holds: one of the kinds, and what a wrapper says beside it.

    `inner_path` is the path of `inner`; `errors` is all that is wrong with the wrapper.
    """

    kind: Literal["tree", "sections", "studio"]
    inner: dict[str, Any]
    inner_path: KeyPath = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[TreeError, ...] = ()


def split_template(root: Any) -> TemplateParts:
    """Tell which kind of template a file holds; what is wrong with its outer form is in the parts."""
    if not isinstance(root, dict):
        return TemplateParts("tree", {}, errors=(TreeError((), f"expected an object, got {show_value(root)}"),))
    if not (root.get("type") == "widget" and "widget" in root):
        return TemplateParts(_kind(root), root)
    inner = root["widget"]
    beside = {key: value for key, value in root.items() if key not in ("type", "widget")}
    if not isinstance(inner, dict):
        return TemplateParts(
            "tree", {}, errors=(TreeError(("widget",), f"expected an object, got {show_value(inner)}"),)
        )
    return TemplateParts(_kind(inner), inner, ("widget",), beside, tuple(_wrong_beside(beside)))


def _kind(root: Mapping[str, Any]) -> Literal["tree", "sections", "studio"]:
    if root.get("type") == "sections" or ("type" not in root and "sections" in root):
        return "sections"
    return "studio" if "template" in root else "tree"


def _wrong_beside(beside: Mapping[str, Any]) -> Iterator[TreeError]:
    for key, value in beside.items():
        if key not in _BESIDE:
            yield TreeError((key,), f"unknown key {key!r}", hint=suggest(key, _BESIDE), kind="unknown")
            continue
        expected = dict if key in ("data", "sample") else str
        if not isinstance(value, expected):
            kind = "an object" if expected is dict else "a string"
            yield TreeError((key,), f"expected {kind}, got {show_value(value)}")


def form_of(root: Any) -> Form:
    """Read a template from the JSON that its file holds; raises TreeError."""
    parts = split_template(root)
    if parts.errors:
        raise parts.errors[0]
    if parts.kind == "sections":
        return sections_form(read_sections({**parts.extras, **parts.inner}))
    if parts.kind == "studio":
        template, data, tried = read_studio(parts.inner)
        return Form(template, data, tried=tried)
    known = {key: value for key, value in parts.extras.items() if key != "description"}
    return Form(TreeTemplate(parts.inner), **known, tree=parts.inner)


# Fill a template in as a request does: absent data has its default, and what comes out is a tree of components.

_MORE_PROPERTIES = {"patternProperties", "allOf", "anyOf", "oneOf", "if", "$ref"}
COPY_TEXT = ("copy_text",)


def default_values(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what declared properties are where the data leaves them out: their default, or null."""
    properties = (schema or {}).get("properties", {})
    if not isinstance(properties, Mapping):
        return {}
    return {name: value.get("default") for name, value in properties.items() if isinstance(value, Mapping)}


def render_form(form: Form, absent: Mapping[str, Any], data: dict[str, Any]) -> Any:
    """Return what the template makes of the data; raises TreeError."""
    # ChatKit's own templates may ask whether a name `is defined`.
    return form.template.render(data if isinstance(form.template, StudioTemplate) else {**absent, **data})


def undeclared_name_errors(form: Form, copy: Template | None, schema: Mapping[str, Any] | None) -> list[TreeError]:
    """Return an error for each name that the templates read and the data's schema does not declare."""
    used: dict[str, KeyPath] = {} if isinstance(form.template, StudioTemplate) else dict(form.template.names)
    used |= {name: COPY_TEXT for name in sorted(copy.names if copy else ()) if name not in used}
    known = (schema or {}).get("properties", {})
    return [
        TreeError(used[name], f"{name!r} is not in the data", hint=suggest(name, known))
        for name in undeclared_names(used, schema)
    ]


def undeclared_names(names: Iterable[str], schema: Mapping[str, Any] | None) -> list[str]:
    """Return the names that a schema does not declare; none where it doesn't say which there may be."""
    if not isinstance(schema, Mapping) or schema.keys() & _MORE_PROPERTIES:
        return []
    if not isinstance(schema.get("properties"), Mapping):
        return []
    return [name for name in names if name not in schema["properties"]]


def is_closed(schema: Mapping[str, Any] | None) -> bool:
    """Tell whether a schema allows no property that it doesn't name."""
    return isinstance(schema, Mapping) and schema.get("additionalProperties") is False
