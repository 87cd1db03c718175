"""A widget as its checks see it: its template, data and sample, and where each is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from runtime.config.model.tools import WidgetTool
from runtime.config.model.widgets import PythonWidget, SectionsWidget, TemplateWidget, Widget, WidgetAction
from runtime.config.references import WIDGET_SUFFIXES
from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.documents.json_text import JsonText, TextSpan, line_and_column
from runtime.documents.variables import Interpolation
from runtime.json_schema.data import TreeError
from runtime.validation.checked_project import CheckedProject
from runtime.widgets.forms import split_template

SourceRange = tuple[Place, int]
"""A place, and the number of characters from there."""


@dataclass(frozen=True, slots=True)
class ConfigDocument:
    """The value at `at` in agents.yaml."""

    filled: Interpolation
    at: KeyPath

    def value(self, path: KeyPath) -> SourceRange:
        """Return the range of the value at `path`, or of its nearest parent."""
        places = self.filled.source.places
        return places.value((*self.at, *path)), places.length((*self.at, *path))

    def key(self, path: KeyPath) -> SourceRange:
        """Return the range of the key at `path`, or of the value if there is no key."""
        places, whole = self.filled.source.places, (*self.at, *path)
        if places.written(whole) != whole:
            return self.value(path)
        return places.key(whole), places.key_length(whole)

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""
        whole = (*self.at, *path)
        if whole in self.filled.strings:  # variables are filled in: the text differs from the file
            return self.value(path)[0]
        return self.filled.source.places.inside(whole, line, column)


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """The value at `at` in a JSON text, a file or a string in one; `place` is called with a line and column of it."""

    text: JsonText
    place: Callable[[int, int], Place]
    at: KeyPath = ()

    def value(self, path: KeyPath) -> SourceRange:
        """Return the range of the value at `path`, or of its nearest parent."""
        return self._range(self.text.span((*self.at, *path)))

    def key(self, path: KeyPath) -> SourceRange:
        """Return the range of the key at `path`, or of the value if there is no key."""
        return self._range(self.text.key((*self.at, *path)))

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""
        whole = (*self.at, *path)
        before = self.text.string(whole).split("\n")[: max(line - 1, 0)]
        index = sum(len(part) + 1 for part in before) + max(column - 1, 0)
        return self._place(self.text.inside(whole, index))

    def _range(self, span: TextSpan) -> SourceRange:
        written = self.text.text[span.start : span.end]
        width = 1 if "\n" in written or written[:1] in "{[" else max(1, len(written))
        return self._place(span.start), width

    def _place(self, offset: int) -> Place:
        return self.place(*line_and_column(self.text.text, offset))


Document = ConfigDocument | JsonDocument


@dataclass(frozen=True, slots=True)
class Part:
    """A value of a widget, and the document with its positions."""

    value: Any
    document: Document

    def at(self, key: str, value: Any) -> Part:
        """Return the part that is `value`, at a key of this one."""
        return Part(value, replace(self.document, at=(*self.document.at, key)))


@dataclass(slots=True)
class CheckedWidget:
    """A widget: its path `at` in agents.yaml, the JSON `root` of its template, and `inner`, the root without a wrapper.

    `root` is None if Python renders the widget. `has_own_sample`: the sample is the project's, rather than that of an
    editor, so it must render. `is_broken`: rendering would only repeat a diagnostic. `is_unsatisfiable`: no data
    matches the schema. `trees` are the component trees with its actions, `open_ranges` the offsets in the text of a
    `.widget` file that belong to no tree, `loop_names` the names that directives bind.
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
    has_own_sample: bool = False
    is_broken: bool = False
    is_unsatisfiable: bool = False
    trees: list[Part] = field(default_factory=list)
    open_ranges: tuple[tuple[int, int], ...] = ()
    loop_names: frozenset[str] = frozenset()

    def report(
        self,
        code: str,
        source_range: SourceRange,
        message: str,
        hint: str = "",
        *,
        severity: Severity = "error",
        part: Part | None = None,
        path: KeyPath = (),
    ) -> None:
        """Report a mistake at a range, which is that of `path` in a `part`, if agents.yaml contains the part."""
        collector = self.project.collector
        in_config = part is not None and isinstance(part.document, ConfigDocument)
        whole = (*part.document.at, *path) if part is not None and in_config else self.at
        at = collector.filled.source.places.written(whole)
        if not collector.filled.is_unresolved(at):
            place, length = source_range
            collector.diagnostics.append(Diagnostic(code, message, place, severity, hint, path_text(at), length))


