"""Load and build a project in order to serve it, or start from what is kept of it since it last served."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.cli.project import from_here, report
from runtime.errors import ConfigError, RuntimeFault

if TYPE_CHECKING:
    from runtime.config.model import Config
    from runtime.diagnostics import Diagnostic
    from runtime.server.reading import Reading
    from runtime.server.runtime import Runtime

Check = Callable[["Config"], str]


def start_project(path: Path, check: Check, *, last_good: bool = False) -> Runtime | None:
    """Build the project in the folder or file `path`; None after the reason was printed to standard error.

    `check` gives the reason why a configuration must not be served, or an empty text. `last_good` starts from what
    served last when the files are broken.
    """
    # Nearly all that is made here stays. The garbage collector would look through it again and again meanwhile, and
    # from then on while it makes answers wait.
    gc.disable()
    try:
        return _start(path, check, last_good)
    finally:
        gc.freeze()
        gc.enable()


def _start(path: Path, check: Check, last_good: bool) -> Runtime | None:
    from runtime.server.last_good import FILE, load_last_good
    from runtime.server.reading import read_project

    reading = read_project(path.absolute(), None)
    runtime, mistakes = _build(reading, check)
    if runtime is not None or not (last_good and mistakes):
        return runtime
    root = reading.loaded.root
    try:
        kept = load_last_good(root)
        if kept.file != reading.loaded.file.name:
            raise RuntimeFault(
                f"what is kept in {str(FILE)!r} is of {kept.file!r}, not of {reading.loaded.file.name!r}"
            )
    except RuntimeFault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return None
    runtime, _ = _build(kept.read(root, None), check)
    if runtime is not None:
        runtime.reloader.broken(reading, mistakes)
        print(
            f"\nWARNING: the files are broken: serving the project as it was on {kept.saved_at:%Y-%m-%d %H:%M:%S} UTC "
            "instead.\nThe first save that is right takes over.\n",
            file=sys.stderr,
        )
    return runtime


def _build(reading: Reading, check: Check) -> tuple[Runtime | None, tuple[Diagnostic, ...]]:
    """Build what was read; None, and the mistakes that it has, where that can't be."""
    report(from_here(reading.loaded))
    if reading.loaded.config is None:
        return None, reading.loaded.diagnostics
    if reason := check(reading.loaded.config):
        print(f"error: {reason}", file=sys.stderr)
        return None, ()
    from runtime.server.runtime import build_runtime

    try:
        return build_runtime(reading), ()
    except ConfigError as error:
        report(from_here(replace(reading.loaded, diagnostics=tuple(error.diagnostics))))
        return None, tuple(error.diagnostics)
