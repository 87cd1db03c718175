"""What `validate` reports of a project: as data, as one line, and as the JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runtime.cli.display import one_line
from runtime.diagnostics.diagnostic import Diagnostic, Severity, has_errors

Format = Literal["text", "json", "github", "sarif", "junit"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
_JSON_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectReport:
    """The diagnostics of one project, ready to print: secrets are masked, paths are relative to the working folder.

    `sizes` counts what agents.yaml declares, by the singular noun (`agent`); it is empty if there are errors.
    `is_built` is whether the project's Python ran. `files` are the absolute paths of every file that was read or was
    missing, `patterns` the glob patterns that further files may match.
    """

    file: str
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str] = field(repr=False)
    sizes: Mapping[str, int]
    is_built: bool
    files: frozenset[Path] = field(repr=False)
    patterns: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def is_valid(self) -> bool:
        """Whether no diagnostic is an error."""
        return not has_errors(self.diagnostics)

    def fails(self, *, strict: bool) -> bool:
        """Return whether any diagnostic fails the run."""
        return any(is_fatal(diagnostic, strict=strict) for diagnostic in self.diagnostics)


def is_fatal(diagnostic: Diagnostic, *, strict: bool) -> bool:
    """Return whether a diagnostic fails the run: an error does, a warning if `strict`, a note never."""
    return diagnostic.severity == "error" or (strict and diagnostic.severity == "warning")


def count(diagnostics: Iterable[Diagnostic]) -> str:
    """Return the number of each severity: `2 errors, 1 warning`, or `no errors`."""
    counts = Counter(diagnostic.severity for diagnostic in diagnostics)
    return ", ".join(_plural(counts[severity], severity) for severity in SEVERITIES if counts[severity]) or "no errors"


def verdict(report: ProjectReport, *, strict: bool, building: bool = False) -> str:
    """Return the result of a project in one line; `building` is whether a build was requested."""
    parts = [count(report.diagnostics)] if report.diagnostics else []
    if not report.fails(strict=strict):
        sizes = ", ".join(_plural(number, noun) for noun, number in report.sizes.items() if number)
        parts.insert(0, f"ok ({sizes})")
    elif report.is_valid:
        parts.append("warnings fail because of --strict")
    if building and not report.is_built:
        parts.append("not built because of the errors")
    return one_line(f"{report.file}: {', '.join(parts)}")


def total(reports: Sequence[ProjectReport]) -> str:
    """Return the result of a run over several projects in one line."""
    diagnostics = all_diagnostics(reports)
    return f"{len(reports)} projects: {count(diagnostics) if diagnostics else 'ok'}"


def as_json(reports: Sequence[ProjectReport], *, strict: bool) -> dict[str, Any]:
    """Return the document that docs/guide/ci.md describes, field by field."""
    return {
        "version": _JSON_VERSION,
        "ok": not any(report.fails(strict=strict) for report in reports),
        "strict": strict,
        **_severity_counts(all_diagnostics(reports)),
        "projects": [_project_as_json(report, strict=strict) for report in reports],
        "diagnostics": [
            {"project": report.file, **diagnostic.as_json()} for report in reports for diagnostic in report.diagnostics
        ],
    }


def _project_as_json(report: ProjectReport, *, strict: bool) -> dict[str, Any]:
    return {
        "file": report.file,
        "ok": not report.fails(strict=strict),
        "built": report.is_built,
        **_severity_counts(report.diagnostics),
        **{f"{noun}s": report.sizes.get(noun) for noun in ("agent", "tool", "widget")},
    }


def _severity_counts(diagnostics: Iterable[Diagnostic]) -> dict[str, int]:
    counts = Counter(diagnostic.severity for diagnostic in diagnostics)
    return {f"{severity}s": counts[severity] for severity in SEVERITIES}


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def all_diagnostics(reports: Sequence[ProjectReport]) -> list[Diagnostic]:
    """Return the diagnostics of all projects, in order."""
    return [diagnostic for report in reports for diagnostic in report.diagnostics]
