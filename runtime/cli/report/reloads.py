"""What a reload tells the person at the terminal: one line, and a code frame for each mistake."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from runtime.cli.project import diagnostic_from_here, display, texts_of
from runtime.cli.report.frames import print_diagnostics
from runtime.cli.terminal.plain import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.server.generations.reloader import ReloadOutcome
    from runtime.server.runtime import Runtime


def show_reloads(runtime: Runtime) -> None:
    """Print what becomes of each reload to standard error, in the place of log lines."""
    from runtime.server.generations.reloader import log_outcome

    listeners, root = runtime.reloader.listeners, runtime.root
    listeners[listeners.index(log_outcome)] = lambda outcome: show_outcome(outcome, root)


def show_outcome(outcome: ReloadOutcome, root: Path) -> None:
    """Print one outcome; places are shown from where the user stands."""
    diagnostics = [diagnostic_from_here(diagnostic, root) for diagnostic in outcome.diagnostics]
    texts = texts_of(outcome.diagnostics, outcome.sources, root)
    sources = {display(file, root): text for file, text in texts.items()}
    print_diagnostics(diagnostics, sources)
    print(f"{outcome.at.astimezone():%H:%M:%S} {one_line(outcome.summary)}", file=sys.stderr, flush=True)
