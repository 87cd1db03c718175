"""The verb `validate`: check projects, by default without running a byte of them, and report what was found."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from runtime.cli.checking import Depth, Report, check_path
from runtime.cli.report.frames import wants_colour
from runtime.cli.report.text import as_json, draw_report, total
from runtime.errors import UsageError

Format = Literal["text", "json", "github", "sarif", "junit"]


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
    """Check each project and print what was found; 1 when one has errors (or, strict, warnings).

    `build` and `connect` look deeper, `base` compares with an earlier file, `watch` goes on until Ctrl-C.
    """
    projects = _distinct(paths)
    depth = Depth(build=build or connect, connect=connect, timeout_s=timeout_s, base=base)
    _refuse(projects, depth, watch=watch, output=output)
    if watch:
        from runtime.cli.commands.validate_watch import watch_projects

        watch_projects(projects, depth, strict=strict)
    reports = [check_path(path, depth) for path in projects]
    _print(reports, output, strict=strict, depth=depth)
    return int(any(report.fails(strict=strict) for report in reports))


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """Each project once, whether it is named by its folder, its file, or both."""
    from runtime.config.load import CONFIG_FILE

    files = {(path / CONFIG_FILE if path.is_dir() else path).absolute(): path for path in reversed(paths)}
    return list(reversed(files.values()))


def _refuse(projects: Sequence[Path], depth: Depth, *, watch: bool, output: Format) -> None:
    if watch and output != "text":
        raise UsageError(f"--watch prints text, again and again: it goes without --format {output}")
    if depth.base is None:
        return
    if not depth.base.exists() or depth.base.is_dir():
        raise UsageError(f"--base needs a file, and {str(depth.base)!r} is {_what(depth.base)}")
    if len(projects) > 1:
        raise UsageError("--base is the earlier file of one project: name one PATH")


def _what(path: Path) -> str:
    return "a folder" if path.is_dir() else "not there"


def _print(reports: Sequence[Report], output: Format, *, strict: bool, depth: Depth) -> None:
    if output == "text":
        colour = wants_colour(sys.stdout)
        for report in reports:
            sys.stdout.write(draw_report(report, strict=strict, building=depth.build, colour=colour))
        if len(reports) > 1:
            print(total(reports))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whatever the console speaks, these are read by programs.
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(_for_programs(reports, output, strict=strict, depth=depth))


def _for_programs(reports: Sequence[Report], output: Format, *, strict: bool, depth: Depth) -> str:
    """Draw the report in one of the formats; each is imported when it is asked for."""
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
