"""The policy of the garbage collector: paused while a file is read, incremental while serving, full when idle.

A full collection blocks the event loop: 100 ms with a thousand agents. So a serving process runs it only when idle.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_NEVER = 1_000_000_000
_SWITCH_INTERVAL_S = 0.0005
_CHECK_INTERVAL_S = 1.0
_default_policy: tuple[float, tuple[int, int, int]] = 0.0, (0, 0, 0)
_reloads = 0
_unpausable = 0


@contextmanager
def collector_paused() -> Iterator[None]:
    """Disable the collector inside the block; may be nested, and does nothing inside `collector_not_paused`."""
    # The events of a large file are 100,000 live objects: collecting among them doubles the time.
    if _unpausable:
        yield
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def collector_not_paused() -> Iterator[None]:
    """Make `collector_paused` do nothing: the collection at the end of a pause would block the event loop."""
    global _unpausable
    _unpausable += 1
    try:
        yield
    finally:
        _unpausable -= 1


@contextmanager
def startup_heap_frozen(*, ends_soon: bool = False) -> Iterator[None]:
    """Disable the collector inside the block, then freeze the heap: nearly all objects of start-up stay alive.

    In a process that `ends_soon` it stays disabled; its exit does not scan what is frozen.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if not ends_soon:
            gc.enable()


def prepare_for_serving() -> None:
    """Set the interpreter up for a process that only serves.

    Freeze the start-up heap: to scan its 250,000 objects would block the event loop for 250 ms. Run full collections
    only in `collect_when_idle`. Let the event loop interrupt a thread that builds a reload more often.
    """
    gc.freeze()
    disable_full_collections()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


@contextmanager
def reload_policy() -> Iterator[None]:
    """Let the event loop interrupt a thread that builds a reload ten times as often as by default.

    The collector runs young collections only, and is not paused: the collection after a pause would block the loop.
    """
    global _default_policy, _reloads
    if not _reloads:
        _default_policy = sys.getswitchinterval(), gc.get_threshold()
        sys.setswitchinterval(min(_default_policy[0], _SWITCH_INTERVAL_S))
        disable_full_collections()
    _reloads += 1
    try:
        with collector_not_paused():
            yield
    finally:
        _reloads -= 1
        if not _reloads:
            sys.setswitchinterval(_default_policy[0])
            gc.set_threshold(*_default_policy[1])


def disable_full_collections() -> None:
    """Keep the collector from running full collections by itself."""
    gc.set_threshold(*gc.get_threshold()[:2], _NEVER)


async def collect_when_idle(collector: IdleCollector) -> None:
    """Run a full collection when `collector` says so and no reload is being built; runs until it is cancelled."""
    import asyncio  # `validate` imports this module and needs no event loop

    while True:
        await asyncio.sleep(_CHECK_INTERVAL_S)
        # A reload in progress has its objects in use, and its thread needs the CPU.
        if not _reloads and collector.is_due(time.monotonic()):
            started = time.perf_counter()
            gc.collect()
            collector.record(time.perf_counter() - started)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleLimits:
    """When a full collection is due: `rounds` are collections of the middle generation since the last full one."""

    rounds: int = 20
    max_reloads: int = 20
    max_wait_s: float = 300.0
    short_s: float = 0.01


class IdleCollector:
    """Decides at each check whether a full collection is due.

    A collection needs a reason: a new generation, or many surviving objects. Then it is due at once where it takes a
    few milliseconds: the project is small, and the last collection was short. Otherwise it is due when no request ran
    at two checks in a row, or when that has not happened for `max_wait_s` or `max_reloads`.
    """

    def __init__(
        self,
        in_use: Callable[[], bool],
        generation: Callable[[], int],
        is_small: Callable[[], bool],
        limits: IdleLimits | None = None,
    ) -> None:
        self._in_use, self._generation, self._is_small = in_use, generation, is_small
        self._limits = limits or IdleLimits()
        self.record(0.0)

    def record(self, took_s: float) -> None:
        """Record that a full collection ended now and took so many seconds."""
        self._took_s = took_s
        self._due_since: float | None = None
        self._was_idle = False
        self._collected_generation = self._generation()

    def is_due(self, now: float) -> bool:
        """Return whether to collect now; `now` is a monotonic time in seconds."""
        limits, reloads = self._limits, self._generation() - self._collected_generation
        if not reloads and gc.get_count()[2] < limits.rounds:
            return False
        if self._due_since is None:
            self._due_since = now
        was_idle, self._was_idle = self._was_idle, not self._in_use()
        is_late = reloads >= limits.max_reloads or now - self._due_since >= limits.max_wait_s
        return is_late or (was_idle and self._was_idle) or (self._is_small() and self._took_s <= limits.short_s)
