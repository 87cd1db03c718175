"""Where the keys and values of a JSON text stand, so that a mistake in a template's file is shown at its place.

The text has been read by `json` before: only positions are of interest here.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from runtime.diagnostics.key_path import KeyPath

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """What stands from `start` to `end` in the text; `key` is where the key that leads to it is, for what has one."""

    start: int
    end: int
    key: tuple[int, int] | None = None


class JsonText:
    """The positions in one JSON text, by path; a path that isn't there has those of its nearest parent."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def _spans(self) -> dict[KeyPath, Span]:
        return dict(_scan(self.text))

    def span(self, path: KeyPath) -> Span:
        """Return where the value at `path` stands."""
        while path and path not in self._spans:
            path = path[:-1]
        return self._spans.get(path, Span(0, 1))

    def key(self, path: KeyPath) -> Span:
        """Return where the key that leads to `path` stands, or the value where there is none."""
        found = self.span(path)
        return Span(*found.key) if found.key and path in self._spans else found

    def string(self, path: KeyPath) -> str:
        """Return the text that stands at `path`; empty where there is none."""
        span = self._spans.get(path)
        return _read(self.text[span.start : span.end]) if span and self.text[span.start] == '"' else ""

    def inside(self, path: KeyPath, index: int) -> int:
        """Return where in the text the character with this index of the string at `path` is written."""
        span = self.span(path)
        if path not in self._spans or self.text[span.start : span.start + 1] != '"':
            return span.start
        for count, offset in enumerate(_characters(self.text, span.start + 1, span.end - 1)):
            if count == index:
                return offset
        return span.end - 1

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Return a place in the text as people count, from 1."""
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)


def _characters(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where each character of a string's value begins; one may be written as two escapes."""
    is_low_half = False
    for found in _ESCAPE.finditer(text, start, end):
        if is_low_half:
            is_low_half = False
            continue
        yield found.start()
        is_low_half = found[1] is not None and 0xD800 <= int(found[1], 16) < 0xDC00


def _scan(text: str) -> Iterator[tuple[KeyPath, Span]]:
    """Yield the path and position of every value; of a key that stands twice, the last counts, as in `json`."""
    path: list[str | int] = []
    opened: list[int] = []
    keys: list[tuple[int, int] | None] = []
    key: tuple[int, int] | None = None
    tokens = _TOKEN.finditer(text)
    for token in tokens:
        sign = token[0]
        if sign in ("{", "["):
            opened.append(token.start())
            keys.append(key)
            path.append(0 if sign == "[" else "")
            key = None
        elif sign in ("}", "]"):
            path.pop()
            yield tuple(path), Span(opened.pop(), token.end(), keys.pop())
            key = None
        elif sign == ",":
            if isinstance(step := path[-1], int):
                path[-1] = step + 1
        elif sign != ":":
            if path and isinstance(path[-1], str) and key is None:
                key = (token.start(), token.end())
                path[-1] = _read(sign)
                continue
            yield tuple(path), Span(token.start(), token.end(), key)
            key = None


def _read(string: str) -> str:
    try:
        return str(json.loads(string, strict=False))
    except ValueError:
        return string[1:-1]
