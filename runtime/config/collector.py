"""Where the cross-checks put what they find: each by the path of the value, which becomes its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.diagnostics.wording import nearest
from runtime.documents.variables import Interpolation


@dataclass(frozen=True, slots=True)
class DiagnosticCollector:
    """Collects the diagnostics of one config."""

    filled: Interpolation
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def report(
        self,
        code: str,
        path: KeyPath,
        message: str,
        hint: str = "",
        *,
        severity: Severity = "error",
        at_key: bool = False,
        place: Place | None = None,
        unused: str = "",
        meant: str = "",
    ) -> None:
        """Add a diagnostic about the value at `path`; nothing where that value waits for a variable."""
        places = self.filled.source.places
        path = places.written(path)
        if self.filled.is_unresolved(path):
            return
        length = 1
        if place is None:
            place = places.key(path) if at_key else places.value(path)
            length = places.key_length(path) if at_key else places.length(path)
        self.diagnostics.append(
            Diagnostic(code, message, place, severity, hint, path_text(path), length, unused, meant)
        )

    def report_unknown(self, code: str, path: KeyPath, message: str, name: str, known: Iterable[str]) -> None:
        """Add a diagnostic about a name that is not declared, with the `known` name that was probably meant."""
        meant = nearest(name, known) or ""
        self.report(code, path, message, f"did you mean {meant!r}?" if meant else "", meant=meant)

    def add(self, problem: Diagnostic, path: KeyPath) -> None:
        """Add a problem of another file: where it is in that file, or at the value that names the file."""
        places = self.filled.source.places
        path = places.written(path)
        if not self.filled.is_unresolved(path):
            inside = problem.place.line > 0
            place = problem.place if inside else places.value(path)
            length = 1 if inside else places.length(path)
            self.diagnostics.append(replace(problem, place=place, path=path_text(path), length=length))
