"""Try widgets in a child process that can only compute, and is killed when it uses too much CPU time or memory.

Jinja2's sandbox keeps a template from Python objects, but only the kernel ends `{{ 9**(9**9) }}`. One child tries all
widgets; when a widget ends it, another child continues with the next widget.
"""

from __future__ import annotations

import codecs
import functools
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runtime.resources.child_process import (
    HAS_CPU_LIMIT,
    ChildProcess,
    can_fork,
    limit_cpu_time,
    limit_resources,
    memory_in_use,
)
from runtime.resources.patterns import LimitedPattern
from runtime.widgets.trial import LimitExceeded, TrialFault, TrialInput, try_widget

StopReason = Literal["", "time", "memory", "output", "refused", "crash", "skipped"]
Send = Callable[[dict[str, Any]], None]
_CHILD_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from runtime.widgets.sandbox import main; main()"
)
_WALL_PER_CPU_S = 8
"""How many seconds of wall time stand in for one of CPU time where the kernel does not count that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLimits:
    """What trying widgets may use: seconds of CPU time for each and for all, bytes of memory.

    `wall_s` is for all of them, and generous: a template cannot wait, so that only a busy machine reaches it.
    """

    cpu_s: float = 2
    total_cpu_s: float = 12
    wall_s: float = 120
    memory: int = 256 * 1024 * 1024


@dataclass(slots=True)
class TrialResult:
    """The result for one widget: its `faults`, and the `reason` why there may be more, in which `stage`."""

    faults: list[TrialFault] = field(default_factory=list)
    reason: StopReason = ""
    stage: str = ""


def try_widgets(
    widgets: Sequence[TrialInput], limits: TrialLimits | None = None, *, fork: bool | None = None
) -> list[TrialResult]:
    """Try each widget within its limits; no template makes this raise, or take much longer than the limits.

    `fork` chooses between a fork of this process, which is fast, and a new interpreter; by default, what is safe.
    """
    limits = limits or TrialLimits()
    fork = can_fork() if fork is None else fork
    results = [TrialResult() for _ in widgets]
    cpu_left_s, deadline = limits.total_cpu_s, time.monotonic() + limits.wall_s
    index = 0
    while index < len(widgets) and cpu_left_s > 0 and time.monotonic() < deadline:
        with _start_child(widgets[index:], limits, fork=fork) as child:
            while index < len(widgets) and cpu_left_s > 0:
                used_s = _receive(child, results[index], limits, deadline)
                index += 1
                cpu_left_s -= limits.cpu_s if used_s is None else used_s
                if used_s is None:
                    break
    for result in results[index:]:
        result.reason = "skipped"
    return results


def _receive(child: ChildProcess, result: TrialResult, limits: TrialLimits, deadline: float) -> float | None:
    """Receive the result for one widget; return the CPU time that it used, None where the child ended on it."""
    if not HAS_CPU_LIMIT:
        deadline = min(deadline, time.monotonic() + _WALL_PER_CPU_S * limits.cpu_s)
    while True:
        try:
            line = child.read_line(deadline)
        except TimeoutError:
            # A template cannot wait: where CPU time is counted, the machine is slow rather than the widget.
            result.reason = "skipped" if HAS_CPU_LIMIT else "time"
            return None
        if line is None:
            result.reason = _why_ended(child)
            return None
        match _parse(line):
            case {"stage": str(stage)}:
                result.stage = stage
            case {"fault": dict(fault)}:
                result.faults.append(fault)  # type: ignore[arg-type]  # as `try_one` has sent it
            case {"reason": reason, "cpu_s": float(used_s)}:
                result.reason = reason
                return used_s


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # a child may be killed in the middle of a line


def _why_ended(child: ChildProcess) -> StopReason:
    if child.used_up_cpu_time:
        return "time"
    # Only the kernel sends SIGKILL here, where it is out of memory.
    return "memory" if HAS_CPU_LIMIT and child.exit_code == -signal.SIGKILL else "crash"


def _start_child(widgets: Sequence[TrialInput], limits: TrialLimits, *, fork: bool) -> ChildProcess:
    if fork:
        _prepare(widgets)
        return ChildProcess.fork(lambda pipe: _run_child(widgets, limits, pipe))
    # The current directory may be a project that is not trusted: nothing is imported from there.
    paths = [path for path in sys.path if path and os.path.realpath(path) != os.path.realpath(os.curdir)]
    path = json.dumps([*paths, str(Path(__file__).parents[2])])
    message = json.dumps({"widgets": widgets, "limits": {"cpu_s": limits.cpu_s, "memory": limits.memory}})
    env = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return ChildProcess.start([sys.executable, "-I", "-c", _CHILD_CODE, path], message.encode(), env=env)


def main() -> None:
    """Run as the child, in a new interpreter."""
    message = json.loads(sys.stdin.buffer.read())
    _prepare(message["widgets"])
    _run_child(message["widgets"], TrialLimits(**message["limits"]), sys.stdout.fileno())
    os._exit(0)


def _run_child(widgets: Sequence[TrialInput], limits: TrialLimits, pipe: int) -> None:
    def send(message: dict[str, Any]) -> None:
        os.write(pipe, json.dumps(message).encode() + b"\n")

    drop_privileges(limits.memory)
    for widget in widgets:
        limit_cpu_time(limits.cpu_s)
        start = time.process_time()
        reason = try_one(widget, send)
        send({"reason": reason, "cpu_s": time.process_time() - start})


def try_one(widget: TrialInput, send: Send) -> StopReason:
    """Try one widget in this process: send its stages and faults, and return why there may be more faults."""
    _refused_events.clear()
    try:
        for fault in try_widget(widget, lambda stage: send({"stage": stage})):
            if _refused_events:  # then the fault is that of the sandbox
                return "refused"
            send({"fault": fault})
    except LimitExceeded as error:
        return error.limit
    except MemoryError:
        return "memory"
    except Exception:
        return "refused" if _refused_events else "crash"
    return "refused" if _refused_events else ""


def _prepare(widgets: Sequence[TrialInput]) -> None:
    _import_all(sections=any('"sections"' in json.dumps(widget["root"]) for widget in widgets))
    if any('"pattern' in json.dumps(widget) for widget in widgets):
        # A large import, which few schemas need.
        LimitedPattern.compile("")


@functools.cache
def _import_all(*, sections: bool) -> None:
    """Import all that trying a widget may need, since later no file can be opened, by trying some widgets."""
    for name in ("html", "pprint", "textwrap", "jinja2.async_utils", "jinja2.constants", "jinja2.debug"):
        importlib.import_module(name)
    for name in ("ascii", "idna", "latin-1", "unicode_escape", "utf-8", "utf-16"):
        codecs.lookup(name)
    tree = {"type": "Card", "children": [{"type": "Text", "value": "x {{ a | tojson }}"}], "sise": 1}
    data = {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "required": ["b"]}
    card = {"type": "sections", "sections": [{"type": "table", "rows": "{{ a }}"}]}
    for widget in (
        *((_widget(card, {"a": []}),) if sections else ()),
        _widget(tree, {"a": "x"}, copy_text="{{ a }}"),
        _widget(tree, {"a": "x"}, copy_text="{{ a.b }}"),
        _widget({"version": "1.0", "template": "{{ a | tojson }}"}, {}, data=data),
        _widget({"version": "1.0", "template": "{% if a.b %}{% endif %}"}, {"a": 1}),
    ):
        list(try_widget(widget, lambda _: None))


def _widget(
    root: Any, sample: dict[str, Any], *, data: dict[str, Any] | None = None, copy_text: str | None = None
) -> TrialInput:
    return TrialInput(root=root, data=data, copy_text=copy_text, sample=sample)


_REFUSED_PREFIXES = (
    *("open", "os.", "shutil.", "tempfile.", "glob.", "pathlib.", "mmap.", "fcntl.", "pty.", "sqlite3."),
    *("socket.", "subprocess.", "urllib.", "ftplib.", "http.", "smtplib.", "webbrowser.", "_posixsubprocess."),
    *("ctypes.", "import", "marshal.", "pickle.", "code.", "gc.", "sys._getframe", "winreg.", "msvcrt.", "_winapi."),
)
_HARMLESS = frozenset({"code.__new__", "sys._getframe"})
_refused_events: list[str] = []
"""The audit events that were refused while the present widget was tried."""


def drop_privileges(memory: int) -> None:
    """Leave this process only computing: no files, sockets or processes, and `memory` bytes more than it uses now."""
    if "faulthandler" in sys.modules:
        sys.modules["faulthandler"].disable()
    limit_resources(CORE=0, FSIZE=0, NPROC=0, AS=memory_in_use() + memory, NOFILE=0)
    sys.addaudithook(_refuse)


def _refuse(event: str, _: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED_PREFIXES) and event not in _HARMLESS:
        _refused_events.append(event)
        raise PermissionError(f"a widget's template cannot do this: {event}")