def read_widgets(project: CheckedProject) -> Iterator[CheckedWidget]:
    """Yield every widget of a project, including files that only a tool or an action names."""
    for name, declared in project.config.widgets.items():
        yield from _read(project, name, ("widgets", name), declared)
    seen: set[str] = set()
    for section in ("tools", "actions"):
        for key, entry in getattr(project.config, section).items():
            named = entry.widget if isinstance(entry, WidgetTool | WidgetAction) else ""
            if named.endswith(WIDGET_SUFFIXES) and named not in project.config.widgets and named not in seen:
                seen.add(named)
                yield from _read(project, named, (section, key, "widget"), TemplateWidget(template=named))


def _read(project: CheckedProject, name: str, at: KeyPath, declared: Widget) -> Iterator[CheckedWidget]:
    entry = Part(None, ConfigDocument(project.collector.filled, at))
    widget = CheckedWidget(
        project=project,
        name=name,
        at=at,
        kind="python",
        root=None,
        inner=entry,
        data=entry.at("data", declared.data),
        sample=entry.at("sample", declared.sample),
        copy_text=entry.at("copy_text", declared.copy_text),
        has_own_sample=declared.sample is not None,
    )
    match declared:
        case PythonWidget():
            yield widget
        case SectionsWidget():
            root = declared.model_dump(include={"type", "title", "sections"}, exclude_none=True)
            widget.kind, widget.root, widget.inner = "sections", root, Part(root, entry.document)
            yield widget
        case TemplateWidget():
            written = _template(project, declared.template, entry)
            if written is not None:
                _split(widget, written)
                yield widget


def _template(project: CheckedProject, template: str | dict[str, Any], entry: Part) -> Part | None:
    """Return the JSON of a template; None if loading the config has reported its file."""
    if not isinstance(template, str):
        return entry.at("template", template)
    text = project.files.read(template)
    if isinstance(text, Diagnostic):
        return None
    try:
        return Part(json.loads(text), JsonDocument(JsonText(text), partial(Place, template)))
    except (ValueError, RecursionError):
        return None


def _split(widget: CheckedWidget, written: Part) -> None:
    widget.root, widget.inner = written.value, written
    parts = split_template(written.value)
    for fault in parts.errors:
        report_shape(widget, written, fault)
    widget.is_broken = bool(parts.errors)
    widget.kind = parts.kind
    widget.inner = written.at("widget", parts.inner) if parts.inner_path else Part(parts.inner, written.document)
    beside = {**parts.extras, **(parts.inner if parts.kind == "sections" else {})}
    for name in ("data", "sample", "copy_text"):
        if getattr(widget, name).value is None and beside.get(name) is not None:
            is_inside = parts.kind == "sections" and name in parts.inner
            setattr(widget, name, (widget.inner if is_inside else written).at(name, beside[name]))
            widget.has_own_sample |= name == "sample"
    if parts.kind == "studio" and not widget.data.value and isinstance(parts.inner.get("jsonSchema"), dict):
        widget.data = widget.inner.at("jsonSchema", parts.inner["jsonSchema"] or None)


def report_shape(widget: CheckedWidget, part: Part, error: TreeError) -> None:
    """Report that a file, or the shorthand in it, is malformed (A411)."""
    source_range = part.document.key(error.path) if error.kind == "unknown" else part.document.value(error.path)
    widget.report("A411", source_range, error.message, error.hint, part=part, path=error.path)
