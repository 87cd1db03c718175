"""The deeper depths of `validate`: the real build of a project, in a process of its own, and what it tells.

It is what `serve` does before it takes requests. A build that hangs, crashes or ends the process is a mistake at a
place, too.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.project_code.sources import read_sources

if TYPE_CHECKING:
    from runtime.cli.build_process.process import Ended
    from runtime.config.load import LoadedProject

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+)', re.MULTILINE)
_LAST_LINES = 3


def check_build(path: Path, loaded: LoadedProject, *, timeout_s: float, connect: bool) -> list[Diagnostic]:
    """Build the project at `path`, and return what that finds beyond the diagnostics of `loaded`.

    Places are relative to the project folder. `connect` opens its store and asks the endpoints of its models, too;
    --debug, or CHATKIT_DEBUG, shows what the project prints.
    """
    from runtime.cli.build_process.process import run_build

    argv = [sys.argv[0], "serve", str(path)]
    order = {"project": str(path), "connect": connect, "timeout_s": timeout_s, "argv": argv}
    ended = run_build(order, echo="--debug" in sys.argv or bool(os.environ.get("CHATKIT_DEBUG")))
    if ended.found is None:
        return [_no_end(ended, loaded)]
    known = {(each.code, each.place, each.path, each.severity) for each in loaded.diagnostics}
    found = [_from_json(values) for values in ended.found]
    return [each for each in found if (each.code, each.place, each.path, each.severity) not in known]


def _from_json(values: dict[str, object]) -> Diagnostic:
    place = Place(values.pop("file"), values.pop("line"), values.pop("column"))  # type: ignore[arg-type]  # as_json's
    return Diagnostic(place=place, **values)  # type: ignore[arg-type]  # as_json's


def _no_end(ended: Ended, loaded: LoadedProject) -> Diagnostic:
    """Say what became of a build that gave no report: at the line that it was at, where that is known."""
    place, length = _last_seen(ended, loaded)
    at = "" if place.line or not ended.doing else f" while it was {ended.doing}"
    if ended.timed_out:
        what = f"building the project takes longer than {ended.allowed_s:g} s"
        hint = "what waits or takes long belongs into a function; --timeout allows more"
    elif ended.left is not None:
        what, hint = f"building the project ends the process: os._exit({ended.left['status']})", ""
    elif ended.code < 0:
        what, hint = f"building the project crashes the process: {_signal(-ended.code)}", _words(ended)
        if not hint and -ended.code == getattr(signal, "SIGKILL", None):
            hint = "did it run out of memory?"
    else:
        what, hint = f"building the project ends the process with exit code {ended.code}", _words(ended)
    return Diagnostic("A611", what + at, place, hint=hint, length=length)


def _last_seen(ended: Ended, loaded: LoadedProject) -> tuple[Place, int]:
    """Return the innermost line of the project that ran in the main thread, with its length; else the file itself."""
    from runtime.project_code.import_errors import line_of_code

    sources = read_sources(loaded.root)
    # faulthandler escapes what is not ASCII, as ascii() does.
    files = {ascii(str(path))[1:-1]: path for path in sources.files}
    seen = [(found["file"], int(found["line"])) for found in _FRAME.finditer(_main_thread(ended.trace))]
    if ended.left is not None:
        seen = [(ascii(ended.left["file"])[1:-1], ended.left["line"])]
    for file, line in seen:
        if path := files.get(file):
            column, length = line_of_code(sources.files[path], line)
            return Place(path.relative_to(sources.root).as_posix(), line, column), length
    return Place(loaded.file.name), 1


def _main_thread(trace: str) -> str:
    """Return the frames of the thread that crashed; of several that run, the one that began first is the last."""
    blocks = re.split(r"^(?=(?:Current thread|Thread) )", trace, flags=re.MULTILINE)
    current = [block for block in blocks if block.startswith("Current thread")]
    return (current or blocks)[-1]


def _signal(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"


def _words(ended: Ended) -> str:
    """The last lines that the project has printed, as a hint."""
    lines = [line.strip() for line in ended.printed.splitlines() if line.strip()]
    return "it printed: " + " / ".join(lines[-_LAST_LINES:]) if lines else ""
