"""Detect changes of files: by the events of the operating system, and by scans for changes without an event.

The calls block, and all come from one thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from watchfiles import Change

from runtime.autoreload.watch_set import ProjectPaths, WatchSet, find_watch_set
from runtime.sdk_internals import open_watch

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

logger = logging.getLogger("runtime.reload")

_STEP_MS = 10
_DEBOUNCE_MS = 50
_LAST_MS = 50
"""How long to wait for the last events of a notifier: they arrive through a thread of the library."""
_MAX_REOPENS = 5
_RETRY_S = 1.0
_SCAN_SHARE = 0.05
"""The largest share of the time to spend on scans, for projects of any size."""

_FAILURES = (OSError, RuntimeError)
"""What the library raises: OSError or RuntimeError for limits of the system, RuntimeError for its own errors."""

_Events = set[tuple[int, str]]


class FileEvents:
    """Waits for changes of a project's files, with a scan every `poll_s` seconds; `stop` ends a wait at once."""

    def __init__(
        self,
        poll_s: float,
        stop: threading.Event,
        *,
        open_watch: Callable[[list[str]], RustNotify] = open_watch,
        find_watch_set: Callable[[ProjectPaths], WatchSet] = find_watch_set,
    ) -> None:
        self._poll_s = poll_s
        self._stop = stop
        self._open_watch = open_watch
        self._find_watch_set = find_watch_set
        self._notify: RustNotify | None = None
        self._folders: frozenset[str] = frozenset()
        self._last: WatchSet | None = None
        self._pause_s = poll_s
        self._is_stale = False
        self._timed_out = False
        self._failed_at = float("-inf")
        self._has_warned = False

    def scan(self, paths: ProjectPaths) -> bool:
        """Scan the files and watch their folders; return whether anything differs from the last scan.

        A file that is new in `paths` counts as changed: it may have changed since it was read.
        """
        started = time.monotonic()
        before, missed = self._last, False
        now = self._find_watch_set(paths)
        for _ in range(_MAX_REOPENS):
            if self._notify is not None and not self._is_stale and now.folders == self._folders:
                break
            missed |= self._open(now.folders)
            # Scan again: a change between the scan and the start of watching has no event.
            now = self._find_watch_set(paths)
            if self._notify is None and not self._is_stale:
                break
        self._last = now
        self._pause_s = max(self._poll_s, (time.monotonic() - started) / _SCAN_SHARE)
        differs = before is not None and now.stamps != before.stamps
        # A change without an event: the notifier does not work, so open a new one at the next scan.
        self._is_stale |= differs and self._timed_out
        self._timed_out = False
        return missed or differs

    def wait(self) -> bool:
        """Wait for a change until the next scan is due; return whether there was one."""
        until = time.monotonic() + self._pause_s
        while not self._stop.is_set():
            left_s = until - time.monotonic()
            if left_s <= 0:
                self._timed_out = True
                break
            events = self._next(left_s)
            moves_paths = self._moves_paths(events)
            if self._is_change(events):
                return True
            if moves_paths or self._is_stale:
                break
        return False

    def close(self) -> None:
        """Stop watching."""
        if self._notify is not None:
            self._notify.close()
        self._notify = None

    def _next(self, timeout_s: float) -> _Events:
        if self._notify is None:
            self._stop.wait(timeout_s)
            return set()
        try:
            # At least 1, because 0 means no timeout.
            events = self._notify.watch(_DEBOUNCE_MS, _STEP_MS, max(1, round(timeout_s * 1000)), self._stop)
        except _FAILURES as error:
            self._retry(error, timeout_s)
            return set()
        return events if isinstance(events, set) else set()

    def _retry(self, error: Exception, timeout_s: float) -> None:
        """Open a new notifier at the next scan: at once, or after a pause if the last failure was just before."""
        self.close()
        self._is_stale = True
        now = time.monotonic()
        is_repeated, self._failed_at = now - self._failed_at < _RETRY_S, now
        # One cause is a change of a file whose name is not valid text.
        logger.debug("file events of the project failed: %s; watching restarts", error)
        if is_repeated:
            self._stop.wait(min(_RETRY_S, timeout_s))

    def _is_change(self, events: _Events) -> bool:
        return self._last is not None and any(self._last.is_change(path) for _, path in events)

    def _moves_paths(self, events: _Events) -> bool:
        moved = {path for change, path in events if change != Change.modified}
        # The watch of a removed folder ends, even if a folder of the same name exists again.
        self._is_stale |= not moved.isdisjoint(self._folders)
        return self._last is not None and any(self._last.moves_paths(path) for path in moved)

    def _open(self, folders: frozenset[str]) -> bool:
        """Watch these folders from now on; return whether the previous notifier had a pending change."""
        before, self._notify = self._notify, None
        self._is_stale = False
        try:
            # Only scans see the folders whose names are not valid text.
            self._notify = self._open_watch(sorted(filter(_is_text, folders)))
        except FileNotFoundError:
            self._is_stale = True  # a folder was removed after the scan; the next scan sees that
        except _FAILURES as error:
            self._warn_once(error)
        else:
            self._folders = folders
            if self._has_warned:
                self._has_warned = False
                logger.info("file events of the project work again")
        return before is not None and self._is_change(_last_events(before))

    def _warn_once(self, error: Exception) -> None:
        self.close()
        if self._has_warned:
            return
        self._has_warned = True
        logger.warning(
            "no file events for the project, so its files are scanned every %g s: %s "
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
