"""A mistake in a user's file as data: a `Diagnostic` with its code, place, message and hint.

There is one for each cause: a widget that three tools miss is one mistake, and what follows from it is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
_RANK: dict[str, int] = {"error": 0, "warning": 1, "note": 2}
# Equal messages with these codes have one cause, wherever they occur; those of a group name the same kind of thing.
_GROUP = {
    **dict.fromkeys(("A201", "A205", "A206"), "agent"),
    **dict.fromkeys(("A207", "A208"), "widget"),
    **{code: code for code in ("A203", "A204", "A230", "A231", "A320", "A321", "A322", "A501", "A620")},
}
_MAX_PLACES = 3
# The codes for unused declarations, each with those for a misspelt name that may be their cause.
_FOLLOWS = {"A220": ("A201", "A205", "A206"), "A221": ("A203",), "A222": ("A204",), "A424": ("A207", "A208")}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file: `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: a stable `code` such as `A203`, its `place`, the `path` of the value in the file, and a `hint`.

    `length` is the number of characters that the caret underlines (1 where only the start is known).
    """

    code: str
    message: str
    place: Place
    severity: Severity = "error"
    hint: str = ""
    path: str = ""
    length: int = 1
    unused: str = field(default="", compare=False, repr=False)
    """The name of the unused declaration, for `join_causes`."""
    meant: str = field(default="", compare=False, repr=False)
    """The declared name that an unknown name probably means, for `join_causes`."""

    wanted: str = field(default="", compare=False, repr=False)
    """The text in place of a tool's name or an import path, for which `validation` searches the project's Python."""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        where = f" [{self.path}]" if self.path else ""
        return f"{self.place}: {self.severity} {self.code}: {self.message}{hint}{where}"

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON data, as `validate --format json` prints it."""
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "file": self.place.file,
            "line": self.place.line,
            "column": self.place.column,
            "length": self.length,
            "path": self.path,
        }


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sort by file, line and column, then by severity and code; drop duplicates."""
    unique = dict.fromkeys(diagnostics)
    return sorted(unique, key=lambda d: (d.place, _RANK[d.severity], d.code, d.message, d.path))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Return whether any diagnostic is an error, rather than a warning or a note."""
    return any(diagnostic.severity == "error" for diagnostic in diagnostics)


def join_causes(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the first diagnostic of each cause, sorted; its hint lists the other places."""
    groups: dict[tuple[object, ...], list[Diagnostic]] = {}
    sorted_ = sort_diagnostics(diagnostics)
    misspelt = {(diagnostic.code, diagnostic.meant) for diagnostic in sorted_ if diagnostic.meant}
    for diagnostic in sorted_:
        if not _follows(diagnostic, misspelt):
            groups.setdefault(_cause(diagnostic), []).append(diagnostic)
    return [_join(group) for group in groups.values()]


def _follows(diagnostic: Diagnostic, misspelt: set[tuple[str, str]]) -> bool:
    meant = {name for code, name in misspelt if code in _FOLLOWS.get(diagnostic.code, ())}
    # An agent may also be reached only through the misspelt one.
    return bool(meant) if diagnostic.code == "A220" else diagnostic.unused in meant


def _cause(diagnostic: Diagnostic) -> tuple[object, ...]:
    if diagnostic.code in _GROUP:
        return _GROUP[diagnostic.code], diagnostic.message, diagnostic.severity
    # An anchor, or a file that several entries name: one place with several paths.
    return diagnostic.code, diagnostic.message, diagnostic.severity, diagnostic.place


def _join(group: list[Diagnostic]) -> Diagnostic:
    first, *others = group
    places = [str(other.place) if other.place != first.place else other.path for other in others]
    places = [text for text in dict.fromkeys(places) if text not in (str(first.place), first.path, "")]
    if not places:
        return first
    more = f" and {len(places) - _MAX_PLACES} more" if len(places) > _MAX_PLACES else ""
    also = f"also at {', '.join(places[:_MAX_PLACES])}{more}"
    hint = "" if not first.hint else first.hint + (" " if first.hint.endswith("?") else "; ")
    return replace(first, hint=hint + also)
