"""Read a widget's template in one of its three forms, from a file of the project or from agents.yaml.

The forms are a component tree, the shorthand for sections, and an export of ChatKit Studio, which includes the schema
of its data. The others may be wrapped in `{type: widget, widget: …}` with their schema, copy text and sample.
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

_EXTRAS = ("data", "copy_text", "sample", "description")


@dataclass(frozen=True, slots=True)
class Form:
    """A template and the rest of its file; `tried` is the sample data of ChatKit Studio, which nobody maintains."""

    template: StudioTemplate | TreeTemplate | SectionsTemplate
    data: dict[str, Any] | None = None
    copy_text: str | None = None
    sample: dict[str, Any] | None = None
    tried: dict[str, Any] | None = None
    tree: dict[str, Any] | None = None


def read_form(written: str | dict[str, Any], files: ProjectFiles) -> Form:
    """Read the template in a file of the project, or the given tree; raises TreeError."""
    if not isinstance(written, str):
        return form_of(written)
    try:
        return form_of(_read_json(written, files))
    except TreeError as error:
        place = (error.line, error.column)
        raise TreeError(error.path, error.message, *place, hint=error.hint, kind=error.kind, file=written) from error


def sections_form(widget: SectionsWidget) -> Form:
    """Return the form of a `sections` entry; raises TreeError."""
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
    except ValueError as error:  # Python limits the digits of an integer
        raise TreeError((), "a number has too many digits") from error


@dataclass(frozen=True, slots=True)
class TemplateParts:
    """The content of a template's file: its `kind`, the `inner` template, and the `extras` of a wrapper.

    `inner_path` is the path of `inner`; `errors` are the mistakes in the wrapper.
    """

    kind: Literal["tree", "sections", "studio"]
    inner: dict[str, Any]
    inner_path: KeyPath = ()
    extras: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[TreeError, ...] = ()


def split_template(root: Any) -> TemplateParts:
    """Split a template's file into its parts; mistakes in its outer form are in `errors`."""
    if not isinstance(root, dict):
        return TemplateParts("tree", {}, errors=(TreeError((), f"expected an object, got {show_value(root)}"),))
    if not (root.get("type") == "widget" and "widget" in root):
        return TemplateParts(_kind(root), root)
    inner = root["widget"]
    extras = {key: value for key, value in root.items() if key not in ("type", "widget")}
    if not isinstance(inner, dict):
        fault = TreeError(("widget",), f"expected an object, got {show_value(inner)}")
        return TemplateParts("tree", {}, errors=(fault,))
    return TemplateParts(_kind(inner), inner, ("widget",), extras, tuple(_wrong_extras(extras)))


def _kind(root: Mapping[str, Any]) -> Literal["tree", "sections", "studio"]:
    if root.get("type") == "sections" or ("type" not in root and "sections" in root):
        return "sections"
    return "studio" if "template" in root else "tree"


def _wrong_extras(extras: Mapping[str, Any]) -> Iterator[TreeError]:
    for key, value in extras.items():
        if key not in _EXTRAS:
            yield TreeError((key,), f"unknown key {key!r}", hint=suggest(key, _EXTRAS), kind="unknown")
            continue
        expected = dict if key in ("data", "sample") else str
        if not isinstance(value, expected):
            kind = "an object" if expected is dict else "a string"
            yield TreeError((key,), f"expected {kind}, got {show_value(value)}")


def form_of(root: Any) -> Form:
    """Read a template from the JSON of its file; raises TreeError."""
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


_MORE_PROPERTIES = {"patternProperties", "allOf", "anyOf", "oneOf", "if", "$ref"}
COPY_TEXT = ("copy_text",)


def default_values(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the value of each declared property where the data leaves it out: its default, or null."""
    properties = (schema or {}).get("properties", {})
    if not isinstance(properties, Mapping):
        return {}
    return {name: value.get("default") for name, value in properties.items() if isinstance(value, Mapping)}


def render_form(form: Form, defaults: Mapping[str, Any], data: dict[str, Any]) -> Any:
    """Render a template with data, as a request does; raises TreeError."""
    # Exports of ChatKit Studio may test whether a name `is defined`.
    return form.template.render(data if isinstance(form.template, StudioTemplate) else {**defaults, **data})


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
    """Return the names that a schema does not declare; none where it does not list its properties."""
    if not isinstance(schema, Mapping) or schema.keys() & _MORE_PROPERTIES:
        return []
    if not isinstance(schema.get("properties"), Mapping):
        return []
    return [name for name in names if name not in schema["properties"]]


def is_closed(schema: Mapping[str, Any] | None) -> bool:
    """Return whether a schema allows only the properties that it declares."""
    return isinstance(schema, Mapping) and schema.get("additionalProperties") is False
