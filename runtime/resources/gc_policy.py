"""When the garbage collector works in a process that serves: in small steps at any time, through everything when idle.

To go through everything takes as long as there are objects: with a thousand agents a tenth of a second, in which every
stream stands still. So Python no longer decides when that is; the steps through what is new stay as they are.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NEVER = 1_000_000_000
_SWITCH_S = 0.0005
_LOOK_S = 1.0
_PATIENCE_S = 300.0
_QUICK_S = 0.01
_ROUNDS = 20
_MOST_RELOADS = 20
_usual: tuple[float, tuple[int, int, int]] = 0.0, (0, 0, 0)
_reloads = 0
_as_usual = 0


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector from running; nested uses are fine. Inside `collected_as_usual` it does nothing."""
    # The events of a large file are 100,000 live objects: collecting among them doubles the time.
    if _as_usual:
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
def collected_as_usual() -> Iterator[None]:
    """Let nothing pause the collector: at the end of a pause it goes through all that is new, in one piece."""
    global _as_usual
    _as_usual += 1
    try:
        yield
    finally:
        _as_usual -= 1


def settle() -> None:
    """Set the interpreter up for a process that serves and does nothing else.

    All that start-up made leaves the garbage collector's sight. The SDKs are a quarter of a million objects: to walk
    over them takes a quarter of a second, in which every stream stands still, and what is looked for is not among
    them. From then on it goes through everything at rest alone (`collect_at_rest`). And while an edit is built in a
    thread, the event loop gets its turn ten times as often as Python would give it.
    """
    gc.freeze()
    never_through_everything()
    sys.setswitchinterval(_SWITCH_S)


@contextmanager
def giving_way() -> Iterator[None]:
    """Let a thread that reads and builds give way to the event loop ten times as often as Python does by itself.

    Meanwhile the collector takes small steps only, and is never paused: it would make up for that all at once.
    """
    global _usual, _reloads
    if not _reloads:
        _usual = sys.getswitchinterval(), gc.get_threshold()
        sys.setswitchinterval(min(_usual[0], _SWITCH_S))
        never_through_everything()
    _reloads += 1
    try:
        with collected_as_usual():
            yield
    finally:
        _reloads -= 1
        if not _reloads:
            sys.setswitchinterval(_usual[0])
            gc.set_threshold(*_usual[1])


def never_through_everything() -> None:
    """Keep the collector from going through everything by itself."""
    gc.set_threshold(*gc.get_threshold()[:2], _NEVER)


async def collect_at_rest(rest: Rest) -> None:
    """Go through everything when `rest` has come and no reload is being built; runs until it is cancelled."""
    import asyncio  # here, since `validate` reads files under this policy and needs no event loop

    while True:
        await asyncio.sleep(_LOOK_S)
        # A reload that is being built has its objects in use, and its thread at work.
        if not _reloads and rest.has_come(time.monotonic()):
            began = time.perf_counter()
            gc.collect()
            rest.begin_anew(time.perf_counter() - began)


class Rest:
    """Decides at each look whether to go through everything now.

    Not without a reason: a new generation, or much that has survived the small steps. Then at once where that takes a
    few milliseconds: the project is small, and the last time it was so. Else when no request has run at two looks, or
    when there has been no such moment for too long.
    """

    def __init__(self, in_use: Callable[[], bool], generation: Callable[[], int], is_small: Callable[[], bool]) -> None:
        self._in_use, self._generation, self._is_small = in_use, generation, is_small
        self.begin_anew(0.0)

    def begin_anew(self, took_s: float) -> None:
        """Everything has been gone through just now, in so many seconds."""
        self._took_s = took_s
        self._since: float | None = None
        self._was_idle = False
        self._number = self._generation()

    def has_come(self, now: float) -> bool:
        """Tell whether to do it now."""
        reloads = self._generation() - self._number
        if not reloads and gc.get_count()[2] < _ROUNDS:
            return False
        if self._since is None:
            self._since = now
        was_idle, self._was_idle = self._was_idle, not self._in_use()
        is_late = reloads >= _MOST_RELOADS or now - self._since >= _PATIENCE_S
        return is_late or (was_idle and self._was_idle) or (self._is_small() and self._took_s <= _QUICK_S)
