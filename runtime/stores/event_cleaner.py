"""Deletes the events of turns that have ended, once they were kept for long enough, while the store is open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger("runtime.stores")


class EventCleaner:
    """Calls `delete` after the longest of the times for which events are kept, and `margin_s` seconds."""

    def __init__(self, delete: Callable[[], Awaitable[None]], margin_s: float) -> None:
        self._delete, self._margin_s = delete, margin_s
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._deletions: set[asyncio.Task[None]] = set()

    def clean_after(self, keep_s: float) -> None:
        """Delete the events of turns that have ended, after that time."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + keep_s + self._margin_s
        if self._timer is None:
            self._timer = loop.call_at(self._due, self._clean)

    def _clean(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._due, self._clean) if self._due > loop.time() else None
        task = loop.create_task(self._clean_now(), name="events of turns that have ended")
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)

    async def _clean_now(self) -> None:
        try:
            await self._delete()
        except Exception as error:
            # The next deletion finds them.
            logger.info("the events of turns that have ended could not be deleted: %s: %s", type(error).__name__, error)

    async def close(self) -> None:
        """Delete nothing more, and wait for what is being deleted. Afterwards it can be used again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._deletions:
            await asyncio.wait(set(self._deletions))
