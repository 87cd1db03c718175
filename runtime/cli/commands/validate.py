"""The verb `validate`: check projects, by default without running any of their code, and print a report."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime.cli.checking import Depth, check_path
from runtime.cli.display import wants_colour
from runtime.cli.report import Format
from runtime.cli.report.frames import draw_report
from runtime.cli.report.project_report import ProjectReport, as_json, total
from runtime.errors import UsageError


def validate_projects(
    paths: Sequence[Path],
    *,
    output: Format,
    strict: bool,
    build: bool = False,
    connect: bool = False,
    timeout_s: float = 60.0,
    base: Path | None = None,
    watch: bool = False,
) -> int:
    """Check each project and print a report; return 1 if one has errors (or, if `strict`, warnings).

    `build`, `connect`, `timeout_s` and `base` are explained by `Depth`. `watch` repeats the check until Ctrl-C.
    """
    projects = _distinct(paths)
    depth = Depth(build=build or connect, connect=connect, timeout_s=timeout_s, base=base)
    _check_usage(projects, depth, watch=watch, output=output)
    if watch:
        from runtime.cli.commands.validate_watch import watch_projects

        watch_projects(projects, depth, strict=strict)
    reports = [check_path(path, depth) for path in projects]
    _print(reports, output, strict=strict, depth=depth)
    return int(any(report.fails(strict=strict) for report in reports))


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """Return each project once, even if it is named by its folder and by its file."""
    from runtime.config.load import CONFIG_FILE

    files = {(path / CONFIG_FILE if path.is_dir() else path).absolute(): path for path in reversed(paths)}
    return list(reversed(files.values()))


def _check_usage(projects: Sequence[Path], depth: Depth, *, watch: bool, output: Format) -> None:
    if watch and output != "text":
        raise UsageError(f"--watch prints text and can't be combined with --format {output}")
    if depth.base is None:
        return
    if not depth.base.exists() or depth.base.is_dir():
        raise UsageError(f"--base needs a file, but {str(depth.base)!r} {_state(depth.base)}")
    if len(projects) > 1:
        raise UsageError("--base compares one project with its earlier file: give one PATH")


def _state(path: Path) -> str:
    return "is a folder" if path.is_dir() else "does not exist"


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
    sys.stdout.write(_draw_for_programs(reports, output, strict=strict, depth=depth))


def _draw_for_programs(reports: Sequence[ProjectReport], output: Format, *, strict: bool, depth: Depth) -> str:
    """Return the report in one of the formats for programs; only that format is imported."""
    if output == "github":
        from runtime.cli.report.github import draw_commands

        return draw_commands(reports, strict=strict, building=depth.build)
    if output == "junit":
        from runtime.cli.report.junit import draw_junit

        return draw_junit(reports, strict=strict)
    if output == "sarif":
        from runtime.cli.report.sarif import as_sarif

        return _as_text(as_sarif(reports))
    return _as_text(as_json(reports, strict=strict))


def _as_text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
