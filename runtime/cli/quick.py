"""`validate` without the command line's library, for the plain way in which editors and hooks call it on every save.

Typer takes a tenth of a second to import; whatever this module does not understand goes through it, help included.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.cli.exit_codes import INTERRUPTED, report_error
from runtime.resources.gc_policy import collector_off_until_exit
from runtime.sdk_internals import skip_pydantic_plugins

FORMATS = ("text", "json", "github", "sarif", "junit")


def validate_quickly(arguments: Sequence[str]) -> int | None:
    """Run `validate PATH … [--strict] [--format F]` and return its exit code; None where Typer has to read it."""
    options = _read(arguments)
    if options is None:
        return None
    skip_pydantic_plugins()
    with collector_off_until_exit():
        try:
            from runtime.cli.commands.validate import validate_projects

            return validate_projects(**options)
        except KeyboardInterrupt:
            return INTERRUPTED
        except Exception as error:
            return report_error(error, debug=bool(os.environ.get("CHATKIT_DEBUG")))


def _read(arguments: Sequence[str]) -> dict[str, Any] | None:
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
    return {"paths": paths or [Path()], **options} if options["output"] in FORMATS else None
