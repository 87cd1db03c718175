"""Detect changes of the project's files, and call a function after each.

Changes are detected by the events of the operating system, and by scans for changes without an event.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from watchfiles import Change

from runtime.autoreload.watch_set import ProjectPaths, WatchSet, find_watch_set
from runtime.sdk_internals import open_watch

if TYPE_CHECKING:
    from watchfiles._rust_notify import RustNotify

logger = logging.getLogger("runtime.reload")

_T = TypeVar("_T")
_CLOSE_S = 1.0
"""How many seconds to wait for the thread at the end: it may hang in a dead network mount."""
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
    """Waits for changes of a project's files, with a scan every `poll_s` seconds; `stop` ends a wait at once.

    The calls block, and all come from one thread.
    """

    def __init__(
        self,
        poll_s: float,
        stop: threading.Event,
        *,
        open_watch: Callable[[list[str]], RustNotify] = open_watch,
        find_watch_set: Callable[[ProjectPaths], WatchSet] = find_watch_set,
    ) -> None:
        self._poll_s, self._stop = poll_s, stop
        self._open_watch, self._find_watch_set = open_watch, find_watch_set
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
            names = [name for name in sorted(folders) if name == name.encode(errors="ignore").decode()]
            self._notify = self._open_watch(names)
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


class Watcher:
    """Calls `changed` soon after each change of the project's files, for every way to save or mount them.

    At least one call starts after each change; a call may also happen without a change of content. `paths` is called
    before each scan, because an edit can add files to the project. `open_events` makes the source of the changes.
    """

    def __init__(
        self,
        paths: Callable[[], ProjectPaths],
        changed: Callable[[], Awaitable[object]],
        *,
        poll_s: float = 2.0,
        open_events: Callable[[float, threading.Event], FileEvents] = FileEvents,
    ) -> None:
        self._paths, self._changed = paths, changed
        self._poll_s, self._open_events = poll_s, open_events
        self._is_due = False
        self.ready = asyncio.Event()
        """Set once watching has started: later changes are detected."""

    async def run(self) -> None:
        """Watch until cancelled; an exception is logged, and watching continues."""
        stop = threading.Event()
        events = self._open_events(self._poll_s, stop)
        thread = _WatchThread()
        try:
            while True:
                try:
                    await self._watch(events, thread)
                except Exception:
                    logger.exception("watching the project's files failed and is retried")
                    await asyncio.sleep(self._poll_s)
        finally:
            stop.set()
            await thread.end(events.close)

    async def _watch(self, events: FileEvents, thread: _WatchThread) -> None:
        await self._scan(events, thread)
        self.ready.set()
        while True:
            if not self._is_due:
                self._is_due = await thread.call(events.wait)
                # Scan before the call, so that the scan after it sees a change that happens during the call.
                await self._scan(events, thread)
            if self._is_due:
                self._is_due = False
                await self._call_changed()
                await self._scan(events, thread)

    async def _scan(self, events: FileEvents, thread: _WatchThread) -> None:
        if await thread.call(partial(events.scan, self._paths())):
            self._is_due = True

    async def _call_changed(self) -> None:
        try:
            await self._changed()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            logger.warning("handling a change of the project's files was cancelled; watching continues")
        except Exception:
            logger.exception("handling a change of the project's files failed; watching continues")


class _WatchThread:
    """A thread of its own: waiting for seconds must not occupy a thread of the server's executor."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="watch-files")

    async def call(self, function: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    async def end(self, function: Callable[[], None]) -> None:
        last = asyncio.get_running_loop().run_in_executor(self._executor, function)
        self._executor.shutdown(wait=False)
        await asyncio.wait([last], timeout=_CLOSE_S)
