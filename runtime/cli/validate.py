"""The verb `validate`: check projects without running a byte of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runtime.cli.frames import count, print_diagnostics
from runtime.cli.project import display_path, load_project
from runtime.diagnostics import Diagnostic, has_errors

if TYPE_CHECKING:
    from runtime.config.load import Loaded


def validate_projects(paths: Sequence[Path], *, output: Literal["text", "json"], strict: bool) -> int:
    """Check each project and print what was found; 1 when one has errors (or, strict, warnings)."""
    projects = [load_project(path) for path in paths]
    found = [diagnostic for project in projects for diagnostic in project.diagnostics]
    failed = has_errors(found) or (strict and _warns(found))
    if output == "json":
        print(json.dumps(_as_json(found, ok=not failed), indent=2, ensure_ascii=False))
    else:
        _print_text(projects, found, strict=strict)
    return int(failed)


def _print_text(projects: Sequence[Loaded], found: Sequence[Diagnostic], *, strict: bool) -> None:
    sources = {file: text for project in projects for file, text in project.sources.items()}
    print_diagnostics(found, sources, sys.stdout)
    for project in projects:
        if project.config is not None and not (strict and _warns(project.diagnostics)):
            print(f"{display_path(project.file)}: ok ({_contents(project)})")
    if found:
        note = " (warnings fail because of --strict)" if strict and _warns(found) and not has_errors(found) else ""
        print(count(found) + note)


def _warns(found: Sequence[Diagnostic]) -> bool:
    return any(diagnostic.severity == "warning" for diagnostic in found)


def _contents(project: Loaded) -> str:
    assert project.config is not None
    config = project.config
    parts = (("agent", config.agents), ("tool", config.tools), ("widget", config.widgets))
    return ", ".join(f"{len(entries)} {noun}{'s' if len(entries) != 1 else ''}" for noun, entries in parts if entries)


def _as_json(found: Sequence[Diagnostic], *, ok: bool) -> dict[str, Any]:
    return {
        "ok": ok,
        "errors": sum(diagnostic.severity == "error" for diagnostic in found),
        "warnings": sum(diagnostic.severity == "warning" for diagnostic in found),
        "diagnostics": [diagnostic.as_json() for diagnostic in found],
    }
