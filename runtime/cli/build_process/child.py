"""The child of `validate --import`: it builds a project as `serve` does, and sends its parent the diagnostics.

The pipe to the parent is standard output, which is moved to a descriptor of its own before any of the project's Python
runs: what the project prints goes to standard error. Each line is a JSON object with one key, or from faulthandler.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runtime.diagnostics.diagnostic import Diagnostic
from runtime.resources.child_process import CPU_LIMIT_SIGNAL, HAS_CPU_LIMIT, limit_cpu_time, limit_resources
from runtime.sdk_internals import run_exit_functions

if TYPE_CHECKING:
    from runtime.server.generations.project_source import ProjectSource
    from runtime.server.runtime import Runtime

CONNECTING_S = 15.0
"""How much longer than a build, in seconds, a build with connections may take: endpoints have 10 s to answer."""
_CLOSING_S = 1.0
_BUG = 3


class ParentPipe:
    """The pipe to the parent; only the child itself writes to it, and no fork of it."""

    def __init__(self) -> None:
        """Take over standard output."""
        self.descriptor, self._process = os.dup(1), os.getpid()
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper at this point

    @property
    def is_ours(self) -> bool:
        """Whether this process is the child, rather than a fork that the project has made of it."""
        return os.getpid() == self._process

    def send(self, key: str, value: Any) -> None:
        """Write one message; do nothing where the parent, or the descriptor, is gone."""
        rest = memoryview(json.dumps({key: value}).encode() + b"\n") if self.is_ours else memoryview(b"")
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except OSError:
            return


def main(request: Mapping[str, Any]) -> NoReturn:
    """Build `project`, and `connect`, within `cpu_s` and `wall_s` seconds, with the `argv` that `serve` would have."""
    pipe = ParentPipe()
    sys.argv = list(request["argv"])
    limit_resources(CORE=0)
    faulthandler.enable(pipe.descriptor, all_threads=False)
    exit_process = os._exit
    try:
        diagnostics, runtime = _build(request, pipe)
        if runtime is not None and pipe.is_ours and request["connect"]:
            diagnostics, runtime = [*diagnostics, *_connect(runtime, request, pipe)], None
        faulthandler.cancel_dump_traceback_later()
        pipe.send("diagnostics", [diagnostic.as_json() for diagnostic in diagnostics])
        if pipe.is_ours:
            _close(runtime)
    except BaseException:
        traceback.print_exc()
        exit_process(_BUG)
    # Threads that the project has started would keep the process alive.
    exit_process(0)


def _build(request: Mapping[str, Any], pipe: ParentPipe) -> tuple[Sequence[Diagnostic], Runtime | None]:
    # Imported before the limits apply: the time to import the SDKs is not the project's.
    from runtime.server.generations.project_source import read_project
    from runtime.server.preflight import try_build

    source = read_project(Path(request["project"]).absolute(), None)
    _report_activity(source, pipe)
    if HAS_CPU_LIMIT:
        faulthandler.register(CPU_LIMIT_SIGNAL, file=pipe.descriptor, all_threads=True, chain=True)
    _limit_time(request["cpu_s"], request["wall_s"], pipe)
    return try_build(source)


def _connect(runtime: Runtime, request: Mapping[str, Any], pipe: ParentPipe) -> Sequence[Diagnostic]:
    from runtime.server.preflight import try_connections

    pipe.send("activity", "opening it")
    _limit_time(request["cpu_s"], request["wall_s"] + CONNECTING_S, pipe)
    return asyncio.run(try_connections(runtime))


def _limit_time(cpu_s: float, wall_s: float, pipe: ParentPipe) -> None:
    pipe.send("started", wall_s)
    limit_cpu_time(cpu_s)
    faulthandler.dump_traceback_later(wall_s, exit=True, file=pipe.descriptor)


def _report_activity(source: ProjectSource, pipe: ParentPipe) -> None:
    """Send the name of each file that begins to run, and the line that calls `os._exit`, which leaves no traceback."""
    files = {str(path) for path in source.code.files}

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec":
            code = arguments[0]
            if getattr(code, "co_name", "") == "<module>" and code.co_filename in files:
                name = Path(code.co_filename).relative_to(source.code.root).as_posix()
                pipe.send("activity", f"importing {name!r}")

    def exit_process(status: int) -> NoReturn:
        frame = sys._getframe(1)
        while frame.f_code.co_filename not in files and frame.f_back is not None:
            frame = frame.f_back
        pipe.send("exited", {"status": status, "file": frame.f_code.co_filename, "line": frame.f_lineno})
        original(status)

    original, os._exit = os._exit, exit_process
    sys.addaudithook(audit)


def _close(runtime: Runtime | None) -> None:
    """Close what the project has opened, in the time that the parent allows."""
    if runtime is not None:
        asyncio.run(runtime.close(grace_s=_CLOSING_S))
    run_exit_functions()
