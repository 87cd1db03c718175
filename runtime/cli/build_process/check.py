"""`validate --import`: build a project in a child process, in which its code may hang, crash or end the process."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.project_code.sources import read_sources
from runtime.resources.child_process import ChildProcess
from runtime.sdk_internals import interpreter_flags

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject

_CHILD_CODE = (
    "import json, sys; request = json.load(sys.stdin); sys.path[:] = request['sys_path']; "
    "from runtime.cli.build_process.child import main; main(request)"
)
_START_S = 120.0
"""How long, in seconds, the child may take to import the SDKs."""
_WALL_FACTOR = 3
"""How many times its CPU time a build may last, so that one that waits ends and one on a busy machine does not."""
_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+)', re.MULTILINE)
_LAST_LINES = 3


def check_build(
    path: Path,
    loaded: LoadedProject,
    *,
    timeout_s: float,
    connect: bool,
    wall_s: float | None = None,
    grace_s: float = 2.0,
) -> list[Diagnostic]:
    """Build the project at `path`; return its diagnostics, without those that `loaded` has already.

    Places are relative to the project folder. `connect` opens the store and asks the endpoints of the models as well.
    The build may use `timeout_s` seconds of CPU time and last `wall_s` seconds, by default three times as many;
    `grace_s` later it is killed. With --debug or CHATKIT_DEBUG the output of the project is shown.
    """
    request = {
        "project": str(path),
        "connect": connect,
        "cpu_s": timeout_s,
        "wall_s": _WALL_FACTOR * timeout_s if wall_s is None else wall_s,
        "argv": [sys.argv[0], "serve", str(path)],
        "sys_path": sys.path,
    }
    result = _run(request, grace_s, echo="--debug" in sys.argv or bool(os.environ.get("CHATKIT_DEBUG")))
    if result.diagnostics is None:
        return [_explain_end(result, loaded)]
    known = {_identity(diagnostic) for diagnostic in loaded.diagnostics}
    diagnostics: list[Diagnostic] = []
    for values in result.diagnostics:
        place = Place(values.pop("file"), values.pop("line"), values.pop("column"))
        diagnostics.append(Diagnostic(place=place, **values))
    return [diagnostic for diagnostic in diagnostics if _identity(diagnostic) not in known]


def _identity(diagnostic: Diagnostic) -> tuple[object, ...]:
    return diagnostic.code, diagnostic.place, diagnostic.path, diagnostic.severity


@dataclass(slots=True)
class _BuildResult:
    """What a build has sent: its `diagnostics` as JSON, None where it never finished.

    `activity` is what it did last, `exited` the call of `os._exit`, `trace` the output of faulthandler. `exit_code` and
    `printed` are those of the process; `limit` is the one that ended it.
    """

    diagnostics: list[dict[str, Any]] | None = None
    activity: str = ""
    exited: Mapping[str, Any] | None = None
    trace: str = ""
    wall_s: float = _START_S
    is_late: bool = False
    limit: str = ""
    exit_code: int = 0
    printed: str = ""

    def receive(self, line: bytes) -> str:
        """Store a line of the child; return which kind of message it is, empty for a line of faulthandler."""
        text = line.decode("utf-8", "replace")
        try:
            ((kind, value),) = json.loads(text).items()
        except (ValueError, AttributeError):
            self.trace += text
            # faulthandler ends the child after this line and the frames.
            self.is_late = self.is_late or text.startswith("Timeout (")
            return ""
        match kind:
            case "diagnostics":
                self.diagnostics = value
            case "started":
                self.wall_s = value
            case "activity":
                self.activity = value
            case "exited":
                self.exited = value
        return str(kind)


def _run(request: Mapping[str, Any], grace_s: float, *, echo: bool) -> _BuildResult:
    """Run the child with a request, which runtime/cli/build_process/child.py describes, until it ends or is late."""
    command = [sys.executable, *interpreter_flags(), "-P", "-c", _CHILD_CODE]
    result = _BuildResult()
    with ChildProcess.start(command, json.dumps(request).encode(), keep_stderr=True, echo=echo) as child:
        _receive_all(child, result, grace_s)
    if child.used_up_cpu_time:
        result.limit = f"{request['cpu_s']:g} s of CPU time"
    elif result.is_late:
        result.limit = f"{result.wall_s:g} s"
    result.exit_code, result.printed = child.exit_code or 0, child.printed
    return result


def _receive_all(child: ChildProcess, result: _BuildResult, grace_s: float) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            line = child.read_line(deadline)
        except TimeoutError:
            result.is_late = result.diagnostics is None
            child.kill()  # the lines that it has sent remain to be read
            continue
        if line is None:
            return
        match result.receive(line):
            case "started":
                deadline = time.monotonic() + result.wall_s + grace_s
            case "diagnostics":
                deadline = time.monotonic() + grace_s


def _explain_end(result: _BuildResult, loaded: LoadedProject) -> Diagnostic:
    """Return the diagnostic of a build that never finished: at the line that was running, where that is known."""
    place, length = _last_line(result, loaded)
    during = "" if place.line or not result.activity else f" while {result.activity}"
    if result.limit:
        message = f"building the project takes longer than {result.limit}"
        hint = "move what waits or takes long into a function, or raise --timeout"
    elif result.exited is not None:
        message, hint = f"building the project ends the process: os._exit({result.exited['status']})", ""
    elif result.exit_code < 0:
        message = f"building the project crashes the process: {_signal_text(-result.exit_code)}"
        hint = _last_output(result)
        if not hint and -result.exit_code == getattr(signal, "SIGKILL", None):
            hint = "did it run out of memory?"
    else:
        message = f"building the project ends the process with exit code {result.exit_code}"
        hint = _last_output(result)
    return Diagnostic("A611", message + during, place, hint=hint, length=length)


def _last_line(result: _BuildResult, loaded: LoadedProject) -> tuple[Place, int]:
    """Return the innermost line of the project that was running, and its length; else the file itself."""
    from runtime.project_code.import_errors import line_of_code

    sources = read_sources(loaded.root)
    # faulthandler escapes what is not ASCII, as ascii() does.
    files = {_escape(str(path)): path for path in sources.files}
    frames = [(frame["file"], int(frame["line"])) for frame in _FRAME.finditer(_thread_of(result.trace))]
    if result.exited is not None:
        frames = [(_escape(result.exited["file"]), result.exited["line"])]
    for file, line in frames:
        if path := files.get(file):
            column, length = line_of_code(sources.files[path], line)
            return Place(path.relative_to(sources.root).as_posix(), line, column), length
    return Place(loaded.file.name), 1


def _escape(file: str) -> str:
    return ascii(file)[1:-1]


def _thread_of(trace: str) -> str:
    """Return the frames of the thread that crashed or used up the time, else of the main thread, which is the last."""
    blocks = re.split(r"^(?=(?:Current thread|Thread) )", trace, flags=re.MULTILINE)
    current = [block for block in blocks if block.startswith("Current thread")]
    return (current or blocks)[-1]


def _signal_text(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"


def _last_output(result: _BuildResult) -> str:
    lines = [line.strip() for line in result.printed.splitlines() if line.strip()]
    return "it printed: " + " / ".join(lines[-_LAST_LINES:]) if lines else ""
