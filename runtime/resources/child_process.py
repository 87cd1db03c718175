"""Run code that may hang, crash or use too much in a child process, and return how the child ended as data.

A child writes lines to a pipe, and leads a session of its own, so that nothing it has started outlives it. A limit of
CPU time ends a child that computes for too long, on however busy a machine; a deadline of the caller ends one that
waits. The child itself calls the functions `limit_...`, before it runs anything that is not trusted.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Self

_MAX_OUTPUT = 16 * 1024 * 1024
_MAX_PRINTED = 16 * 1024
_PIPE_GRACE_S = 2.0

HAS_CPU_LIMIT = hasattr(signal, "setitimer")
"""Whether the kernel can limit the CPU time of a process: everywhere but on Windows."""
CPU_LIMIT_SIGNAL = int(getattr(signal, "SIGPROF", 0))
"""The signal that ends a process when its CPU time is used up; 0 on Windows."""


class ChildProcess:
    """A child process; leaving its context kills it with everything that it has started.

    `exit_code` is the exit status, or the negative number of a signal; None while the child runs.
    """

    def __init__(
        self, pid: int, wait: Callable[[], int], lines: IO[bytes], stderr: IO[bytes] | None, echo: bool
    ) -> None:
        """Follow a process that has been started: see `start` and `fork`."""
        self.pid = pid
        self.exit_code: int | None = None
        self._wait = wait
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._printed = bytearray()
        self._readers = [_start_thread(lambda: self._read_lines(lines))]
        if stderr is not None:
            self._readers.append(_start_thread(lambda: self._read_printed(stderr, echo)))
        self._waiter = _start_thread(self._wait_for_end)

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        message: bytes,
        *,
        env: Mapping[str, str] | None = None,
        keep_stderr: bool = False,
        echo: bool = False,
    ) -> Self:
        """Start a command with `message` on its standard input; it writes its lines to standard output.

        Standard error is discarded unless `keep_stderr`; `echo` copies it to this process's own as well.
        """
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keep_stderr else subprocess.DEVNULL,
            env=env,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        child = cls(process.pid, process.wait, process.stdout, process.stderr, echo)
        try:
            with suppress(OSError), process.stdin as stdin:
                stdin.write(message)
        except BaseException:
            child.kill()
            raise
        return child

    @classmethod
    def fork(cls, run: Callable[[int], object]) -> Self:
        """Fork this process; the child calls `run` with the descriptor to write its lines to. See `can_fork`."""
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            # Nothing of the parent may run in the child: no handler, no `finally` and no `atexit` of its callers.
            try:
                os.setsid()
                os.close(readable)
                run(writable)
            finally:
                os._exit(0)
        os.close(writable)
        lines = os.fdopen(readable, "rb")
        return cls(pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), lines, None, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def printed(self) -> str:
        """The last 16 KiB of what the child has written to standard error."""
        return self._printed.decode("utf-8", "replace")

    @property
    def used_up_cpu_time(self) -> bool:
        """Whether the child has ended at its limit of CPU time."""
        return HAS_CPU_LIMIT and self.exit_code == -CPU_LIMIT_SIGNAL

    def read_line(self, deadline: float) -> bytes | None:
        """Return the next line, or None when the child has ended; raises TimeoutError at `deadline` (monotonic)."""
        try:
            return self._lines.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            raise TimeoutError from None

    def kill(self) -> None:
        """End the child with everything that it has started, and wait until it has ended."""
        if self.exit_code is None:
            self._kill_group()
        self._waiter.join()

    def _kill_group(self) -> None:
        if sys.platform == "win32":
            with suppress(OSError):
                os.kill(self.pid, signal.SIGTERM)
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read_lines(self, stream: IO[bytes]) -> None:
        left = _MAX_OUTPUT
        with stream:
            while left > 0 and (line := stream.readline(left)):
                left -= len(line)
                self._lines.put(line)

    def _read_printed(self, stream: IO[bytes], echo: bool) -> None:
        with stream:
            for line in stream:
                self._printed += line
                del self._printed[:-_MAX_PRINTED]
                if echo:
                    sys.stderr.write(line.decode("utf-8", "replace"))

    def _wait_for_end(self) -> None:
        self.exit_code = self._wait()
        self._kill_group()
        for reader in self._readers:
            # A process that has left the group may hold a pipe open for ever.
            reader.join(_PIPE_GRACE_S)
        self._lines.put(None)


def can_fork() -> bool:
    """Return whether a fork of this process is safe: only one of its threads would live on in the child."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def limit_cpu_time(seconds: float) -> None:
    """Let the kernel end this process when it has computed for `seconds` more; a later call replaces the limit."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def limit_resources(**limits: int) -> None:
    """Set limits of this process for good, such as `NOFILE=0`: the names are those of `resource` without RLIMIT_."""
    if sys.platform == "win32":
        return
    import resource

    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            # The present limit may be lower, and some systems refuse some limits.
            with suppress(OSError, ValueError):
                resource.setrlimit(kind, (value, value))


def memory_in_use() -> int:
    """Return the bytes of address space that this process has, or 1 GiB where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 1024 * 1024 * 1024


def _start_thread(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="child process", daemon=True)
    thread.start()
    return thread
