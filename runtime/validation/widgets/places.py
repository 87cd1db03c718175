"""Where the parts of a widget's template stand: in agents.yaml, in a file of its own, or in a text inside of that.

Each kind of document answers the same questions, so that a check need not know how a widget is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from runtime.diagnostics.diagnostic import Place
from runtime.diagnostics.key_path import KeyPath
from runtime.documents.json_text import JsonText, TextSpan
from runtime.documents.variables import Interpolation

Spot = tuple[Place, int]
"""A place and how many characters there are meant."""


class Document(Protocol):
    """A value and the places of what stands in it."""

    def value(self, path: KeyPath) -> Spot:
        """Return where the value at `path` stands, or its nearest parent."""

    def key(self, path: KeyPath) -> Spot:
        """Return where the key that leads to `path` stands, or the nearest thing to it."""

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""


@dataclass(frozen=True, slots=True)
class ConfigDocument:
    """A value of agents.yaml: the one at `at`."""

    filled: Interpolation
    at: KeyPath

    def value(self, path: KeyPath) -> Spot:
        """Return where the value at `path` stands, or its nearest parent."""
        places = self.filled.source.places
        return places.value((*self.at, *path)), places.length((*self.at, *path))

    def key(self, path: KeyPath) -> Spot:
        """Return where the key that leads to `path` stands, or the nearest thing to it."""
        places, whole = self.filled.source.places, (*self.at, *path)
        if places.written(whole) != whole:
            return self.value(path)
        return places.key(whole), places.key_length(whole)

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""
        whole = (*self.at, *path)
        if whole in self.filled.strings:  # with a variable filled in, the text is not the one in the file
            return self.value(path)[0]
        return self.filled.source.places.inside(whole, line, column)


@dataclass(frozen=True, slots=True)
class FileDocument:
    """A JSON file: the value at `at` in it."""

    file: str
    text: JsonText
    at: KeyPath = ()

    def value(self, path: KeyPath) -> Spot:
        """Return where the value at `path` stands, or its nearest parent."""
        return self._spot(self.text.span((*self.at, *path)))

    def key(self, path: KeyPath) -> Spot:
        """Return where the key that leads to `path` stands, or the nearest thing to it."""
        return self._spot(self.text.key((*self.at, *path)))

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""
        whole = (*self.at, *path)
        index = _index(self.text.string(whole), line, column)
        return Place(self.file, *self.text.line_and_column(self.text.inside(whole, index)))

    def _spot(self, span: TextSpan) -> Spot:
        return Place(self.file, *self.text.line_and_column(span.start)), _width(self.text.text, span)


@dataclass(frozen=True, slots=True)
class TextDocument:
    """A text that is JSON itself, such as the template of a `.widget` file; it stands at `at` of the `outer` one."""

    outer: Document
    at: KeyPath
    text: JsonText

    def value(self, path: KeyPath) -> Spot:
        """Return where the value at `path` stands, or its nearest parent."""
        return self._spot(self.text.span(path))

    def key(self, path: KeyPath) -> Spot:
        """Return where the key that leads to `path` stands, or the nearest thing to it."""
        return self._spot(self.text.key(path))

    def inside(self, path: KeyPath, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) within the text at `path`."""
        index = self.text.inside(path, _index(self.text.string(path), line, column))
        return self.outer.inside(self.at, *self.text.line_and_column(index))

    def _spot(self, span: TextSpan) -> Spot:
        place = self.outer.inside(self.at, *self.text.line_and_column(span.start))
        return place, _width(self.text.text, span)


def moved(document: Document, at: KeyPath) -> Document:
    """Return the part of a document at `at`."""
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
