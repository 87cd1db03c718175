"""Read a widget's template: a file of the project or the tree in agents.yaml, and which of the forms it has.

A file may say more than its template: a `.widget` file carries the schema of its data, the shorthand for sections may
stand in a `{type: widget, widget: …}` with its data's schema, copy text and sample beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.config.files import ProjectFiles
from runtime.config.model.widgets import SectionsWidget
from runtime.diagnostics import Diagnostic
from runtime.widgets.data import TreeError, hint, show_value
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
        return _form(written)
    try:
        return _form(_read_json(written, files))
    except TreeError as error:
        at = f"{written}: {error.path}" if error.path else written
        raise TreeError(at, error.message) from error


def sections_form(widget: SectionsWidget) -> Form:
    """Compile the shorthand; raises TreeError."""
    return Form(SectionsTemplate(widget), widget.data, widget.copy_text, widget.sample)


def _read_json(written: str, files: ProjectFiles) -> Any:
    text = files.read(written)
    if isinstance(text, Diagnostic):
        raise TreeError("", f"{text.message} ({text.hint})" if text.hint else text.message)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        said = f"{error.msg[:1].lower()}{error.msg[1:]}"
        raise TreeError("", f"not JSON at line {error.lineno}, column {error.colno}: {said}") from error
    except RecursionError as error:
        raise TreeError("", "nested too deep") from error


def _form(tree: Any) -> Form:
    if not isinstance(tree, dict):
        raise TreeError("", f"expected an object, got {show_value(tree)}")
    beside: dict[str, Any] = {}
    if tree.get("type") == "widget" and "widget" in tree:
        tree, beside = _unwrap(tree)
    if tree.get("type") == "sections" or ("type" not in tree and "sections" in tree):
        return sections_form(read_sections({**beside, **tree}))
    if "template" in tree:
        template, data, tried = read_studio(tree)
        return Form(template, data, tried=tried)
    known = {key: value for key, value in beside.items() if key != "description"}
    return Form(TreeTemplate(tree), **known, tree=tree)


def _unwrap(wrapper: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    inner = wrapper["widget"]
    if not isinstance(inner, dict):
        raise TreeError("widget", f"expected an object, got {show_value(inner)}")
    beside = {key: value for key, value in wrapper.items() if key not in ("type", "widget")}
    for key, value in beside.items():
        if key not in _BESIDE:
            raise TreeError(key, f"unknown{hint(key, _BESIDE)}")
        expected = dict if key in ("data", "sample") else str
        if not isinstance(value, expected):
            kind = "an object" if expected is dict else "a string"
            raise TreeError(key, f"expected {kind}, got {show_value(value)}")
    return inner, beside
