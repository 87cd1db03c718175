"""Run the build of a project in a process of its own, with a time limit, and see how it ends.

The child leads a process group, which is killed in the end: nothing that the project has started stays behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from runtime.sdk_internals import interpreter_flags

_BOOT = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order['sys_path']; "
    "from runtime.cli.build_process.child import main; main(order)"
)
_START_S = 120.0
"""How long, in seconds, the child may take to import the SDKs, on however busy a machine."""
_GRACE_S = 2.0
"""How much later than the child's own watchdog the parent kills it, and how long it may take to close what it made."""
_PRINTED = 16_384
"""How many bytes of what the project prints are kept."""


@dataclass(slots=True)
class Ended:
    """How a build ended: `found` are its diagnostics, as JSON, and None where it never came to its end.

    `doing` is what it said last, `left` who called `os._exit`, `trace` what faulthandler has written, `code` the exit
    code or the negative number of a signal, `printed` the end of what the project has printed.
    """

    found: list[dict[str, Any]] | None = None
    allowed_s: float = _START_S
    timed_out: bool = False
    doing: str = ""
    left: Mapping[str, Any] | None = None
    trace: str = ""
    code: int = 0
    printed: str = ""

    def hear(self, line: bytes) -> None:
        """Take a line of the child in."""
        text = line.decode("utf-8", "replace")
        try:
            ((key, value),) = json.loads(text).items()
        except (ValueError, AttributeError):
            self.trace += text
            # faulthandler ends the child after that.
            self.timed_out = self.timed_out or text.startswith("Timeout (")
            return
        if key == "found":
            self.found = value
        elif key == "begun":
            self.allowed_s = value
        elif key == "doing":
            self.doing = value
        elif key == "left":
            self.left = value


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    lines: queue.SimpleQueue[bytes | None] = field(default_factory=queue.SimpleQueue)
    printed: bytearray = field(default_factory=bytearray)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, echo: bool) -> None:
        """Read what the child writes, and wait for its end, in threads of their own."""
        for work in (self._read_lines, lambda: self._read_printed(echo), self._wait):
            thread = threading.Thread(target=work, daemon=True, name="build of the project")
            thread.start()
            self.threads.append(thread)

    def kill(self) -> None:
        """End the child and whatever it has started."""
        if sys.platform == "win32":
            self.process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def finish(self) -> None:
        """Wait for its last words; a process that got out of the group may hold the pipes for ever."""
        for thread in self.threads:
            thread.join(_GRACE_S)

    def _read_lines(self) -> None:
        with _stream(self.process.stdout) as lines:
            for line in lines:
                self.lines.put(line)

    def _read_printed(self, echo: bool) -> None:
        with _stream(self.process.stderr) as lines:
            for line in lines:
                self.printed += line
                del self.printed[:-_PRINTED]
                if echo:
                    sys.stderr.write(line.decode("utf-8", "replace"))

    def _wait(self) -> None:
        self.process.wait()
        self.lines.put(None)


def run_build(order: Mapping[str, Any], *, echo: bool = False) -> Ended:
    """Run the child with this order; see runtime/cli/build_process/child.py. `echo` shows what the project prints."""
    command = [sys.executable, *interpreter_flags(), "-P", "-c", _BOOT]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    child, ended = _Child(process), Ended()
    try:
        child.begin(echo)
        with contextlib.suppress(BrokenPipeError), _stream(process.stdin) as way:
            way.write(json.dumps({**order, "sys_path": sys.path}).encode())
        _listen(child, ended)
    finally:
        # Also on Ctrl-C: the child is in no terminal's foreground, and would go on.
        child.kill()
        child.finish()
    while not child.lines.empty():
        ended.hear(child.lines.get() or b"")
    ended.code = process.returncode or 0
    ended.printed = child.printed.decode("utf-8", "replace")
    return ended


def _listen(child: _Child, ended: Ended) -> None:
    """Hear the child out until it ends, or for as long as it may take."""
    deadline = time.monotonic() + _START_S
    while True:
        try:
            line = child.lines.get(timeout=max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            ended.timed_out = ended.found is None
            return
        if line is None:
            return
        ended.hear(line)
        if line.startswith(b'{"begun"'):
            deadline = time.monotonic() + ended.allowed_s + _GRACE_S
        elif line.startswith(b'{"found"'):
            deadline = time.monotonic() + _GRACE_S


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
