"""Run `chatkit-runtime`, pytest or a function `module:name` in a process forked from one with the SDKs imported.

A start costs 0.1 s, not 2 s. The parent of these processes is the fork server of `multiprocessing`; it is started once
per test process. What a test needs to know about imports themselves still has to start an interpreter of its own.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import TextIO

PRELOADED = (
    "runtime.__main__",
    "runtime.autoreload.autoreload",
    "runtime.cli.app",
    "runtime.cli.commands.serve",
    "runtime.server.runtime",
    "runtime.stores.sql",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)


class ForkedProcess:
    """A running command; has the part of `subprocess.Popen` that the tests use. stderr is merged into `stdout`."""

    def __init__(
        self, arguments: Sequence[str], folder: Path, environ: Mapping[str, str], program: str = "chatkit-runtime"
    ) -> None:
        reader, writer = _context().Pipe(duplex=False)
        command = (program, *arguments)
        self._process = _context().Process(target=_run, args=(command, str(folder), dict(environ), writer))
        self._process.start()
        writer.close()
        self.stdout: TextIO = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        reader.close()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Send a signal; does nothing if the process has ended."""
        # The fork server reaps it, and may not have told of its end yet.
        if self._process.is_alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the end and return the exit code; that of a process ended by a signal is negative."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _run(command: tuple[str, ...], folder: str, environ: dict[str, str], output: Connection) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1, closefd=False)
    sys.argv = list(command)
    # As `python -m` has it.
    sys.path.insert(0, folder)

    try:
        code = _call(command)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(code)


def _call(command: tuple[str, ...]) -> int:
    if command[0] == "pytest":
        import pytest

        return int(pytest.main(list(command[1:])))
    if ":" in command[0]:
        module, _, function = command[0].partition(":")
        return int(getattr(importlib.import_module(module), function)(*command[1:]))
    from runtime.__main__ import main

    return main()
