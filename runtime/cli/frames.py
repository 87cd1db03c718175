"""Draw diagnostics the way a good compiler does: where, what, the line itself with a caret, and the way out."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

from runtime.cli.plain import one_line
from runtime.diagnostics import Diagnostic

SHOWN_AT_MOST = 100
_WIDTH = 110
_BOLD, _DIM, _RESET = "\033[1m", "\033[2m", "\033[0m"
_COLOURS = {"error": "\033[1;31m", "warning": "\033[1;33m", "note": "\033[1;36m"}


def wants_colour(stream: TextIO) -> bool:
    """Tell whether colours belong on `stream`: on a terminal, unless NO_COLOR is set or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_diagnostics(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], stream: TextIO | None = None
) -> None:
    """Print a frame for each diagnostic, at most `SHOWN_AT_MOST`, to `stream` (standard error when left out)."""
    stream = stream or sys.stderr
    colour = wants_colour(stream)
    for diagnostic in diagnostics[:SHOWN_AT_MOST]:
        print(draw_frame(diagnostic, sources.get(diagnostic.place.file), colour=colour), file=stream)
    if len(diagnostics) > SHOWN_AT_MOST:
        print(f"… and {len(diagnostics) - SHOWN_AT_MOST} more", file=stream)


def draw_frame(diagnostic: Diagnostic, source: str | None, *, colour: bool = False) -> str:
    """Draw one diagnostic; `source` is the text of its file, for the line with the caret."""
    tint = _COLOURS[diagnostic.severity] if colour else ""
    bold, dim, reset = (_BOLD, _DIM, _RESET) if colour else ("", "", "")
    where = f"{dim} [{one_line(diagnostic.path)}]{reset}" if diagnostic.path else ""
    lines = [
        f"{bold}{one_line(str(diagnostic.place))}{reset}: {tint}{diagnostic.severity} {diagnostic.code}{reset}: "
        f"{bold}{one_line(diagnostic.message)}{reset}{where}"
    ]
    margin = 0
    if excerpt := _excerpt(diagnostic, source):
        text, indent, width = excerpt
        number = str(diagnostic.place.line)
        margin = len(number)
        lines.append(f"  {dim}{number} |{reset} {text}")
        lines.append(f"  {' ' * margin} {dim}|{reset} {' ' * indent}{tint}{'^' * width}{reset}")
    if diagnostic.hint:
        lines.append(f"  {' ' * margin} {dim}={reset} hint: {one_line(diagnostic.hint)}")
    return "\n".join(lines) + "\n"


def count(diagnostics: Sequence[Diagnostic]) -> str:
    """Sum up: `2 errors, 1 warning`, or `no errors`."""
    parts = []
    for severity in ("error", "warning", "note"):
        number = sum(diagnostic.severity == severity for diagnostic in diagnostics)
        if number:
            parts.append(f"{number} {severity}{'s' if number > 1 else ''}")
    return ", ".join(parts) or "no errors"


def _excerpt(diagnostic: Diagnostic, source: str | None) -> tuple[str, int, int] | None:
    """The source line as shown, how far the caret is indented, and how wide it is, in cells of the terminal."""
    line, column = diagnostic.place.line, diagnostic.place.column
    if source is None or not line:
        return None
    # Only these end a line in YAML; str.splitlines would count more.
    rows = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if line > len(rows):
        return None
    text = one_line(rows[line - 1])
    start = min(max(column - 1, 0), len(text))
    end = max(min(start + diagnostic.length, len(text)), start + 1)
    text, start, end = _window(text, start, end)
    return text, _cells(text[:start]), max(_cells(text[start:end]), 1)


def _window(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Cut a long line down to what surrounds the caret."""
    if len(text) <= _WIDTH:
        return text.rstrip(), start, end
    left = max(0, min(start - _WIDTH // 3, len(text) - _WIDTH))
    cut = text[left : left + _WIDTH]
    head, tail = ("…" if left else ""), ("…" if left + _WIDTH < len(text) else "")
    return head + cut + tail, start - left + len(head), min(end - left, _WIDTH) + len(head)


def _cells(text: str) -> int:
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
