"""One turn at a time for each thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.errors import RequestError

LONGEST_WAIT_S = 60.0


class ThreadLocks:
    """Locks by thread id; an entry lives as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, thread_id: str, *, wait: bool) -> AsyncIterator[None]:
        """Hold the thread's lock; raise RequestError (409) when it is busy, at once or after a minute of waiting."""
        lock, users = self._locks.get(thread_id, (asyncio.Lock(), 0))
        if users and not wait:
            raise _busy()
        self._locks[thread_id] = (lock, users + 1)
        try:
            if users:
                await _wait_for(lock)
            else:
                await lock.acquire()  # without a turn of the event loop
            try:
                yield
            finally:
                lock.release()
        finally:
            self._release(thread_id)

    def _release(self, thread_id: str) -> None:
        lock, users = self._locks[thread_id]
        if users == 1:
            del self._locks[thread_id]
        else:
            self._locks[thread_id] = (lock, users - 1)

    def __contains__(self, thread_id: str) -> bool:
        """Tell whether somebody holds the thread's lock, or waits for it."""
        return thread_id in self._locks

    def __len__(self) -> int:
        return len(self._locks)


async def _wait_for(lock: asyncio.Lock) -> None:
    try:
        await asyncio.wait_for(lock.acquire(), LONGEST_WAIT_S)
    except TimeoutError:
        raise _busy() from None


def _busy() -> RequestError:
    return RequestError(409, "thread_busy", "an answer is still being written in this thread (wait for its end)")
