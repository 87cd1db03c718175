"""What the system tells of the disk, and a look at it every few seconds for what it does not tell.

Nothing here knows asyncio: each call blocks, and all of them come from one thread.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from watchfiles import Change

from runtime.autoreload.watch_set import Footprint, Watched, survey
from runtime.sdk_internals import open_watch

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

logger = logging.getLogger("runtime.reload")

_STEP_MS = 10
_DEBOUNCE_MS = 50
_LAST_MS = 50
"""How long what a watch still has to tell may be on its way: it comes through a thread of the library."""
_MOST_OPENINGS = 5
_BREAK_S = 1.0
_LOOKING_SHARE = 0.05
"""How much of the time at most goes into looking, however large the project is."""

_FAILURES = (OSError, RuntimeError)
"""What the library raises: the limits of the system are of either kind, and all of its own errors of the second."""

_Events = set[tuple[int, str]]


class FileEvents:
    """Waits for changes of a project's files; `stop` ends a wait at once."""

    def __init__(self, poll_s: float, stop: threading.Event) -> None:
        self._poll_s = poll_s
        self._stop = stop
        self._notify: RustNotify | None = None
        self._folders: frozenset[str] = frozenset()
        self._seen: Footprint | None = None
        self._pause_s = poll_s
        self._is_stale = False
        self._is_untold = False
        self._broke_at = float("-inf")
        self._has_warned = False

    def look(self, watched: Watched) -> bool:
        """Look at the disk and watch what is there now; True when it is not as it was at the last look.

        A file that `watched` did not have at the last look counts as changed: nobody saw what happened to it since it
        was read.
        """
        began = time.monotonic()
        before, missed = self._seen, False
        now = survey(watched)
        for _ in range(_MOST_OPENINGS):
            if self._notify is not None and not self._is_stale and now.folders == self._folders:
                break
            missed |= self._open(now.folders)
            # Once more: what came between the look and the watching is in no event.
            now = survey(watched)
            if self._notify is None and not self._is_stale:
                break
        self._seen = now
        self._pause_s = max(self._poll_s, (time.monotonic() - began) / _LOOKING_SHARE)
        differs = before is not None and now.marks != before.marks
        # A change that no event told of: whatever ails the watching, begin it anew at the next look.
        self._is_stale |= differs and self._is_untold
        self._is_untold = False
        return missed or differs

    def wait(self) -> bool:
        """Wait for a change, but not beyond the time for another look; True when there was one."""
        until = time.monotonic() + self._pause_s
        while not self._stop.is_set():
            left_s = until - time.monotonic()
            if left_s <= 0:
                self._is_untold = True
                break
            events = self._next(left_s)
            is_shift = self._is_shift(events)
            if self._is_change(events):
                return True
            if is_shift or self._is_stale:
                break
        return False

    def close(self) -> None:
        """End the watching."""
        if self._notify is not None:
            self._notify.close()
        self._notify = None

    def _next(self, timeout_s: float) -> _Events:
        if self._notify is None:
            self._stop.wait(timeout_s)
            return set()
        try:
            # At least 1: 0 would be no limit.
            events = self._notify.watch(_DEBOUNCE_MS, _STEP_MS, max(1, round(timeout_s * 1000)), self._stop)
        except _FAILURES as error:
            self._break_off(error, timeout_s)
            return set()
        return events if isinstance(events, set) else set()

    def _break_off(self, error: Exception, timeout_s: float) -> None:
        """Begin anew at the next look, which is now, or soon where that has just been tried."""
        self.close()
        self._is_stale = True
        now = time.monotonic()
        is_again, self._broke_at = now - self._broke_at < _BREAK_S, now
        # One cause is a file whose name is no text, each time that it is touched.
        logger.debug("the system's news of changes to the project's files broke off: %s; it begins anew", error)
        if is_again:
            self._stop.wait(min(_BREAK_S, timeout_s))

    def _is_change(self, events: _Events) -> bool:
        return self._seen is not None and any(self._seen.is_change(path) for _, path in events)

    def _is_shift(self, events: _Events) -> bool:
        moved = {path for change, path in events if change != Change.modified}
        # A folder that went took its watch with it, even where one of its name is there again.
        self._is_stale |= not moved.isdisjoint(self._folders)
        return self._seen is not None and any(self._seen.is_shift(path) for path in moved)

    def _open(self, folders: frozenset[str]) -> bool:
        """Watch these folders from now on; True when the watching until now had a change left to tell."""
        before, self._notify = self._notify, None
        self._is_stale = False
        try:
            # A folder whose name is no text is left to the looks.
            self._notify = open_watch(sorted(filter(_is_text, folders)))
        except FileNotFoundError:
            self._is_stale = True  # it went since the look, and the next one knows better
        except _FAILURES as error:
            self._give_up(error)
        else:
            self._folders = folders
            if self._has_warned:
                self._has_warned = False
                logger.info("the system tells of changes to the project's files again")
        return before is not None and self._is_change(_last_events(before))

    def _give_up(self, error: Exception) -> None:
        self.close()
        if self._has_warned:
            return
        self._has_warned = True
        logger.warning(
            "the system can't tell of changes to the project's files, so they are looked at every %g s: %s "
            "(on Linux raise fs.inotify.max_user_watches, fs.inotify.max_user_instances or the limit of open files)",
            self._poll_s,
            error,
        )


def _last_events(notify: RustNotify) -> _Events:
    try:
        events = notify.watch(_DEBOUNCE_MS, 1, _LAST_MS, None)
    except _FAILURES:
        return set()
    finally:
        notify.close()
    return events if isinstance(events, set) else set()


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
