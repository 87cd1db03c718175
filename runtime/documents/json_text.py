"""The positions of keys and values in a JSON text that `json` has read already.

Not read by the YAML parser, which rejects valid JSON: U+0085, U+2028 and control characters in strings, halves of
surrogate pairs, keys of over 1,024 characters, and duplicate keys, of which `json` returns the last.
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
class TextSpan:
    """The offsets of a value, from `start` to before `end`; `key` are those of its key, if it has one."""

    start: int
    end: int
    key: tuple[int, int] | None = None


class JsonText:
    """The positions in one JSON text, by path; a path that does not exist has those of its nearest parent."""

    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def _spans(self) -> dict[KeyPath, TextSpan]:
        return dict(_scan(self.text))

    def span(self, path: KeyPath) -> TextSpan:
        """Return the position of the value at `path`."""
        while path and path not in self._spans:
            path = path[:-1]
        return self._spans.get(path, TextSpan(0, 1))

    def key(self, path: KeyPath) -> TextSpan:
        """Return the position of the key of `path`, or of the value if there is no key."""
        span = self.span(path)
        return TextSpan(*span.key) if span.key and path in self._spans else span

    def string(self, path: KeyPath) -> str:
        """Return the string at `path`; empty if there is none."""
        span = self._spans.get(path)
        return _read(self.text[span.start : span.end]) if span and self.text[span.start] == '"' else ""

    def inside(self, path: KeyPath, index: int) -> int:
        """Return the offset in the text of the character with this index in the string at `path`."""
        span = self.span(path)
        if path not in self._spans or self.text[span.start : span.start + 1] != '"':
            return span.start
        for number, offset in enumerate(_characters(self.text, span.start + 1, span.end - 1)):
            if number == index:
                return offset
        return span.end - 1


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column of an offset in a text, both from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _characters(text: str, start: int, end: int) -> Iterator[int]:
    """Yield the offset of each character of a string; a surrogate pair is one character."""
    is_low_half = False
    for match in _ESCAPE.finditer(text, start, end):
        if is_low_half:
            is_low_half = False
            continue
        yield match.start()
        is_low_half = match[1] is not None and 0xD800 <= int(match[1], 16) < 0xDC00


def _scan(text: str) -> Iterator[tuple[KeyPath, TextSpan]]:
    """Yield the path and position of every value; of a duplicate key, the last counts, as in `json`."""
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
            yield tuple(path), TextSpan(opened.pop(), token.end(), keys.pop())
            key = None
        elif sign == ",":
            if isinstance(step := path[-1], int):
                path[-1] = step + 1
        elif sign != ":":
            if path and isinstance(path[-1], str) and key is None:
                key = (token.start(), token.end())
                path[-1] = _read(sign)
                continue
            yield tuple(path), TextSpan(token.start(), token.end(), key)
            key = None


def _read(string: str) -> str:
    try:
        return str(json.loads(string, strict=False))
    except ValueError:
        return string[1:-1]
