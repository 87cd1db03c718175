"""Delete threads that are older than `store.keep`, in the background, a few at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from runtime.server.attachments.uploads import Uploads

logger = logging.getLogger("runtime.server")

SWEEP_S = 3600.0
"""The time between two searches for old threads, in seconds."""


class AgingStore(Protocol):
    """A store that knows how old its threads are: one in memory, SQLite or PostgreSQL."""

    async def old_threads(self, before: datetime, *, after: int = 0) -> tuple[list[tuple[str, str]], int | None]:
        """Return the owner and the id of some threads without an item since `before`, and where to continue."""

    async def thread_attachments(self, owner: str, thread_id: str) -> list[str]:
        """Return the ids of the attachments that were sent in a thread."""

    async def delete_thread(self, owner: str, thread_id: str) -> None:
        """Delete a thread with all that belongs to it."""


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Retention:
    """Deletes the threads of a store that have no item for `keep_s` seconds, with their attachments.

    Several processes may do so at once. `now` returns the time.
    """

    def __init__(
        self, store: AgingStore, keep_s: float, uploads: Uploads | None, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._store, self._keep, self._uploads, self._now = store, timedelta(seconds=keep_s), uploads, now
        self._task: asyncio.Task[None] | None = None

    def start(self, interval_s: float = SWEEP_S) -> None:
        """Delete old threads now and every `interval_s` seconds, unless that has begun already."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(interval_s), name="delete old threads")

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """Delete the threads that are too old now; return their number."""
        before, count, after = self._now() - self._keep, 0, None
        while True:
            old, after = await self._store.old_threads(before, after=after or 0)
            for owner, thread_id in old:
                await self._delete(owner, thread_id)
            count += len(old)
            if after is None:
                return count
            # Requests come first.
            await asyncio.sleep(0)

    async def _delete(self, owner: str, thread_id: str) -> None:
        attachments = await self._store.thread_attachments(owner, thread_id)
        await self._store.delete_thread(owner, thread_id)
        if self._uploads is not None and attachments:
            await self._uploads.delete_files(owner, attachments)

    async def _run(self, interval_s: float) -> None:
        while True:
            try:
                if count := await self.sweep():
                    logger.info("deleted %d threads without an item for %s (`store.keep`)", count, self._keep)
            except Exception as error:
                logger.warning("old threads could not be deleted: %s: %s", type(error).__name__, error)
            await asyncio.sleep(interval_s)
