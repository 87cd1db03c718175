"""One widget as a check sees it: what it is made of, where each part stands, and how a mistake in it is reported.

Reading a widget reports whatever is wrong with its outer form (A411); what reads on gets only what is whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from runtime.config.model.actions import WidgetAction
from runtime.config.model.tools import WidgetTool
from runtime.config.model.widgets import PythonWidget, SectionsWidget, TemplateWidget, Widget
from runtime.diagnostics.diagnostic import Diagnostic, Severity
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.documents.json_text import JsonText
from runtime.json_schema.data import TreeError
from runtime.validation.checked_project import CheckedProject
from runtime.validation.widgets.places import ConfigDocument, Document, FileDocument, Spot, moved
from runtime.widgets.forms import split_template

_SUFFIXES = (".widget", ".json")


@dataclass(frozen=True, slots=True)
class Part:
    """A value of a widget and the document that it is the root of."""

    value: Any
    document: Document


@dataclass(slots=True)
class View:
    """A widget: its `root` is the JSON of its template (None: drawn by Python), `inner` that without a wrapper.

    `at` is its path in agents.yaml. `is_ours` says that the sample is the project's own, so that it must work;
    `broken`, that something makes trying the widget pointless; `hopeless`, that no data can fit its schema.
    `triggers` are the trees with its actions, `open` the stretches of an export's text that are in none of them.
    """

    project: CheckedProject
    name: str
    at: KeyPath
    kind: Literal["tree", "sections", "studio", "python"]
    root: Any
    inner: Part
    data: Part
    sample: Part
    copy_text: Part
    is_ours: bool = False
    broken: bool = False
    hopeless: bool = False
    triggers: list[Part] = field(default_factory=list)
    open: tuple[tuple[int, int], ...] = ()
    bound: frozenset[str] = frozenset()

    def report(
        self, code: str, spot: Spot, message: str, hint: str = "", *, severity: Severity = "error", path: KeyPath = ()
    ) -> None:
        """Report a mistake at its place; `path` leads on from the widget's own, where the file has such a value."""
        found = self.project.collector
        at = found.filled.source.places.written((*self.at, *path))
        if not found.filled.is_unresolved(at):
            place, length = spot
            found.diagnostics.append(Diagnostic(code, message, place, severity, hint, path_text(at), length))

    def path_in_config(self, part: Part, path: KeyPath) -> KeyPath:
        """Return the path below `at` of a value in a part, for what stands in agents.yaml; else none."""
        document = part.document
        return (*document.at, *path)[len(self.at) :] if isinstance(document, ConfigDocument) else ()


def read_views(project: CheckedProject) -> Iterator[View]:
    """Read every widget of a project, those that only a tool or an action names among them."""
    for name, widget in project.config.widgets.items():
        yield from _read(project, name, ("widgets", name), widget)
    seen: set[str] = set()
    for section in ("tools", "actions"):
        for key, entry in getattr(project.config, section).items():
            named = entry.widget if isinstance(entry, WidgetTool | WidgetAction) else ""
            if named.endswith(_SUFFIXES) and named not in project.config.widgets and named not in seen:
                seen.add(named)
                yield from _read(project, named, (section, key, "widget"), TemplateWidget(template=named))


def _read(project: CheckedProject, name: str, at: KeyPath, widget: Widget) -> Iterator[View]:
    document = ConfigDocument(project.collector.filled, at)
    view = View(
        project=project,
        name=name,
        at=at,
        kind="python",
        root=None,
        inner=Part(None, document),
        data=Part(widget.data, moved(document, ("data",))),
        sample=Part(widget.sample, moved(document, ("sample",))),
        copy_text=Part(widget.copy_text, moved(document, ("copy_text",))),
        is_ours=widget.sample is not None,
    )
    match widget:
        case PythonWidget():
            yield view
        case SectionsWidget():
            root = widget.model_dump(include={"type", "title", "sections"}, exclude_none=True)
            view.kind, view.root, view.inner = "sections", root, Part(root, document)
            yield view
        case TemplateWidget():
            written = _template(project, widget.template, moved(document, ("template",)))
            if written is not None:
                _take_apart(view, written)
                yield view


def _template(project: CheckedProject, template: str | dict[str, Any], document: Document) -> Part | None:
    """Return the JSON of a template, or None where loading the config has reported that there is none."""
    if not isinstance(template, str):
        return Part(template, document)
    text = project.files.read(template)
    if isinstance(text, Diagnostic):
        return None
    try:
        return Part(json.loads(text), FileDocument(template, JsonText(text)))
    except (ValueError, RecursionError):
        return None


def _take_apart(view: View, written: Part) -> None:
    view.root, view.inner = written.value, written
    parts = split_template(written.value)
    for fault in parts.errors:
        report_shape(view, written, fault)
    view.broken = bool(parts.errors)
    view.kind = parts.kind
    view.inner = Part(parts.inner, moved(written.document, parts.inner_path))
    beside = {**parts.extras, **(parts.inner if parts.kind == "sections" else {})}
    own = written.document if parts.extras else view.inner.document
    for name in ("data", "sample", "copy_text"):
        if getattr(view, name).value is None and beside.get(name) is not None:
            inside = parts.kind == "sections" and name in parts.inner
            document = moved(view.inner.document if inside else own, (name,))
            setattr(view, name, Part(beside[name], document))
            view.is_ours |= name == "sample"
    if parts.kind == "studio" and not view.data.value and isinstance(parts.inner.get("jsonSchema"), dict):
        view.data = Part(parts.inner["jsonSchema"] or None, moved(view.inner.document, ("jsonSchema",)))


def report_shape(view: View, part: Part, error: TreeError) -> None:
    """Report that a file, or the shorthand in it, is malformed (A411)."""
    spot = part.document.key(error.path) if error.kind == "unknown" else part.document.value(error.path)
    view.report("A411", spot, error.message, error.hint, path=view.path_in_config(part, error.path))
