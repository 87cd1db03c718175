"""Call a function when the project's files may have changed."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from runtime.autoreload.file_events import FileEvents
from runtime.autoreload.watch_set import ProjectPaths

logger = logging.getLogger("runtime.reload")

_T = TypeVar("_T")
_CLOSE_S = 1.0
"""How many seconds to wait for the thread at the end: it may hang in a dead network mount."""


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
        self._paths = paths
        self._changed = changed
        self._poll_s = poll_s
        self._open_events = open_events
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
