"""A mistake in a user's file as data: a `Diagnostic` with its code, place, message and hint.

The command line renders it as a code frame, as one line, or as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
_RANK: dict[str, int] = {"error": 0, "warning": 1, "note": 2}


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
