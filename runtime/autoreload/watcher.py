"""Says when the project's files may have changed; what to do about it is for others to decide."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from runtime.autoreload.file_events import FileEvents
from runtime.autoreload.watch_set import Watched

logger = logging.getLogger("runtime.reload")

_T = TypeVar("_T")
_CLOSE_S = 1.0
"""How long the end waits for the thread, in seconds: one that hangs in a dead network mount is left behind."""


class Watcher:
    """Calls `changed` soon after each change of the project's files, whatever the editor or the mount did.

    After each change at least one call begins; a call may also come where no content has changed. `watched` is asked
    again at each look: what a project consists of changes with its files.
    """

    def __init__(
        self, watched: Callable[[], Watched], changed: Callable[[], Awaitable[object]], *, poll_s: float = 2.0
    ) -> None:
        self._watched = watched
        self._changed = changed
        self._poll_s = poll_s
        self._is_due = False
        self.ready = asyncio.Event()
        """Set once the watching has begun: a change after it is seen."""

    async def run(self) -> None:
        """Watch until cancelled; whatever goes wrong is logged, and the watching goes on."""
        stop = threading.Event()
        events = FileEvents(self._poll_s, stop)
        thread = _Thread()
        try:
            while True:
                try:
                    await self._watch(events, thread)
                except Exception:
                    logger.exception("watching the project's files failed; it is tried again")
                    await asyncio.sleep(self._poll_s)
        finally:
            stop.set()
            await thread.end(events.close)

    async def _watch(self, events: FileEvents, thread: _Thread) -> None:
        await self._look(events, thread)
        self.ready.set()
        while True:
            if not self._is_due:
                self._is_due = await thread.call(events.wait)
                # Before the call, so that a change during it shows in the look after it.
                await self._look(events, thread)
            if self._is_due:
                self._is_due = False
                await self._tell()
                await self._look(events, thread)

    async def _look(self, events: FileEvents, thread: _Thread) -> None:
        if await thread.call(partial(events.look, self._watched())):
            self._is_due = True

    async def _tell(self) -> None:
        try:
            await self._changed()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            logger.warning("handling a change of the project's files was cancelled; the watching goes on")
        except Exception:
            logger.exception("a change of the project's files could not be handled; the watching goes on")


class _Thread:
    """One thread of our own: a wait of seconds must not take a place among those that the server works with."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="watch-files")

    async def call(self, function: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    async def end(self, function: Callable[[], None]) -> None:
        last = asyncio.get_running_loop().run_in_executor(self._executor, function)
        self._executor.shutdown(wait=False)
        await asyncio.wait([last], timeout=_CLOSE_S)
