"""A widget as its checks see it: its template, data and sample, and where each is written.

A part of a widget is in agents.yaml, in a JSON file, or in a text inside of a JSON file: `Document` has one interface
for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from runtime.config.model.tools import WidgetTool
from runtime.config.model.widgets import PythonWidget, SectionsWidget, TemplateWidget, Widget, WidgetAction
from runtime.config.references import WIDGET_SUFFIXES
from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.documents.json_text import JsonText, TextSpan
from runtime.documents.variables import Interpolation
from runtime.json_schema.data import TreeError
from runtime.validation.checked_project import CheckedProject
from runtime.widgets.forms import split_template

SourceRange = tuple[Place, int]
"""A place, and the number of characters from there."""


class Document(Protocol):
    """A JSON value whose positions are known."""

    def value(self, path: KeyPath) -> SourceRange:
        """Return the range of the value at `path`, or of its nearest parent."""

    def key(self, path: KeyPath) -> SourceRange:
        """Return the range of the key at `path`, or of the value if there is no key."""

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""


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
class FileDocument:
    """The value at `at` in a JSON file."""

    file: str
    text: JsonText
    at: KeyPath = ()

    def value(self, path: KeyPath) -> SourceRange:
        """Return the range of the value at `path`, or of its nearest parent."""
        return self._spot(self.text.span((*self.at, *path)))

    def key(self, path: KeyPath) -> SourceRange:
        """Return the range of the key at `path`, or of the value if there is no key."""
        return self._spot(self.text.key((*self.at, *path)))

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""
        whole = (*self.at, *path)
        index = _index(self.text.string(whole), line, column)
        return Place(self.file, *self.text.line_and_column(self.text.inside(whole, index)))

    def _spot(self, span: TextSpan) -> SourceRange:
        return Place(self.file, *self.text.line_and_column(span.start)), _width(self.text.text, span)


@dataclass(frozen=True, slots=True)
class TextDocument:
    """A string that is JSON itself, such as the template of a `.widget` file, at `at` of the `outer` document."""

    outer: Document
    at: KeyPath
    text: JsonText

    def value(self, path: KeyPath) -> SourceRange:
        """Return the range of the value at `path`, or of its nearest parent."""
        return self._spot(self.text.span(path))

    def key(self, path: KeyPath) -> SourceRange:
        """Return the range of the key at `path`, or of the value if there is no key."""
        return self._spot(self.text.key(path))

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""
        index = self.text.inside(path, _index(self.text.string(path), line, column))
        return self.outer.inside(self.at, *self.text.line_and_column(index))

    def _spot(self, span: TextSpan) -> SourceRange:
        place = self.outer.inside(self.at, *self.text.line_and_column(span.start))
        return place, _width(self.text.text, span)


def part_at(document: Document, at: KeyPath) -> Document:
    """Return the document of the value at `at`."""
    if isinstance(document, ConfigDocument):
        return ConfigDocument(document.filled, (*document.at, *at))
    if isinstance(document, FileDocument):
        return FileDocument(document.file, document.text, (*document.at, *at))
    return document


def _width(text: str, span: TextSpan) -> int:
    written = text[span.start : span.end]
    return 1 if "\n" in written or written[:1] in "{[" else max(1, len(written))


def _index(text: str, line: int, column: int) -> int:
    before = text.split("\n")[: max(line - 1, 0)]
    return sum(len(part) + 1 for part in before) + max(column - 1, 0)


@dataclass(frozen=True, slots=True)
class Part:
    """A value of a widget, and the document with its positions."""

    value: Any
    document: Document


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
        path: KeyPath = (),
    ) -> None:
        """Report a mistake at a range; `path` is the path below `at`, where agents.yaml has such a value."""
        collector = self.project.collector
        at = collector.filled.source.places.written((*self.at, *path))
        if not collector.filled.is_unresolved(at):
            place, length = source_range
            collector.diagnostics.append(Diagnostic(code, message, place, severity, hint, path_text(at), length))

    def path_in_config(self, part: Part, path: KeyPath) -> KeyPath:
        """Return the path below `at` of a value in a part that agents.yaml contains, else `()`."""
        document = part.document
        return (*document.at, *path)[len(self.at) :] if isinstance(document, ConfigDocument) else ()


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
    document = ConfigDocument(project.collector.filled, at)
    widget = CheckedWidget(
        project=project,
        name=name,
        at=at,
        kind="python",
        root=None,
        inner=Part(None, document),
        data=Part(declared.data, part_at(document, ("data",))),
        sample=Part(declared.sample, part_at(document, ("sample",))),
        copy_text=Part(declared.copy_text, part_at(document, ("copy_text",))),
        has_own_sample=declared.sample is not None,
    )
    match declared:
        case PythonWidget():
            yield widget
        case SectionsWidget():
            root = declared.model_dump(include={"type", "title", "sections"}, exclude_none=True)
            widget.kind, widget.root, widget.inner = "sections", root, Part(root, document)
            yield widget
        case TemplateWidget():
            written = _template(project, declared.template, part_at(document, ("template",)))
            if written is not None:
                _split(widget, written)
                yield widget


def _template(project: CheckedProject, template: str | dict[str, Any], document: Document) -> Part | None:
    """Return the JSON of a template; None if loading the config has reported its file."""
    if not isinstance(template, str):
        return Part(template, document)
    text = project.files.read(template)
    if isinstance(text, Diagnostic):
        return None
    try:
        return Part(json.loads(text), FileDocument(template, JsonText(text)))
    except (ValueError, RecursionError):
        return None


def _split(widget: CheckedWidget, written: Part) -> None:
    widget.root, widget.inner = written.value, written
    parts = split_template(written.value)
    for fault in parts.errors:
        report_shape(widget, written, fault)
    widget.is_broken = bool(parts.errors)
    widget.kind = parts.kind
    widget.inner = Part(parts.inner, part_at(written.document, parts.inner_path))
    beside = {**parts.extras, **(parts.inner if parts.kind == "sections" else {})}
    own = written.document if parts.extras else widget.inner.document
    for name in ("data", "sample", "copy_text"):
        if getattr(widget, name).value is None and beside.get(name) is not None:
            inside = parts.kind == "sections" and name in parts.inner
            document = part_at(widget.inner.document if inside else own, (name,))
            setattr(widget, name, Part(beside[name], document))
            widget.has_own_sample |= name == "sample"
    if parts.kind == "studio" and not widget.data.value and isinstance(parts.inner.get("jsonSchema"), dict):
        widget.data = Part(parts.inner["jsonSchema"] or None, part_at(widget.inner.document, ("jsonSchema",)))


def report_shape(widget: CheckedWidget, part: Part, error: TreeError) -> None:
    """Report that a file, or the shorthand in it, is malformed (A411)."""
    source_range = part.document.key(error.path) if error.kind == "unknown" else part.document.value(error.path)
    widget.report("A411", source_range, error.message, error.hint, path=widget.path_in_config(part, error.path))
