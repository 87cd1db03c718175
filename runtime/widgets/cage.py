"""What a process gives up before it renders a stranger's template: files, sockets, processes, memory, time.

The limits of the kernel hold where there are any; a hook on what Python itself reports stands behind them, and in front
where there are none. Neither can be taken back.
"""

from __future__ import annotations

import codecs
import importlib.util
import math
import os
import signal
import sys
from contextlib import suppress
from typing import Any

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
