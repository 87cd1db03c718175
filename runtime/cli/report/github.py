"""The report of `validate` as GitHub workflow commands: each diagnostic becomes an annotation of its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from runtime.cli.display import plain
from runtime.cli.report.project_report import ProjectReport, verdict
from runtime.diagnostics.diagnostic import Diagnostic

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def draw_commands(reports: Sequence[ProjectReport], *, strict: bool, building: bool = False) -> str:
    """Return a workflow command for each diagnostic, and the verdict of each project as plain text."""
    return "".join(f"{line}\n" for report in reports for line in _lines(report, strict, building))


def _lines(report: ProjectReport, strict: bool, building: bool) -> Iterator[str]:
    yield from map(_command, report.diagnostics)
    # A file name may look like a command too.
    yield verdict(report, strict=strict, building=building).replace("::", ": :").replace("##[", "# #[")


def _command(diagnostic: Diagnostic) -> str:
    place = diagnostic.place
    properties = {"file": PurePath(place.file).as_posix()}
    if place.line:
        properties |= {"line": str(place.line), "endLine": str(place.line)}
    if place.line and place.column:
        properties |= {"col": str(place.column), "endColumn": str(place.column + diagnostic.length)}
    properties["title"] = diagnostic.code
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[diagnostic.severity]} {written}::{_data(_message(diagnostic))}"


def _message(diagnostic: Diagnostic) -> str:
    where = f" [{diagnostic.path}]" if diagnostic.path else ""
    hint = f"\nhint: {diagnostic.hint}" if diagnostic.hint else ""
    return f"{diagnostic.message}{where}{hint}"


def _data(text: str) -> str:
    return plain(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
