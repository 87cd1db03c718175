"""Check one project at the requested depth, for `validate`.

Everything that `validate` prints of a project's files, in any format, passes through `_make_report`, which masks it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.cli.display import display_path
from runtime.cli.project import relative_to_here
from runtime.cli.report.frames import line_of
from runtime.cli.report.project_report import ProjectReport
from runtime.diagnostics.diagnostic import Diagnostic, has_errors, sort_diagnostics

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject

# Codes of notes that are obsolete once the project was built.
_DECIDED_BY_BUILD = {"A339"}
# The first two steps of a path, as `path_text` writes it.
_ENTRY = re.compile(r'[^.\[]*(?:\."[^"]*"|\.[^.\[]+|\[\d+\])?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What to check beyond the files: `build` runs the project's Python, `connect` also opens network connections.

    Both may take `timeout_s` seconds. `base` is an earlier agents.yaml to compare with.
    """

    build: bool = False
    connect: bool = False
    timeout_s: float = 60.0
    base: Path | None = None


def check_path(path: Path, depth: Depth) -> ProjectReport:
    """Check the project in the folder or file `path`; its mistakes are in the report and are never raised."""
    from runtime.config.load import load_config
    from runtime.validation.project import check_project

    loaded = load_config(path, unset="error" if depth.build else "warning")
    diagnostics = check_project(loaded)
    is_built = depth.build and not has_errors(loaded.diagnostics)
    if is_built:
        diagnostics = _add_build(diagnostics, path, loaded, depth)
    if depth.base is not None and loaded.config is not None:
        from runtime.validation.breaking_changes import check_changes

        diagnostics = [*diagnostics, *check_changes(loaded, depth.base)]
    return _make_report(loaded, diagnostics, is_built=is_built, files=_files(loaded, depth))


def _add_build(diagnostics: list[Diagnostic], path: Path, loaded: LoadedProject, depth: Depth) -> list[Diagnostic]:
    """Build the project, add its diagnostics to those of the files, and drop those that the build has decided.

    `serve` accepts what can be built, so after a successful build an error of the files is a warning: a turn or a
    click fails, not the start.
    """
    from runtime.cli.build_process.check import check_build

    built = check_build(path, loaded, timeout_s=depth.timeout_s, connect=depth.connect)
    if not has_errors(built):
        return [*(_as_warning(each) for each in diagnostics if each.code not in _DECIDED_BY_BUILD), *built]
    build_errors = {(each.code, each.place) for each in built if each.severity == "error"}
    entries = {_entry(each) for each in diagnostics if each.severity == "error"}
    kept = [each for each in diagnostics if each.severity == "error" or (each.code, each.place) not in build_errors]
    # An error of the files says more than the build's error about the same entry.
    return [*kept, *(each for each in built if each.severity != "error" or _entry(each) not in entries)]


def _entry(diagnostic: Diagnostic) -> str:
    """Return the path of the entry of agents.yaml that has the mistake, such as `widgets.order`."""
    match = _ENTRY.match(diagnostic.path)
    return match[0] if match else ""


def _as_warning(diagnostic: Diagnostic) -> Diagnostic:
    return replace(diagnostic, severity="warning") if diagnostic.severity == "error" else diagnostic


def _files(loaded: LoadedProject, depth: Depth) -> frozenset[Path]:
    files = (loaded.files.root / name for name in (*loaded.files.contents, *loaded.files.missing))
    return frozenset([*files, *([depth.base.absolute()] if depth.base is not None else [])])


def _make_report(
    loaded: LoadedProject, diagnostics: Iterable[Diagnostic], *, is_built: bool, files: frozenset[Path]
) -> ProjectReport:
    from runtime.config.secrets.mask import mask_diagnostics

    masked = mask_diagnostics(sort_diagnostics(diagnostics), loaded.secrets)
    # Only these: a text is masked when it is read.
    files_shown = {each.place.file for each in masked} & loaded.sources.keys()
    sources = {file: loaded.sources[file] for file in files_shown}
    here, texts = relative_to_here(masked, sources, loaded.root, loaded.secrets)
    return ProjectReport(
        file=display_path(loaded.file),
        diagnostics=tuple(_limit_length(each, texts) for each in here),
        sources=texts,
        sizes={} if has_errors(masked) else _sizes(loaded),
        is_built=is_built,
        files=files,
        patterns=frozenset(loaded.files.patterns),
    )


def _limit_length(diagnostic: Diagnostic, texts: Mapping[str, str]) -> Diagnostic:
    """Return the diagnostic with its length limited to the rest of the line."""
    place = diagnostic.place
    row = line_of(texts[place.file], place.line) if place.file in texts else None
    if row is None:
        return diagnostic
    return replace(diagnostic, length=max(1, min(diagnostic.length, len(row) - place.column + 1)))


def _sizes(loaded: LoadedProject) -> dict[str, int]:
    config = loaded.config
    if config is None:
        return {}
    return {"agent": len(config.agents), "tool": len(config.tools), "widget": len(config.widgets)}
