"""Try widgets in a child process that can't do anything else, and is ended when it takes too long or grows too large.

Jinja2's own sandbox keeps a template from objects, not from `{{ 9**(9**9) }}`: only the kernel ends that. One child
tries all widgets; when one of them is its end, the next begins at the widget after.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import importlib.util
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from runtime.widgets.trial import LimitExceeded, TrialFault, TrialInput, try_widget

_MAX_LINE = 256 * 1024
_MAX_ANSWER = 8 * 1024 * 1024

StopReason = Literal["", "time", "memory", "output", "refused", "crash", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLimits:
    """What trying one widget may take: seconds of the processor and of the clock, bytes; `total_s` is for all."""

    cpu_s: float = 1
    wall_s: float = 8
    total_s: float = 12
    memory: int = 256 * 1024 * 1024


@dataclass(slots=True)
class TrialResult:
    """What came of one widget: its `faults`, and the `reason` why that may not be all, in which `stage`."""

    faults: list[TrialFault] = field(default_factory=list)
    reason: StopReason = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class _Child:
    """A process that tries widgets and writes a line of JSON for each thing that it has to say."""

    pid: int
    lines: queue.Queue[bytes]
    reader: threading.Thread
    process: subprocess.Popen[bytes] | None

    def end(self) -> None:
        """Kill it, whatever it does, and wait until nothing of it is left."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self.reader.join()


def try_widgets(jobs: Sequence[TrialInput], limits: TrialLimits | None = None) -> list[TrialResult]:
    """Try each widget within its limits; nothing that a template does makes this raise or wait for long."""
    limits = limits or TrialLimits()
    results = [TrialResult() for _ in jobs]
    deadline = time.monotonic() + limits.total_s
    start = 0
    while start < len(jobs):
        if time.monotonic() >= deadline:
            for result in results[start:]:
                result.reason = "skipped"
            break
        start = _try_from(start, jobs, results, limits, deadline)
    return results


def _try_from(
    start: int, jobs: Sequence[TrialInput], results: list[TrialResult], limits: TrialLimits, deadline: float
) -> int:
    """Let one child try the widgets from `start` on; return the one that is next when it has ended."""
    child = _begin(jobs[start:], limits)
    try:
        for index in range(start, len(jobs)):
            if not _follow(child, results[index], min(time.monotonic() + limits.wall_s, deadline)):
                return index + 1
    finally:
        child.end()
    return len(jobs)


def _follow(child: _Child, result: TrialResult, deadline: float) -> bool:
    """Take what the child says of one widget; False when it will say nothing of the next."""
    while True:
        try:
            line = child.lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            # A template can't wait: where the kernel counts what it computes, it is the machine that is slow.
            result.reason = "skipped" if HAS_LIMITS else "time"
            return False
        said = _read(line)
        if said is None:
            result.reason = _why_ended(child)
            return False
        match said:
            case {"stage": str(stage)}:
                result.stage = stage
            case {"found": dict(found)}:
                result.faults.append(found)  # type: ignore[arg-type]  # JSON of our own making
            case {"done": reason}:
                result.reason = reason
                return True


def _read(line: bytes) -> Any:
    try:
        return json.loads(line) if line else None
    except ValueError:
        return None


def _why_ended(child: _Child) -> StopReason:
    """Tell why a child ended by itself: the kernel ends what uses up its time of the processor."""
    if child.process is not None:
        status = -child.process.wait()
    else:
        with contextlib.suppress(ChildProcessError):
            _, ended = os.waitpid(child.pid, 0)
            status = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0
            return "time" if status in (_signal("SIGXCPU"), _signal("SIGKILL")) else "crash"
        status = 0
    return "time" if status in (_signal("SIGXCPU"), _signal("SIGKILL")) else "crash"


def _signal(name: str) -> int:
    return int(getattr(signal, name, -1))


def _begin(jobs: Sequence[TrialInput], limits: TrialLimits) -> _Child:
    return _fork(jobs, limits) if _may_fork() else _spawn(jobs, limits)


def _may_fork() -> bool:
    """Whether a copy of this process is safe: of its threads, only one would live on in it."""
    if sys.platform != "linux" or threading.active_count() > 1:
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _prepare(jobs: Sequence[TrialInput]) -> None:
    _rehearse(sections=any('"sections"' in json.dumps(job["root"]) for job in jobs))


@functools.cache
def _rehearse(*, sections: bool) -> None:
    """Do once what trying a widget does: whatever is imported, or made, when it is first needed is needed for this."""
    load_all()
    tree = {"type": "Card", "children": [{"type": "Text", "value": "x {{ a | tojson }}"}], "sise": 1}
    data = {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "required": ["b"]}
    shorthand = {"type": "sections", "sections": [{"type": "table", "rows": "{{ a }}"}]}
    jobs = (
        *((TrialInput(root=shorthand, data=None, copy_text=None, sample={"a": []}),) if sections else ()),
        TrialInput(root=tree, data=None, copy_text="{{ a }}", sample={"a": "x"}),
        TrialInput(root=tree, data=None, copy_text="{{ a.b }}", sample={"a": "x"}),
        TrialInput(root={"version": "1.0", "template": "{{ a | tojson }}"}, data=data, copy_text=None, sample={}),
        TrialInput(
            root={"version": "1.0", "template": "{% if a.b %}{% endif %}"}, data=None, copy_text=None, sample={"a": 1}
        ),
    )
    for job in jobs:
        list(try_widget(job, lambda stage: None))


