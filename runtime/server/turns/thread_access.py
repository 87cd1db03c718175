"""Access to the threads of one request: one turn at a time for each thread, and what a turn loads and stores first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from chatkit.types import ActiveStatus, ThreadItem, ThreadMetadata

from runtime.config.model import Config
from runtime.errors import RequestError
from runtime.server.history.window import load_history
from runtime.stores.owner_store import OwnerStore
from runtime.stores.serialization import clean
from runtime.stores.store import GenerationMark


class ThreadLocks:
    """Locks by key; an entry exists as long as a turn holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: str, *, wait_s: float) -> AsyncIterator[None]:
        """Hold a lock; raise RequestError (409) if it is not free within `wait_s` seconds, or at once if that is 0."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        if users and not wait_s:
            raise _thread_busy()
        self._locks[key] = (lock, users + 1)
        try:
            if users:
                await _acquire(lock, wait_s)
            else:
                await lock.acquire()  # does not yield to the event loop
            try:
                yield
            finally:
                lock.release()
        finally:
            self._release(key)

    def _release(self, key: str) -> None:
        lock, users = self._locks[key]
        if users == 1:
            del self._locks[key]
        else:
            self._locks[key] = (lock, users - 1)

    def __contains__(self, key: str) -> bool:
        """Return whether a turn holds the lock or waits for it."""
        return key in self._locks

    def __len__(self) -> int:
        return len(self._locks)


async def _acquire(lock: asyncio.Lock, wait_s: float) -> None:
    try:
        await asyncio.wait_for(lock.acquire(), wait_s)
    except TimeoutError:
        raise _thread_busy() from None


def _thread_busy() -> RequestError:
    return RequestError(409, "thread_busy", "an answer is still being written in this thread (wait until it is done)")


class ThreadAccess:
    """The threads that one request may use; `resources` holds what the turn releases at its end, such as locks.

    `mark` identifies the generation that answers; threads store it. `check` raises RequestError where no further turn
    may begin. `wait_s` is how long, in seconds, a request waits for the turn before it.
    """

    def __init__(
        self,
        config: Config,
        store: OwnerStore,
        locks: ThreadLocks,
        resources: AsyncExitStack,
        *,
        mark: GenerationMark | None,
        check: Callable[[], None],
        wait_s: float,
    ) -> None:
        self.store, self.resources, self.mark, self.check = store, resources, mark, check
        self._config, self._locks = config, locks
        self._wait_s = wait_s if config.chat.when_busy == "wait" else 0.0

    async def open(self, thread_id: str) -> ThreadMetadata:
        """Load a thread. Raise NotFoundError, or RequestError (409) if it is locked or closed."""
        thread = await self.store.load_thread(thread_id)
        if not isinstance(thread.status, ActiveStatus):
            reason = f": {thread.status.reason}" if thread.status.reason else ""
            raise RequestError(409, f"thread_{thread.status.type}", f"the thread is {thread.status.type}{reason}")
        return thread

    async def open_for_turn(self, thread_id: str) -> ThreadMetadata:
        """Hold a thread's lock and load the thread. Raise NotFoundError, RequestError."""
        if self._key(thread_id) in self._locks:
            await self.open(thread_id)  # reject what can be rejected without waiting
        await self.lock(thread_id)
        return await self.open(thread_id)

    async def lock(self, thread_id: str) -> None:
        """Hold a thread's lock until the turn ends, and check that a turn may begin. Raise RequestError."""
        await self.hold(thread_id)
        # The answer may be another one after the wait.
        self.check()

    async def hold(self, thread_id: str) -> None:
        """Hold a thread's lock until the turn ends. Raise RequestError (409)."""
        await self.resources.enter_async_context(self._locks.hold(self._key(thread_id), wait_s=self._wait_s))

    async def history(self, thread_id: str, *, more: int = 0) -> list[ThreadItem]:
        """Load the items that a turn needs, oldest first, and `more` items beyond them."""
        return await load_history(self.store, thread_id, self._config.chat.history, more=more)

    async def write(self, thread: ThreadMetadata, items: Sequence[ThreadItem], delete: Sequence[str] = ()) -> None:
        """Write a turn's first items in one transaction, with the mark of the generation that answers."""
        await self.store.backend.write_items(self.store.owner, thread.id, items, delete=delete, generation=self.mark)

    async def write_mark(self, thread: ThreadMetadata) -> None:
        """Store the mark of the generation that answers."""
        if self.mark is not None:
            await self.write(thread, ())

    def _key(self, thread_id: str) -> str:
        return f"{self.store.owner}\0{clean(thread_id)}"
