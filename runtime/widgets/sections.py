"""The `sections` shorthand: tables, facts, pictures and text, compiled to the components of a ChatKit card."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from runtime.config.model.widgets import (
    CardSection,
    ImageSection,
    MetadataSection,
    SectionsWidget,
    TableSection,
    TextSection,
)
from runtime.diagnostics.key_path import KeyPath, show_path
from runtime.diagnostics.wording import suggest
from runtime.json_schema.data import DataCheck, Fault, TreeError, show_value
from runtime.widgets.tree import Scope, TreeTemplate

Node = dict[str, Any]
_EMPTY = "—"
_PAIR = ("key", "value")


class SectionsTemplate:
    """A card of sections; `names` maps every free name in its templates to the path of its first use."""

    def __init__(self, widget: SectionsWidget, faults: list[TreeError] | None = None) -> None:
        """Parse the templates; raises TreeError with the path of a mistake, or appends every mistake to `faults`."""
        self._title = TreeTemplate(widget.title, ("title",), faults)
        sections = enumerate(widget.sections)
        self._sections = [_Section(section, ("sections", index), faults) for index, section in sections]
        self._parts = parts = [self._title, *(template for section in self._sections for template in section.templates)]
        self.names = {name: where for part in reversed(parts) for name, where in part.names.items()}

    def compile(self) -> None:
        """Compile every text; raises TemplateError."""
        for part in self._parts:
            part.compile()

    def render(self, scope: Scope) -> Node:
        """Return the card as a component tree; raises TreeError with the path of what fails."""
        return _card(self._title.render(scope), (section.render(scope) for section in self._sections))


class _Section:
    """One section: its heading and content as templates, and the function that lays them out."""

    def __init__(self, section: CardSection, path: KeyPath, faults: list[TreeError] | None) -> None:
        self._title = TreeTemplate(section.title, (*path, "title"), faults)
        self._path = path
        content, inside, self._lay_out = _content_of(section)
        parse = _pairs_template if isinstance(section, TableSection | MetadataSection) else TreeTemplate
        self._content: TreeTemplate = parse(content, (*path, *inside), faults)
        self.templates = (self._title, self._content)

    def render(self, scope: Scope) -> list[Node]:
        """Return the heading and the content, or nothing where there is no content."""
        return _with_heading(self._title.render(scope), self._lay_out(self._content.render(scope), self._path))


def lay_out_sections(written: Mapping[str, Any], start: KeyPath = ()) -> Node:
    """Return the card of a shorthand whose texts are final, so that no template in them is rendered.

    Raise TreeError with the path of a mistake, below `start`. Rows and facts may also be an object, as those that a
    template returns.
    """
    widget = read_sections(with_pairs(written), start)

    def shown() -> Iterator[list[Node]]:
        for index, section in enumerate(widget.sections):
            content, _, lay_out = _content_of(section)
            yield _with_heading(section.title, lay_out(content, (*start, "sections", index)))

    return _card(widget.title, shown())


def with_pairs(written: Mapping[str, Any]) -> Node:
    """Return a shorthand whose rows and facts are lists, also where they were objects."""
    sections = written.get("sections")
    listed = {"sections": [_with_pairs(each) for each in sections]} if isinstance(sections, list) else {}
    return {**written, **listed}


def _with_pairs(section: Any) -> Any:
    """Return a section whose rows or facts are a list, also if they were an object."""
    name = {"table": "rows", "metadata": "items"}.get(str(section.get("type"))) if isinstance(section, dict) else None
    if name is None or not isinstance(section.get(name), dict):
        return section
    return {**section, name: [{"key": key, "value": value} for key, value in section[name].items()]}


_LayOut = Callable[[Any, KeyPath], list[Node]]


def _content_of(section: CardSection) -> tuple[Any, KeyPath, _LayOut]:
    """Return the content of a section, its path in the section, and the function that lays it out."""
    match section:
        case TableSection():
            return section.rows, ("rows",), _table
        case MetadataSection():
            return section.items, ("items",), _metadata
        case ImageSection():
            return {"src": section.src, "alt": section.alt}, (), _image
        case TextSection():
            return section.text, ("text",), _markdown


def _card(title: Any, sections: Iterable[list[Node]]) -> Node:
    """Return the card; a section without nodes is omitted."""
    children: list[Node] = []
    if text := _text(title):
        children.append({"type": "Title", "value": text, "size": "sm"})
    for shown in sections:
        if shown and children:
            children.append({"type": "Divider"})
        children += [{"type": "Col", "gap": 2, "children": shown}] if shown else []
    return {"type": "Card", "size": "md", "children": children}


def _with_heading(title: Any, content: list[Node]) -> list[Node]:
    heading = _text(title)
    if not content or not heading:
        return content
    return [{"type": "Text", "value": heading, "size": "sm", "weight": "semibold"}, *content]


def _pairs_template(written: str | list[dict[str, Any]], path: KeyPath, faults: list[TreeError] | None) -> TreeTemplate:
    wrong = list(_wrong_pairs(written, path))
    if wrong and faults is None:
        raise wrong[0]
    if faults is not None:
        faults += wrong
    return TreeTemplate(written, path, faults)


def _wrong_pairs(written: str | list[dict[str, Any]], path: KeyPath) -> Iterator[TreeError]:
    if isinstance(written, list):
        for index, pair in enumerate(written):
            yield from _wrong_pair(pair, (*path, index))
    elif "{{" not in written:
        yield TreeError(path, f"expected a list or a template that gives one, got {show_value(written)}")


def _wrong_pair(pair: Any, path: KeyPath) -> Iterator[TreeError]:
    if not isinstance(pair, Mapping):
        yield TreeError(path, f"expected {{key, value}}, got {show_value(pair)}")
        return
    if any(key.startswith("$") for key in pair):
        return
    for key in pair:
        if key not in _PAIR:
            yield TreeError((*path, key), f"unknown key {key!r}", hint=suggest(key, _PAIR), kind="unknown")
    for key in _PAIR:
        if key not in pair:
            yield TreeError((*path, key), f"missing key {key!r}", kind="missing")


def _pairs(content: Any, path: KeyPath) -> Iterator[tuple[str, str]]:
    """Read the rows of a section: a list of {key, value}, or an object with a row for each of its keys."""
    rows = [{"key": key, "value": value} for key, value in content.items()] if isinstance(content, dict) else content
    if not isinstance(rows, list | None):
        raise TreeError(path, f"expected a list of {{key, value}}, got {show_value(content)}")
    for index, row in enumerate(rows or []):
        if not isinstance(row, dict) or not all(key in row for key in _PAIR):
            raise TreeError((*path, index), f"expected {{key, value}}, got {show_value(row)}")
        yield _text(row["key"]), _text(row["value"]) or _EMPTY


def _table(content: Any, path: KeyPath) -> list[Node]:
    rows: list[Node] = []
    for key, value in _pairs(content, (*path, "rows")):
        if rows:
            rows.append({"type": "Divider", "color": "subtle"})
        rows.append(_table_row(key, value))
    return [{"type": "Col", "gap": 2, "children": rows}] if rows else []


def _table_row(key: str, value: str) -> Node:
    label: Node = {"type": "Text", "value": key, "size": "sm", "color": "secondary"}
    shown: Node = {"type": "Text", "value": value, "size": "sm", "weight": "medium", "textAlign": "end"}
    return {"type": "Row", "justify": "between", "align": "start", "gap": 4, "children": [label, shown]}


def _metadata(content: Any, path: KeyPath) -> list[Node]:
    facts: list[Node] = []
    for key, value in _pairs(content, (*path, "items")):
        label: Node = {"type": "Caption", "value": key, "color": "secondary"}
        facts.append({"type": "Col", "gap": 1, "children": [label, {"type": "Text", "value": value, "size": "sm"}]})
    return [{"type": "Row", "wrap": "wrap", "align": "start", "gap": 4, "children": facts}] if facts else []


def _image(content: Any, path: KeyPath) -> list[Node]:
    source, alt = content["src"], content["alt"]
    if not source:
        return []
    if not isinstance(source, str):
        raise TreeError((*path, "src"), f"expected an address, got {show_value(source)}")
    shown: Node = {"type": "Image", "src": source, "fit": "contain", "radius": "md", "width": "100%", "maxHeight": 320}
    return [shown | {"alt": _text(alt)} if alt else shown]


def _markdown(content: Any, _: KeyPath) -> list[Node]:
    text = _text(content)
    return [{"type": "Markdown", "value": text}] if text else []


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_sections(written: Mapping[str, Any], start: KeyPath = ()) -> SectionsWidget:
    """Read the shorthand from a mapping; raises TreeError with the path of a mistake, below `start`."""
    value = {"type": "sections", **written}
    if problem := _shape().problem(value, start=show_path(start)):
        raise TreeError((), problem)
    return SectionsWidget.model_validate(value)


def sections_faults(written: Mapping[str, Any]) -> list[Fault]:
    """Return the mistakes for which `read_sections` would raise."""
    return _shape().faults({"type": "sections", **written})


@functools.cache
def _shape() -> DataCheck:
    return DataCheck(SectionsWidget.model_json_schema(), trusted=True)