def _fork(jobs: Sequence[TrialInput], limits: TrialLimits) -> _Child:
    _prepare(jobs)
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        # Nothing of the parent may run in here: no handler, no `finally` and no `atexit` of its callers.
        try:
            os.close(readable)
            run_child(jobs, limits, writable)
        finally:
            os._exit(0)
    os.close(writable)
    return _listen(pid, os.fdopen(readable, "rb"), None)


def _spawn(jobs: Sequence[TrialInput], limits: TrialLimits) -> _Child:
    here = str(Path(__file__).parents[2])
    # The folder that the command was started in may be a stranger's project.
    paths = [path for path in sys.path if path and os.path.realpath(path) != os.path.realpath(os.curdir)]
    code = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from runtime.widgets.sandbox import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", code, json.dumps([*paths, here])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError), process.stdin as stdin:
        stdin.write(json.dumps({"jobs": jobs, "limits": [limits.cpu_s, limits.memory]}).encode())
    return _listen(process.pid, process.stdout, process)


def main() -> None:
    """Be the child that is started anew rather than copied."""
    asked = json.loads(sys.stdin.buffer.read())
    cpu_s, memory = asked["limits"]
    _prepare(asked["jobs"])
    run_child(asked["jobs"], TrialLimits(cpu_s=cpu_s, memory=memory), sys.stdout.fileno())
    os._exit(0)


def _listen(pid: int, stream: IO[bytes], process: subprocess.Popen[bytes] | None) -> _Child:
    lines: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        with stream:
            left = _MAX_ANSWER
            while left > 0 and (line := stream.readline(_MAX_LINE)):
                left -= len(line)
                lines.put(line)
        lines.put(b"")

    reader = threading.Thread(target=read, name="widget-trial", daemon=True)
    reader.start()
    return _Child(pid, lines, reader, process)


def run_child(jobs: Sequence[TrialInput], limits: TrialLimits, writable: int) -> None:
    """Try the widgets, in the child; never returns by an exception."""

    def say(said: dict[str, Any]) -> None:
        os.write(writable, json.dumps(said).encode() + b"\n")

    close_cage(limits.memory)
    for job in jobs:
        give_time(limits.cpu_s)
        say({"done": _try_one(job, say)})


def _try_one(job: TrialInput, say: Callable[[dict[str, Any]], None]) -> StopReason:
    refused.clear()
    try:
        for found in _stages(job, say):
            if refused:  # then this says nothing of the widget
                return "refused"
            say({"found": found})
    except LimitExceeded as error:
        return "memory" if error.what == "memory" else "output"
    except MemoryError:
        return "memory"
    except Exception:
        return "refused" if refused else "crash"
    return "refused" if refused else ""


def _stages(job: TrialInput, say: Callable[[dict[str, Any]], None]) -> Iterator[TrialFault]:
    return try_widget(job, lambda stage: say({"stage": stage}))


# What a process gives up before it renders a stranger's template: files, sockets, processes, memory, time.

_REFUSED = (
    *("open", "os.", "shutil.", "tempfile.", "glob.", "pathlib.", "mmap.", "fcntl.", "pty.", "sqlite3."),
    *("socket.", "subprocess.", "urllib.", "ftplib.", "http.", "smtplib.", "webbrowser.", "_posixsubprocess."),
    *("ctypes.", "import", "marshal.", "pickle.", "code.", "gc.", "sys._getframe", "winreg.", "msvcrt.", "_winapi."),
)
HAS_LIMITS = importlib.util.find_spec("resource") is not None
"""Whether the kernel limits what a process takes, as it does but on Windows."""
_HARMLESS = frozenset({"code.__new__", "sys._getframe"})


def load_all() -> None:
    """Import whatever trying a widget may need: later, no file can be opened."""
    for name in ("html", "pprint", "textwrap", "jinja2.async_utils", "jinja2.constants", "jinja2.debug"):
        importlib.import_module(name)
    for name in ("ascii", "idna", "latin-1", "unicode_escape", "utf-8", "utf-16"):
        codecs.lookup(name)


def close_cage(memory: int) -> None:
    """Give up all but `memory` bytes more than there are in use, and the streams that are open."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process ends it
    if "faulthandler" in sys.modules:
        sys.modules["faulthandler"].disable()
    with suppress(ImportError):
        _limit(memory)
    sys.addaudithook(_refuse)


def give_time(cpu_s: float) -> None:
    """Let the kernel end this process when it has computed for `cpu_s` seconds more."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = math.ceil(used.ru_utime + used.ru_stime + cpu_s)
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit(memory: int) -> None:
    import resource

    for name, most in (("CORE", 0), ("FSIZE", 0), ("NPROC", 0), ("AS", _in_use() + memory), ("NOFILE", 0)):
        kind = getattr(resource, f"RLIMIT_{name}", None)
        if kind is not None:
            # A limit that stands already may be lower, and some systems have no such limit.
            with suppress(OSError, ValueError):
                resource.setrlimit(kind, (most, most))


def _in_use() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 1024 * 1024 * 1024


refused: list[str] = []
"""What was asked for in vain since the cage was closed."""


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED) and event not in _HARMLESS:
        refused.append(event)
        raise PermissionError(f"a widget's template can't do this: {event}")
