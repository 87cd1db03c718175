"""The certain part of the component tree of a `.widget` file: each block becomes a string of the same length."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes

from runtime.diagnostics.key_path import KeyPath
from runtime.documents.json_text import JsonText
from runtime.errors import RuntimeFault
from runtime.widgets.studio import OPENING, parse_studio

_CLOSE = {"{{": "}}", "{%": "%}", "{#": "#}"}
_WORD = re.compile(r"[-+]?\s*(\w*)")
_ASSIGNMENT = re.compile(r"[-+]?\s*set\b[^=]*=")
_TOKEN = re.compile(r'\\.|["{}\[\],:]|[^\s"\\{}\[\],:]+', re.DOTALL)
_PAIRS = {"}": "{", "]": "["}
_EXISTENCE_TESTS = {"defined", "undefined"}


@dataclass(frozen=True, slots=True)
class TextStructure:
    """The `tree` of a text, with templates as values, its `places`, and the spans that are `open` until rendered."""

    tree: Any
    places: JsonText
    open: tuple[tuple[int, int], ...]


class _Unstructured(RuntimeFault):
    """The templates make more of the text than values."""


def read_structure(text: str) -> TextStructure | None:
    """Return the structure of a text; None where its templates make more of it than values."""
    reader = _Reader(text)
    try:
        reader.read()
        json_text = "".join(reader.out)
        tree, places = json.loads(json_text), JsonText(json_text)
        tree = _restore_templates(tree, (), places, reader)
    except (_Unstructured, ValueError, RecursionError):
        return None
    return TextStructure(tree, places, tuple(reader.open))


@dataclass(slots=True)
class _Branch:
    """The text between two statements: its brackets must match, so that the rest does not depend on the branch."""

    in_string: bool
    opened: list[str] = field(default_factory=list)


class _Reader:
    """Reads a text once, and writes it to `out` with strings in place of its templates."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.out: list[str] = []
        self.slots: dict[int, str] = {}
        """The templates, by the offset of the value that replaces each."""
        self.holes: set[int] = set()
        """The offsets of the keys that replace templates: rendering may add other keys to their objects."""
        self.open: list[tuple[int, int]] = []
        self._branches = [_Branch(False)]
        self._in_string = False
        self._string_start = 0
        self._is_filled = False
        self._last = ""
        self._group_start = 0

    def read(self) -> None:
        position = 0
        while opening := OPENING.search(self.text, position):
            self._read_text(position, opening.start())
            position = self.text.find(_CLOSE[opening[0]], opening.end()) + 2
            if position < opening.end():
                raise _Unstructured
            self._read_template(opening[0], opening.start(), position)
        self._read_text(position, len(self.text))
        if self._in_string or len(self._branches) > 1:
            raise _Unstructured

    def _read_text(self, start: int, end: int) -> None:
        if len(self._branches) == 1:
            self.out.append(self.text[start:end])
        for token in _TOKEN.finditer(self.text, start, end):
            self._read_token(token[0], token.start())

    def _read_token(self, token: str, offset: int) -> None:
        opened = self._branches[-1].opened
        if token == '"':
            self._read_quote(offset)
        elif self._in_string:
            return
        elif token in "{[":
            opened.append(token)
        elif token in _PAIRS and (not opened or opened.pop() != _PAIRS[token]):
            raise _Unstructured
        if len(self._branches) == 1 and not self._in_string:
            self._last = token

    def _read_quote(self, offset: int) -> None:
        self._in_string = not self._in_string
        if len(self._branches) > 1:
            return
        if self._in_string:
            self._string_start, self._is_filled = offset, False
        elif self._is_filled:
            self.slots[self._string_start] = self.text[self._string_start + 1 : offset]

    def _read_template(self, mark: str, start: int, end: int) -> None:
        if mark == "{%":
            self._read_statement(start, end)
        elif len(self._branches) > 1:
            return
        elif mark == "{{":
            self._write(start, end, 1)
        elif self._in_string:
            raise _Unstructured
        else:
            self.out.append(" " * (end - start))

    def _read_statement(self, start: int, end: int) -> None:
        word = _WORD.match(self.text, start + 2)
        match word[1] if word else "":
            case "if" | "for":
                if len(self._branches) == 1:
                    self._group_start = start
                self._branches.append(_Branch(self._in_string))
            case "elif" | "else":
                self._end_branch()
                self._branches.append(_Branch(self._in_string))
            case "endif" | "endfor":
                self._end_branch()
                if len(self._branches) == 1:
                    self._write(self._group_start, end, 0)
                    self.open.append((self._group_start, end))
            case "set" if _ASSIGNMENT.match(self.text, start + 2) and not self._in_string:
                if len(self._branches) == 1:
                    self.out.append(" " * (end - start))
            case _:
                raise _Unstructured

    def _end_branch(self) -> None:
        branch = self._branches.pop()
        if branch.opened or branch.in_string != self._in_string or not self._branches:
            raise _Unstructured

    def _write(self, start: int, end: int, values: int) -> None:
        """Write a string in place of a template: `values` is 1 where it makes one value, 0 where it may make none."""
        length = end - start
        if self._in_string:
            self._is_filled = True
            self.out.append("x" * length)
            return
        before, after, into = "", "", self._branches[0].opened[-1:]
        follows = self._follows(end)
        if self._last in ("{", ",") and into == ["{"]:
            before, after = "", ":0" + ("," if follows == '"' else "")
            self.holes.add(start)
        elif self._last in ("[", ",") and into == ["["]:
            after = "" if values or follows in ("]", ",") else ","
        elif self._last not in (":", "") and not values:
            before, after = ",", ":0" if into == ["{"] else ""
            self.holes |= {start + 1} if into == ["{"] else set()
        self.slots[start + len(before)] = self.text[start:end]
        self.out.append(f'{before}"{"x" * (length - 2 - len(before) - len(after))}"{after}')
        self._last = "," if after.endswith(",") else '"'

    def _follows(self, end: int) -> str:
        rest = _TOKEN.search(self.text, end)
        return rest[0] if rest else ""


def _restore_templates(node: Any, path: KeyPath, places: JsonText, reader: _Reader) -> Any:
    """Put the templates back in place of the strings that replaced them."""
    span = places.span(path)
    if isinstance(node, dict):
        keys = [places.key((*path, key)).start for key in node]
        if any(key in reader.holes or key in reader.slots for key in keys):
            reader.open.append((span.start, span.end))
            return "{{ }}"
        return {key: _restore_templates(value, (*path, key), places, reader) for key, value in node.items()}
    if isinstance(node, list):
        return [_restore_templates(value, (*path, index), places, reader) for index, value in enumerate(node)]
    return reader.slots.get(span.start, node)


def required_names(text: str) -> Iterator[str]:
    """Yield the names that a text reads without testing whether they are defined; the text must parse."""
    from runtime.templates.reads import find_names

    tree = parse_studio(text)
    tested = {
        name.name
        for test in tree.find_all((nodes.Test, nodes.Filter))
        if test.name in _EXISTENCE_TESTS or test.name in ("default", "d")
        for name in test.find_all(nodes.Name)
    }
    yield from sorted(find_names(tree) - tested)
