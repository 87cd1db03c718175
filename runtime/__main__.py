"""The entry point of `chatkit-runtime` and of `python -m runtime`.

Editors and hooks run `validate` at each save. Its plain form is parsed here, because importing Typer takes 100 ms;
every other command line, help included, goes to Typer.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from runtime.cli.exit_codes import INTERRUPTED, report_error
from runtime.cli.report.project_report import Format
from runtime.resources.gc_policy import startup_heap_frozen
from runtime.sdk_internals import skip_pydantic_plugins


def main() -> int:
    """Run the command of `sys.argv` and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal can't show becomes a question mark instead of an exception.
            stream.reconfigure(errors="replace")
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; no exception leaves this function."""
    options = parse_plain_validate(arguments)
    if options is not None:
        return _validate(options, arguments)
    from runtime.cli.app import run as run_app

    return run_app(arguments)


def parse_plain_validate(arguments: Sequence[str]) -> dict[str, Any] | None:
    """Parse `validate [PATH …] [--strict] [--format FORMAT]`; return None for any other command line."""
    if not arguments or arguments[0] != "validate":
        return None
    paths: list[Path] = []
    options: dict[str, Any] = {"output": "text", "strict": False}
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "--strict":
            options["strict"] = True
        elif argument == "--format":
            options["output"] = next(rest, "")
        elif argument.startswith("--format="):
            options["output"] = argument.partition("=")[2]
        elif argument.startswith("-"):
            return None
        else:
            paths.append(Path(argument))
    return {"paths": paths or [Path()], **options} if options["output"] in get_args(Format) else None


def _validate(options: dict[str, Any], arguments: Sequence[str]) -> int:
    skip_pydantic_plugins()
    with startup_heap_frozen(ends_soon=True):
        try:
            from runtime.cli.commands.validate import validate_projects

            return validate_projects(**options)
        except KeyboardInterrupt:
            return INTERRUPTED
        except Exception as error:
            return report_error(error, arguments)


if __name__ == "__main__":
    sys.exit(main())
