"""What is certain of a `.widget` file's text before it is filled in: its components, and where they stand in it.

Whatever a template makes stands for one value, or, among the items of a list, for any number of them. It becomes a
string of the same length, so that all else stands where it stood.
"""

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
from runtime.widgets.studio import parse_studio

_OPEN = re.compile(r"\{\{|\{%|\{#")
_CLOSE = {"{{": "}}", "{%": "%}", "{#": "#}"}
_WORD = re.compile(r"[-+]?\s*(\w*)")
_ASSIGNED = re.compile(r"[-+]?\s*set\b[^=]*=")
_SIGN = re.compile(r'\\.|["{}\[\],:]|[^\s"\\{}\[\],:]+', re.DOTALL)
_PAIRS = {"}": "{", "]": "["}
_HOLE = 2
_ASKS = {"defined", "undefined"}


@dataclass(frozen=True, slots=True)
class TextStructure:
    """The `tree` of a text whose templates are values: each stands in it as the text it is; and the `places` in it.

    `open` are the stretches of the text that data decides about: what stands there is not in the tree.
    """

    tree: Any
    places: JsonText
    open: tuple[tuple[int, int], ...]


class _NoSkeleton(RuntimeFault):
    """The text's templates make more of it than values."""


def read_structure(text: str) -> TextStructure | None:
    """Return what a text is by structure; None where its templates make more of it than values."""
    reader = _Reader(text)
    try:
        reader.read()
        level = "".join(reader.out)
        tree, places = json.loads(level), JsonText(level)
        found = _restore(tree, (), places, reader)
    except (_NoSkeleton, ValueError, RecursionError):
        return None
    return TextStructure(found, places, tuple(reader.open))


@dataclass(slots=True)
class _Branch:
    """What stands between two statements: it must be whole, so that what follows doesn't depend on it."""

    in_string: bool
    opened: list[str] = field(default_factory=list)


class _Reader:
    """Goes through a text once, and writes it anew with strings in place of its templates."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.out: list[str] = []
        self.slots: dict[int, str] = {}
        """What stands for the value that begins at an offset."""
        self.holes: set[int] = set()
        """Where a key stands that isn't one: more may be known of its object once it is filled in."""
        self.open: list[tuple[int, int]] = []
        self._branches = [_Branch(False)]
        self._in_string = False
        self._string_start = 0
        self._is_filled = False
        self._last = ""
        self._group_start = 0

    def read(self) -> None:
        position = 0
        while found := _OPEN.search(self.text, position):
            self._read_text(position, found.start())
            position = self.text.find(_CLOSE[found[0]], found.end()) + 2
            if position < found.end():
                raise _NoSkeleton
            self._read_template(found[0], found.start(), position)
        self._read_text(position, len(self.text))
        if self._in_string or len(self._branches) > 1:
            raise _NoSkeleton

    def _read_text(self, start: int, end: int) -> None:
        if len(self._branches) == 1:
            self.out.append(self.text[start:end])
        for found in _SIGN.finditer(self.text, start, end):
            self._read_sign(found[0], found.start())

    def _read_sign(self, sign: str, offset: int) -> None:
        opened = self._branches[-1].opened
        if sign == '"':
            self._read_quote(offset)
        elif self._in_string:
            return
        elif sign in "{[":
            opened.append(sign)
        elif sign in _PAIRS and (not opened or opened.pop() != _PAIRS[sign]):
            raise _NoSkeleton
        if len(self._branches) == 1 and not self._in_string:
            self._last = sign

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
            self._write(start, end, _HOLE if self._in_string else 1)
        elif self._in_string:
            raise _NoSkeleton
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
            case "set" if _ASSIGNED.match(self.text, start + 2) and not self._in_string:
                if len(self._branches) == 1:
                    self.out.append(" " * (end - start))
            case _:
                raise _NoSkeleton

    def _end_branch(self) -> None:
        branch = self._branches.pop()
        if branch.opened or branch.in_string != self._in_string or not self._branches:
            raise _NoSkeleton

    def _write(self, start: int, end: int, values: int) -> None:
        """Write what stands for a template: `values` is 1 where it makes one value, 0 where perhaps none."""
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
        rest = _SIGN.search(self.text, end)
        return rest[0] if rest else ""


def _restore(node: Any, path: KeyPath, places: JsonText, reader: _Reader) -> Any:
    """Put the templates back in place of what stands for them."""
    span = places.span(path)
    if isinstance(node, dict):
        keys = [places.key((*path, key)).start for key in node]
        if any(key in reader.holes or key in reader.slots for key in keys):
            reader.open.append((span.start, span.end))
            return "{{ }}"
        return {key: _restore(value, (*path, key), places, reader) for key, value in node.items()}
    if isinstance(node, list):
        return [_restore(value, (*path, index), places, reader) for index, value in enumerate(node)]
    return reader.slots.get(span.start, node)


def required_names(text: str) -> Iterator[str]:
    """Yield the names that a text that parses reads without asking whether they are there."""
    from runtime.templates.reads import find_names

    tree = parse_studio(text)
    asked = {
        name.name
        for test in tree.find_all((nodes.Test, nodes.Filter))
        if test.name in _ASKS or test.name in ("default", "d")
        for name in test.find_all(nodes.Name)
    }
    yield from sorted(find_names(tree) - asked)
