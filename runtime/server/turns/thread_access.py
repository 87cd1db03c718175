"""Access to the threads of one request: one turn at a time for each thread, and what a turn loads and stores first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from chatkit.actions import Action
from chatkit.types import ActiveStatus, Attachment, ThreadItem, ThreadMetadata

from runtime.config.model import Config
from runtime.documents.untrusted import clean
from runtime.errors import RequestError
from runtime.server.history.interruption import CardTexts
from runtime.server.history.window import load_history
from runtime.server.turns.click_claims import ClickClaims, HasButton, click_of
from runtime.server.turns.dead_turns import close_dead_turn
from runtime.server.turns.leases import HeldLease, LeaseKeeper
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import GenerationMark
from runtime.stores.turns import Signals, TurnConflict, TurnLease, TurnStatus, TurnStore


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


def _active(thread: ThreadMetadata) -> ThreadMetadata:
    if not isinstance(thread.status, ActiveStatus):
        reason = f": {thread.status.reason}" if thread.status.reason else ""
        raise RequestError(409, f"thread_{thread.status.type}", f"the thread is {thread.status.type}{reason}")
    return thread


class ThreadAccess:
    """The threads that one request may use; `resources` holds what the turn releases at its end, such as locks.

    A turn holds the lock of its thread in this process and, in a store that several processes share, the thread's
    lease, which it takes with its first write: `write` and `create` raise TurnConflict where another turn was faster.
    `mark` identifies the generation that answers; threads store it. `check` raises RequestError where no further turn
    may begin. `card_texts` returns the texts of the card in a thread whose turn has died. `wait_s` is how long, in
    seconds, a request waits for the turn before it.
    """

    def __init__(
        self,
        config: Config,
        store: OwnerStore,
        locks: ThreadLocks,
        leases: LeaseKeeper,
        clicks: ClickClaims,
        resources: AsyncExitStack,
        *,
        mark: GenerationMark | None,
        check: Callable[[], None],
        card_texts: Callable[[ThreadAccess, ThreadMetadata], CardTexts],
        wait_s: float,
    ) -> None:
        self.store, self.resources, self.mark, self.check = store, resources, mark, check
        self.lease: HeldLease | None = None
        """The lease of the turn, once it has begun in a store that has leases."""
        self.on_lease: Callable[[HeldLease], None] | None = None
        """Called when the lease is taken."""
        self._config, self._locks, self._leases, self._clicks = config, locks, leases, clicks
        self._card_texts = card_texts
        self.ended_dead_turn = False
        """Whether no more has happened in the thread since the request came than the end of a turn that had died."""
        self._wait_s = wait_s if config.chat.when_busy == "wait" else 0.0
        self._deadline: float | None = None
        self._locked: set[str] = set()
        self._last_turn = 0

    async def load(self, thread_id: str) -> ThreadMetadata:
        """Load a thread to show it; a turn whose process has died is closed first. Raise NotFoundError."""
        backend = self.store.backend
        if not isinstance(backend, TurnStore):
            return await self.store.load_thread(thread_id)
        thread, status = await backend.load_turn(self.store.owner, thread_id)
        if status.state == "expired" and self._key(thread_id) not in self._locks:
            await self._close_dead_turn(thread, status)
        return thread

    async def open(self, thread_id: str) -> ThreadMetadata:
        """Load a thread. Raise NotFoundError, or RequestError (409) if it is locked or closed."""
        return _active(await self.store.load_thread(thread_id))

    async def open_for_turn(self, thread_id: str) -> ThreadMetadata:
        """Hold a thread's lock and load the thread once no turn runs in it. Raise NotFoundError, RequestError."""
        if self._key(thread_id) in self._locks:
            await self.open(thread_id)  # reject what can be rejected without waiting
        await self.lock(thread_id)
        return await self.open_idle(thread_id)

    async def open_idle(self, thread_id: str) -> ThreadMetadata:
        """Load a thread whose lock is held, once no other process has a turn in it. Raise NotFoundError, RequestError.

        A turn whose process has died is closed.
        """
        backend = self.store.backend
        if not isinstance(backend, TurnStore) or self.lease is not None:
            return await self.open(thread_id)
        while True:
            thread, status = await backend.load_turn(self.store.owner, thread_id)
            _active(thread)
            if status.state == "ended":
                self._last_turn = status.number
                return thread
            if status.state == "expired":
                await self._close_dead_turn(thread, status)
                self.ended_dead_turn = True
            else:
                await self._wait_for_turn(backend, thread_id)

    async def _wait_for_turn(self, backend: TurnStore, thread_id: str) -> None:
        """Wait until the turn of another process has ended, or its lease has run out. Raise RequestError (409)."""
        self.ended_dead_turn, owner = False, self.store.owner
        async with backend.watch_turn(thread_id) as wait:
            while True:
                _, status = await backend.load_turn(owner, thread_id)
                left_s = self._left_s()
                if status.state != "running":
                    return
                if left_s <= 0:
                    raise _thread_busy()
                if not status.signals & Signals.WATCHED:
                    await backend.signal_turn(owner, thread_id, Signals.WATCHED)
                else:
                    await wait(min(left_s, self._leases.settings.poll_s))

    async def _close_dead_turn(self, thread: ThreadMetadata, status: TurnStatus) -> None:
        with suppress(TurnConflict):  # another request was faster
            texts = self._card_texts(self, thread)
            await close_dead_turn(self.store, thread, status, self._config.chat.history, texts)

    def _left_s(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._wait_s
        return self._deadline - now

    async def lock(self, thread_id: str) -> None:
        """Hold a thread's lock until the turn ends, and check that a turn may begin. Raise RequestError."""
        await self.hold(thread_id)
        # The answer may be another one after the wait.
        self.check()

    async def hold(self, thread_id: str) -> None:
        """Hold a thread's lock in this process until the turn ends. Raise RequestError (409)."""
        key = self._key(thread_id)
        if key not in self._locked:
            wait_s = self._left_s() if self._wait_s else 0.0
            await self.resources.enter_async_context(self._locks.hold(key, wait_s=wait_s))
            self._locked.add(key)

    async def claim_click(
        self, thread_id: str, item_id: str, action: Action[str, Any], has_button: HasButton
    ) -> ThreadItem:
        """Hold a click until the request, or the turn that it starts, ends; return its item. See `ClickClaims.hold`."""
        click = click_of(self.store.owner, thread_id, item_id, action)
        return await self.resources.enter_async_context(self._clicks.hold(self.store.backend, click, has_button))

    async def history(self, thread_id: str, *, more: int = 0) -> list[ThreadItem]:
        """Load the items that a turn needs, oldest first, and `more` items beyond them."""
        return await load_history(self.store, thread_id, self._config.chat.history, more=more)

    async def write(
        self,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem],
        delete: Sequence[str] = (),
        attachments: Sequence[Attachment] = (),
    ) -> None:
        """Write a turn's first items in one transaction, with the mark of the generation that answers.

        In a store with leases, the transaction takes the lease. Raise TurnConflict if another turn was faster.
        `attachments` are bound to the thread; only the write that begins a turn may have some.
        """
        backend, owner = self.store.backend, self.store.owner
        if not isinstance(backend, TurnStore):
            await backend.write_items(
                owner, thread.id, items, delete=delete, generation=self.mark, attachments=attachments
            )
        elif self.lease is not None:
            await backend.write_in_turn(self.lease.lease, items, delete=delete, generation=self.mark)
        else:
            lease_s = self._leases.settings.lease_s
            begun = backend.begin_turn(
                owner,
                thread.id,
                items,
                after=self._last_turn,
                delete=delete,
                generation=self.mark,
                attachments=attachments,
                lease_s=lease_s,
            )
            self._hold_lease(backend, await begun)

    async def create(
        self, thread: ThreadMetadata, items: Sequence[ThreadItem], attachments: Sequence[Attachment]
    ) -> None:
        """Write a new thread and its first items in one transaction, as `write` does."""
        backend, owner = self.store.backend, self.store.owner
        if not isinstance(backend, TurnStore):
            await backend.create_thread(owner, thread, items, generation=self.mark, attachments=attachments)
            return
        lease_s = self._leases.settings.lease_s
        created = backend.create_thread_in_turn(
            owner, thread, items, generation=self.mark, attachments=attachments, lease_s=lease_s
        )
        lease = await created
        self._hold_lease(backend, lease)

    async def write_mark(self, thread: ThreadMetadata) -> None:
        """Begin a turn that has no first items: store the mark of the generation that answers."""
        if self.mark is not None or isinstance(self.store.backend, TurnStore):
            await self.write(thread, ())

    def _hold_lease(self, backend: TurnStore, lease: TurnLease) -> None:
        self.store.lease = lease
        self.lease = self._leases.hold(backend, lease)
        self.resources.push_async_callback(self.lease.end)
        if self.on_lease is not None:
            self.on_lease(self.lease)

    def _key(self, thread_id: str) -> str:
        return f"{self.store.owner}\0{clean(thread_id)}"
