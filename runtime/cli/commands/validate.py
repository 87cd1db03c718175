"""The verb `validate`: check projects, by default without running any of their code, and print a report.

Everything that is printed of a project's files, in any format, passes through `_make_report`, which masks it.
"""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from runtime.autoreload.watch_set import ProjectPaths
from runtime.cli.display import display_path, one_line, wants_colour
from runtime.cli.exit_codes import report_error
from runtime.cli.project import relative_to_here
from runtime.cli.report.frames import draw_report, line_of
from runtime.cli.report.project_report import Format, ProjectReport, as_json, total
from runtime.diagnostics.diagnostic import Diagnostic, has_errors, sort_diagnostics
from runtime.errors import RuntimeFault, UsageError

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject

# Codes of notes that are obsolete once the project was built.
_DECIDED_BY_BUILD = {"A339"}
# Errors that a build can't see: OpenAI no longer serves the model, or the prompt.
_NEVER_SERVED = {"A626", "A627"}
_POLL_S = 2.0
_WAKE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What to check beyond the files: `build` runs the project's Python, `connect` (with `build`) opens connections.

    Both may take `timeout_s` seconds. `base` is an earlier agents.yaml to compare with.
    """

    build: bool = False
    connect: bool = False
    timeout_s: float = 60.0
    base: Path | None = None


_FILES_ONLY = Depth()


def validate_projects(
    paths: Sequence[Path], *, output: Format, strict: bool, depth: Depth = _FILES_ONLY, watch: bool = False
) -> int:
    """Check each project and print a report; return 1 if one has errors (or, if `strict`, warnings).

    `watch` repeats the check until Ctrl-C.
    """
    projects = _distinct(paths)
    _check_usage(projects, depth, watch=watch, output=output)
    if watch:
        _watch_projects(projects, depth, strict=strict)
    reports = [check_path(path, depth) for path in projects]
    _print(reports, output, strict=strict, depth=depth)
    return int(any(report.fails(strict=strict) for report in reports))


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """Return each project once, even if it is named by its folder and by its file."""
    return list({_config_file(path): path for path in reversed(paths)}.values())[::-1]


def _config_file(path: Path) -> Path:
    from runtime.config.load import CONFIG_FILE

    return (path / CONFIG_FILE if path.is_dir() else path).absolute()


def _check_usage(projects: Sequence[Path], depth: Depth, *, watch: bool, output: Format) -> None:
    if watch and output != "text":
        raise UsageError(f"--watch prints text and can't be combined with --format {output}")
    if depth.base is None:
        return
    if depth.base.is_dir() or not depth.base.exists():
        state = "is a folder" if depth.base.is_dir() else "does not exist"
        raise UsageError(f"--base needs a file, but {str(depth.base)!r} {state}")
    if len(projects) > 1:
        raise UsageError("--base compares one project with its earlier file: give one PATH")


def _print(reports: Sequence[ProjectReport], output: Format, *, strict: bool, depth: Depth) -> None:
    if output == "text":
        colour = wants_colour(sys.stdout)
        for report in reports:
            sys.stdout.write(draw_report(report, strict=strict, building=depth.build, colour=colour))
        if len(reports) > 1:
            print(total(reports))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Programs read these formats as UTF-8, whatever the encoding of the console is.
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(_draw_for_programs(reports, output, strict=strict, building=depth.build))


def _draw_for_programs(reports: Sequence[ProjectReport], output: Format, *, strict: bool, building: bool) -> str:
    if output == "json":
        return _as_text(as_json(reports, strict=strict))
    from runtime.cli.report.formats import as_sarif, draw_commands, draw_junit

    if output == "github":
        return draw_commands(reports, strict=strict, building=building)
    return draw_junit(reports, strict=strict) if output == "junit" else _as_text(as_sarif(reports))


def _as_text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


# One project


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
    from runtime.validation.build_errors import entry_of

    built = check_build(path, loaded, timeout_s=depth.timeout_s, connect=depth.connect)
    # What an endpoint says of its own models is newer than the table.
    told = {(each.code, each.place) for each in built if each.code == "A626"}
    diagnostics = [each for each in diagnostics if (each.code, each.place) not in told]
    if not has_errors(built):
        return [*(_as_warning(each) for each in diagnostics if each.code not in _DECIDED_BY_BUILD), *built]
    build_errors = {(each.code, each.place) for each in built if each.severity == "error"}
    entries = {entry_of(each) for each in diagnostics if each.severity == "error"}
    kept = [each for each in diagnostics if each.severity == "error" or (each.code, each.place) not in build_errors]
    # An error of the files says more than the build's error about the same entry.
    return [*kept, *(each for each in built if each.severity != "error" or entry_of(each) not in entries)]


def _as_warning(diagnostic: Diagnostic) -> Diagnostic:
    is_kept = diagnostic.severity != "error" or diagnostic.code in _NEVER_SERVED
    return diagnostic if is_kept else replace(diagnostic, severity="warning")


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
    place = diagnostic.place
    row = line_of(texts[place.file], place.line) if place.file in texts else None
    if row is None:
        return diagnostic
    return replace(diagnostic, length=max(1, min(diagnostic.length, len(row) - place.column + 1)))


def _sizes(loaded: LoadedProject) -> dict[str, int]:
    config = loaded.config
    return {"agent": len(config.agents), "tool": len(config.tools), "widget": len(config.widgets)} if config else {}


# --watch


def _watch_projects(projects: Sequence[Path], depth: Depth, *, strict: bool) -> NoReturn:
    stop, printing = threading.Event(), threading.Lock()
    watches = [_Watch(path, depth, strict, stop, printing) for path in projects]
    threads = [threading.Thread(target=watch.run, name=f"watch {watch.path}", daemon=True) for watch in watches]
    try:
        for thread in threads:
            thread.start()
        # On Windows, Ctrl-C does not interrupt a wait without a timeout.
        while not stop.wait(_WAKE_S):
            pass
        raise RuntimeFault("watching ended unexpectedly")
    finally:
        stop.set()
        for thread in threads:
            thread.join(_WAKE_S)


class _Watch:
    """Watches one project in its own thread; the lock `printing` lets one project at a time check and print."""

    def __init__(self, path: Path, depth: Depth, strict: bool, stop: threading.Event, printing: threading.Lock) -> None:
        self.path, self._depth, self._strict, self._stop, self._printing = path, depth, strict, stop, printing
        self._file = _config_file(path)
        self._paths = ProjectPaths(self._file.parent, frozenset([self._file]))
        self._printed = ""

    def run(self) -> None:
        from runtime.autoreload.watcher import FileEvents

        events = FileEvents(_POLL_S, self._stop)
        try:
            # Scan before each check, so that the next scan sees a change that happens during the check.
            events.scan(self._paths)
            is_due = True
            while not self._stop.is_set():
                if is_due:
                    self._check(always_prints=True)
                    # A file that the check read for the first time counts as changed.
                    while events.scan(self._paths) and not self._stop.is_set():
                        self._check(always_prints=False)
                is_due = events.wait()
                is_due |= events.scan(self._paths)
        finally:
            events.close()

    def _check(self, *, always_prints: bool) -> None:
        """Check the project and print the report, if it differs from the last one or `always_prints`."""
        with self._printing:
            try:
                report = check_path(self.path, self._depth)
            except Exception as error:
                self._printed = ""
                print(self._header(), flush=True)
                report_error(error, sys.argv[1:])
                return
            self._paths = ProjectPaths(self._paths.root, report.files, report.patterns)
            colour = wants_colour(sys.stdout)
            text = draw_report(report, strict=self._strict, building=self._depth.build, colour=colour)
            if always_prints or text != self._printed:
                self._printed = text
                print(f"{self._header()}\n{text}", flush=True)

    def _header(self) -> str:
        return f"{datetime.now():%H:%M:%S} {one_line(display_path(self._file))}"
