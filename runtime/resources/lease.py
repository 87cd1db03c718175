"""The current value, and leases that keep an old value open while it is in use.

`swap` makes a new value current at once, without waiting; the old one is closed when its last lease ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

logger = logging.getLogger("runtime.live")

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Slot(Generic[T]):
    value: T
    leases: int = 0
    retired: bool = False


class Lease(Generic[T]):
    """Holds a value until it is released, once; as a context manager it returns the value."""

    __slots__ = ("_live", "_slot")

    def __init__(self, live: Live[T], slot: _Slot[T]) -> None:
        self._live: Live[T] | None = live
        self._slot = slot
        slot.leases += 1

    @property
    def value(self) -> T:
        """The value that the lease holds."""
        return self._slot.value

    def again(self) -> Lease[T]:
        """Return another lease of the same value, which may be an old one. Raise ValueError if this lease has ended."""
        if self._live is None:
            raise ValueError("the lease has ended")
        return Lease(self._live, self._slot)

    def release(self) -> None:
        """End the lease; a second call does nothing."""
        live, self._live = self._live, None
        if live is not None:
            self._slot.leases -= 1
            live._close_if_drained(self._slot)

    def __enter__(self) -> T:
        return self._slot.value

    def __exit__(self, *_: object) -> None:
        self.release()


class Live(Generic[T]):
    """Holds the current value; `close` is awaited once for each old value when its last lease has ended.

    An exception of `close` is logged, as no request has failed. Belongs to one event loop.
    """

    def __init__(self, value: T, close: Callable[[T], Awaitable[None]]) -> None:
        self._slot = _Slot(value)
        self._close = close
        self._old: list[_Slot[T]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()

    @property
    def current(self) -> T:
        """The value that new leases hold."""
        return self._slot.value

    @property
    def old(self) -> list[T]:
        """The old values that are not closed yet, oldest first."""
        return [slot.value for slot in self._old]

    def leases(self, value: T) -> int:
        """Return the number of leases of the value that have not ended."""
        return sum(slot.leases for slot in (*self._old, self._slot) if slot.value is value)

    @property
    def in_use(self) -> bool:
        """Whether a lease of any value has not ended."""
        return any(slot.leases for slot in (*self._old, self._slot))

    def lease(self) -> Lease[T]:
        """Return a lease of the current value, which stays open until the lease ends, also after a swap."""
        return Lease(self, self._slot)

    def swap(self, value: T) -> None:
        """Make `value` current; close the old one now if it has no lease, else when its last lease ends."""
        old, self._slot = self._slot, _Slot(value)
        old.retired = True
        self._old.append(old)
        self._close_if_drained(old)

    async def wait_for_room(self, most: int) -> None:
        """Wait until at most `most - 1` values are open, so that one more can be added."""
        while len(self._old) + 2 > most:
            self._closed.clear()
            await self._closed.wait()

    async def wait_closed(self, timeout_s: float | None = None) -> None:
        """Wait until every old value without a lease is closed, for at most `timeout_s` seconds."""
        if self._closing:
            await asyncio.wait(set(self._closing), timeout=timeout_s)

    def _close_if_drained(self, slot: _Slot[T]) -> None:
        if slot.retired and not slot.leases:
            slot.retired = False
            task = asyncio.get_running_loop().create_task(self._close_slot(slot), name="close")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close_slot(self, slot: _Slot[T]) -> None:
        try:
            await self._close(slot.value)
        except Exception:
            logger.exception("an old value could not be closed")
        finally:
            self._old.remove(slot)
            self._closed.set()
