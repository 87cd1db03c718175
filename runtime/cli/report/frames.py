"""Code frames and the text report: the place, the message, the line with a caret under the value, and a hint."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache

from runtime.cli.display import one_line, wants_colour
from runtime.cli.report.project_report import SEVERITIES, ProjectReport, verdict
from runtime.diagnostics.diagnostic import Diagnostic

SHOWN_AT_MOST = 100
_WIDTH = 110
_BOLD, _DIM, _RESET = "\033[1m", "\033[2m", "\033[0m"
_COLOURS = {"error": "\033[1;31m", "warning": "\033[1;33m", "note": "\033[1;36m"}


def draw_report(report: ProjectReport, *, strict: bool, building: bool, colour: bool) -> str:
    """Return the text report of a project: a frame for each diagnostic, then the verdict."""
    frames = draw_frames(report.diagnostics, report.sources, colour=colour, cut_hint="--format json has them all")
    return f"{frames}{verdict(report, strict=strict, building=building)}\n"


def print_diagnostics(diagnostics: Sequence[Diagnostic], sources: Mapping[str, str]) -> None:
    """Print a frame for each diagnostic, at most `SHOWN_AT_MOST`, to standard error."""
    sys.stderr.write(draw_frames(diagnostics, sources, colour=wants_colour(sys.stderr)))


def draw_frames(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], *, colour: bool = False, cut_hint: str = ""
) -> str:
    """Return a frame for each diagnostic, at most `SHOWN_AT_MOST`; `cut_hint` says how to see the others."""
    shown = _most_severe(diagnostics)
    frames = [draw_frame(diagnostic, sources.get(diagnostic.place.file), colour=colour) + "\n" for diagnostic in shown]
    if len(diagnostics) > len(shown):
        hint = f" ({cut_hint})" if cut_hint else ""
        frames.append(f"… and {len(diagnostics) - len(shown)} more{hint}\n")
    return "".join(frames)


def _most_severe(diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Return the `SHOWN_AT_MOST` most severe diagnostics in their original order."""
    ranked = sorted(range(len(diagnostics)), key=lambda number: SEVERITIES.index(diagnostics[number].severity))
    return [diagnostics[number] for number in sorted(ranked[:SHOWN_AT_MOST])]


def draw_frame(diagnostic: Diagnostic, source: str | None, *, colour: bool = False) -> str:
    """Return the frame of one diagnostic; `source` is the text of its file, for the line with the caret."""
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


def line_of(source: str, line: int) -> str | None:
    """Return a line of a file by its number, from 1; None if the file is shorter."""
    rows = _rows(source)
    return rows[line - 1] if 0 < line <= len(rows) else None


@lru_cache(maxsize=4)
def _rows(source: str) -> list[str]:
    # Only these end a line in YAML; str.splitlines also splits at others.
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _excerpt(diagnostic: Diagnostic, source: str | None) -> tuple[str, int, int] | None:
    """Return the source line as shown, and the indent and width of the caret in terminal cells."""
    row = None if source is None else line_of(source, diagnostic.place.line)
    if row is None:
        return None
    text = one_line(row)
    start = min(max(diagnostic.place.column - 1, 0), len(text))
    end = max(min(start + diagnostic.length, len(text)), start + 1)
    text, start, end = _window(text, start, end)
    return text, _cells(text[:start]), max(_cells(text[start:end]), 1)


def _window(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Shorten a long line to the part around the caret."""
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
