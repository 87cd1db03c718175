"""Modules on their way into a table: which thread loads each, who waits for whom, and how to take one back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

_MISSING = object()


@dataclass(eq=False, slots=True)
class Load:
    """A module that a thread loads, or has loaded inside an attempt; and what its package had under its name before."""

    name: str
    module: ModuleType
    thread: int
    ended: bool = False
    package: ModuleType | None = None
    before: Any = _MISSING

    def attach(self, package: ModuleType | None) -> None:
        """Make the module an attribute of its package."""
        leaf = self.name.rpartition(".")[2]
        if self.package is None and package is not None:
            self.package, self.before = package, getattr(package, "__dict__", {}).get(leaf, _MISSING)
        if self.package is not None:
            setattr(self.package, leaf, self.module)

    def detach(self) -> None:
        """Give the package back what it had."""
        leaf = self.name.rpartition(".")[2]
        if self.package is None or getattr(self.package, "__dict__", {}).get(leaf) is not self.module:
            return
        if self.before is _MISSING:
            delattr(self.package, leaf)
        else:
            setattr(self.package, leaf, self.before)


@dataclass(eq=False, slots=True)
class Attempt:
    """What a `with code.attempt()` block has loaded so far."""

    loaded: list[Load] = field(default_factory=list)
    failed: bool = False

    def fail(self) -> None:
        """Let the end of the block take back whatever was loaded in it, although nothing is raised."""
        self.failed = True


# Guards every table, never while the project's code runs. One for all: a circle of waiting threads may cross tables.
changed = threading.Condition()
_waiting: dict[int, Load] = {}


def wait_for(load: Load) -> None:
    """Wait, with `changed` held, until something has changed: that module, or another one."""
    thread = threading.get_ident()
    _waiting[thread] = load
    try:
        changed.wait()
    finally:
        del _waiting[thread]


def waits_for(load: Load, thread: int) -> bool:
    """Say whether that module would wait for ever if this thread, which may be the one that loads it, waited for it."""
    seen: set[int] = set()
    blocked: Load | None = load
    while blocked is not None and not blocked.ended and blocked.thread not in seen:
        if blocked.thread == thread:
            return True
        seen.add(blocked.thread)
        blocked = _waiting.get(blocked.thread)
    return False
