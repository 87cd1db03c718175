"""The leases of the turns that run in this process: renewed together, released at the end of each turn."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date

from runtime.resources.token_usage import TokenUsage
from runtime.server.settings import ServerSettings
from runtime.stores.turns import LastEvents, Signals, TurnLease, TurnStore

logger = logging.getLogger("runtime.server")


class HeldLease:
    """The lease of a running turn, and the turn's callbacks for its loss and for a stop."""

    def __init__(self, keeper: LeaseKeeper, store: TurnStore, lease: TurnLease) -> None:
        self._keeper, self.store, self.lease = keeper, store, lease
        self.usage: tuple[date, Mapping[str, TokenUsage]] | None = None
        """The tokens to store at the end of the turn."""
        self.events: LastEvents | None = None
        """The events of the turn, at its end, if any are written."""
        self.on_lost: Callable[[], None] | None = None
        """Called when a later turn has begun, because this lease had run out."""
        self.on_stop: Callable[[], None] | None = None
        """Called when the user has stopped the turn, at another process."""

    async def end(self) -> None:
        """Release the lease, and store the tokens used. A failure is only logged: the lease then runs out."""
        self._keeper.drop(self)
        self.on_lost = self.on_stop = None
        try:
            await self.store.end_turn(self.lease, usage=self.usage, events=self.events)
        except Exception:
            logger.exception("the end of the turn in thread %s could not be stored", self.lease.thread_id)

    def notify(self, signals: Signals | None) -> None:
        """Call the callback for the signals of a renewal or a write; None if the lease was lost."""
        callback = self.on_lost if signals is None else self.on_stop if signals & Signals.STOP else None
        if callback is not None:
            callback()


class LeaseKeeper:
    """Renews the leases of this process, in one statement for each store, for as long as there are any."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self._held: set[HeldLease] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.Task[None] | None = None

    def hold(self, store: TurnStore, lease: TurnLease) -> HeldLease:
        """Renew a lease until it is dropped."""
        held = HeldLease(self, store, lease)
        self._held.add(held)
        if self._timer is None and self._renewal is None:
            self._wait()
        return held

    def drop(self, held: HeldLease) -> None:
        """Do not renew a lease any more."""
        self._held.discard(held)

    async def close(self) -> None:
        """Stop what would use the stores later; the turns have ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._renewal is not None:
            await asyncio.wait({self._renewal})

    def _wait(self) -> None:
        # One timer for all turns: a task for each of them would cost more than its renewals.
        self._timer = asyncio.get_running_loop().call_later(self.settings.renew_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._held:
            self._renewal = asyncio.create_task(self._renew(), name="renewal of leases")
            self._renewal.add_done_callback(self._renewed)

    def _renewed(self, task: asyncio.Task[None]) -> None:
        self._renewal = None
        if self._held and not task.cancelled():
            self._wait()

    async def _renew(self) -> None:
        stores: defaultdict[TurnStore, list[HeldLease]] = defaultdict(list)
        for held in self._held:
            stores[held.store].append(held)
        for store, leases in stores.items():
            try:
                renewed = await store.renew_turns([held.lease for held in leases], self.settings.lease_s)
            except Exception as error:
                # Tried again soon; the turns go on, and their writes fail if a lease was lost.
                logger.warning("leases of turns could not be renewed: %s: %s", type(error).__name__, error)
                continue
            for held in self._held.intersection(leases):
                held.notify(renewed.get(held.lease))
