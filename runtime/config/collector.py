"""Collects the diagnostics of the cross-checks; each is reported by key path, which becomes a place in a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from runtime.diagnostics.characters import misleading_character
from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity
from runtime.diagnostics.key_path import KeyPath
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
        wanted: str = "",
    ) -> None:
        """Add a diagnostic about the value at `path`; do nothing if that value contains an unset variable."""
        places = self.filled.source.places
        path = places.written(path)
        if self.filled.is_unresolved(path):
            return
        diagnostic = places.diagnostic(code, path, message, hint, severity, at_key=at_key)
        if place is not None:
            diagnostic = replace(diagnostic, place=place, length=1)
        self.diagnostics.append(replace(diagnostic, unused=unused, meant=meant, wanted=wanted))

    def report_unknown(
        self, code: str, path: KeyPath, message: str, name: str, known: Iterable[str], hint: str = ""
    ) -> None:
        """Add a diagnostic about an undeclared name, with the `known` name that it probably means; else with `hint`."""
        meant = nearest(name, known) or ""
        hint = f"did you mean {meant!r}?" if meant else hint
        if character := misleading_character(name):
            hint = f"the name contains {character}"
        self.report(code, path, message, hint, meant=meant)

    def add(self, diagnostic: Diagnostic, path: KeyPath) -> None:
        """Add a diagnostic about another file: at its place there, or at the value at `path` that names the file."""
        places = self.filled.source.places
        path = places.written(path)
        if not self.filled.is_unresolved(path):
            here = places.diagnostic(diagnostic.code, path, diagnostic.message, diagnostic.hint, diagnostic.severity)
            there = replace(here, place=diagnostic.place, length=1)
            self.diagnostics.append(there if diagnostic.place.line else here)
