"""The reports of `validate` for people and for programs: code frames with a verdict, and one JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from runtime.cli.checking import Report
from runtime.cli.report.frames import count, draw_frames
from runtime.cli.terminal.plain import one_line
from runtime.diagnostics.diagnostic import Diagnostic

_WAY_TO_ALL = "--format json has them all"
_SHAPE = 1


def draw_report(report: Report, *, strict: bool, building: bool, colour: bool) -> str:
    """Draw a project's block: a frame for each mistake, the root cause first, then the verdict."""
    frames = draw_frames(report.diagnostics, report.sources, colour=colour, way_to_all=_WAY_TO_ALL)
    return f"{frames}{verdict(report, strict=strict, building=building)}\n"


def verdict(report: Report, *, strict: bool, building: bool = False) -> str:
    """Say in one line how a project came off; `building` tells whether its build was asked for."""
    parts = [count(report.diagnostics)] if report.diagnostics else []
    if not report.fails(strict=strict):
        parts.insert(0, f"ok ({_contents(report)})")
    elif report.is_valid:
        parts.append("warnings fail because of --strict")
    if building and not report.is_built:
        parts.append("not built because of the errors")
    return one_line(f"{report.file}: {', '.join(parts)}")


def total(reports: Sequence[Report]) -> str:
    """Sum up the run over several projects in one line."""
    found = _all(reports)
    return f"{len(reports)} projects: {count(found) if found else 'ok'}"


def as_json(reports: Sequence[Report], *, strict: bool) -> dict[str, Any]:
    """Return the document that docs/guide/ci.md describes, field by field."""
    return {
        "version": _SHAPE,
        "ok": not any(report.fails(strict=strict) for report in reports),
        "strict": strict,
        **_counts(_all(reports)),
        "projects": [_project_as_json(report, strict=strict) for report in reports],
        "diagnostics": [
            {"project": report.file, **diagnostic.as_json()} for report in reports for diagnostic in report.diagnostics
        ],
    }


def _project_as_json(report: Report, *, strict: bool) -> dict[str, Any]:
    return {
        "file": report.file,
        "ok": not report.fails(strict=strict),
        "built": report.is_built,
        **_counts(report.diagnostics),
        **{f"{noun}s": report.sizes.get(noun) for noun in ("agent", "tool", "widget")},
    }


def _counts(found: Iterable[Diagnostic]) -> dict[str, int]:
    counts = Counter(diagnostic.severity for diagnostic in found)
    return {"errors": counts["error"], "warnings": counts["warning"], "notes": counts["note"]}


def _contents(report: Report) -> str:
    return ", ".join(f"{number} {noun}{'s' if number != 1 else ''}" for noun, number in report.sizes.items() if number)


def _all(reports: Sequence[Report]) -> list[Diagnostic]:
    return [diagnostic for report in reports for diagnostic in report.diagnostics]
