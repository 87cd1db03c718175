"""The child of `validate --import`: it builds a project as `serve` does, and tells its parent what is wrong with it.

What was standard output is the way to the parent. Before any of the project's Python runs, it gets a descriptor of its
own, and whatever the project prints goes to standard error. Each line is a JSON object with one key; what is none comes
from faulthandler.
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
from runtime.sdk_internals import run_exit_functions

if TYPE_CHECKING:
    from runtime.server.generations.project_source import ProjectSource
    from runtime.server.runtime import Runtime

CONNECTING_S = 15.0
"""How much longer than a build, in seconds, a build with connections may take: endpoints have 10 s to answer."""
_CLOSING_S = 1.0
_BUG = 3


class Channel:
    """The way to the parent, for this process alone: a fork of it has nothing to say."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self._process = descriptor, os.getpid()

    @classmethod
    def open(cls) -> Channel:
        """Take over standard output."""
        channel = cls(os.dup(1))
        os.dup2(2, 1)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a TextIOWrapper at this point
        return channel

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that was started to build, and no fork of it."""
        return os.getpid() == self._process

    def send(self, key: str, value: Any) -> None:
        """Write one message; nothing where the parent, or the descriptor, is gone."""
        rest = memoryview(json.dumps({key: value}).encode() + b"\n") if self.is_ours else memoryview(b"")
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except OSError:
            return


def main(order: Mapping[str, Any]) -> NoReturn:
    """Do what the parent asks: `project`, `connect`, `timeout_s`, and the `argv` that `serve` would have."""
    channel = Channel.open()
    sys.argv = list(order["argv"])
    _leave_no_core()
    faulthandler.enable(channel.descriptor, all_threads=False)
    leave = os._exit
    try:
        found, runtime = _build(Path(order["project"]), channel, order["timeout_s"])
        if runtime is not None and channel.is_ours and order["connect"]:
            found, runtime = [*found, *_connect(runtime, channel, order["timeout_s"])], None
        faulthandler.cancel_dump_traceback_later()
        channel.send("found", [diagnostic.as_json() for diagnostic in found])
        if channel.is_ours:
            _close(runtime)
    except BaseException:
        traceback.print_exc()
        leave(_BUG)
    # Threads that the project has left running would keep the process.
    leave(0)


def _build(path: Path, channel: Channel, timeout_s: float) -> tuple[Sequence[Diagnostic], Runtime | None]:
    # The SDKs are not the project's: the time that they take to import is not counted.
    from runtime.server.generations.project_source import read_project
    from runtime.server.preflight.build import try_build

    source = read_project(path.absolute(), None)
    _watch(source, channel)
    channel.send("begun", timeout_s)
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=channel.descriptor)
    return try_build(source)


def _connect(runtime: Runtime, channel: Channel, timeout_s: float) -> Sequence[Diagnostic]:
    from runtime.server.preflight.connect import try_connections

    allowed = timeout_s + CONNECTING_S
    channel.send("begun", allowed)
    channel.send("doing", "opening it")
    faulthandler.dump_traceback_later(allowed, exit=True, file=channel.descriptor)
    return asyncio.run(try_connections(runtime))


def _watch(source: ProjectSource, channel: Channel) -> None:
    """Tell the parent which file runs, and who ends the process by `os._exit`, which leaves no other trace."""
    files = {str(path) for path in source.code.files}

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec":
            code = arguments[0]
            if getattr(code, "co_name", "") == "<module>" and code.co_filename in files:
                channel.send("doing", f"importing {_relative(code.co_filename, source)}")

    def leave(status: int) -> NoReturn:
        frame = sys._getframe(1)
        while frame.f_code.co_filename not in files and frame.f_back is not None:
            frame = frame.f_back
        channel.send("left", {"status": status, "file": frame.f_code.co_filename, "line": frame.f_lineno})
        really_leave(status)

    really_leave, os._exit = os._exit, leave
    sys.addaudithook(hear)


def _relative(filename: str, source: ProjectSource) -> str:
    return repr(Path(filename).relative_to(source.code.root).as_posix())


def _close(runtime: Runtime | None) -> None:
    """Let the project close what it has made, as far as it does so in the time that the parent gives it."""
    if runtime is not None:
        asyncio.run(runtime.close(grace_s=_CLOSING_S))
    run_exit_functions()


def _leave_no_core() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
