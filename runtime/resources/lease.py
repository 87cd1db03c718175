"""One pointer to what serves now, and a lease for whoever began on it.

`swap` makes a new value current at once; the old one is closed when its last lease ends. Nobody waits for that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, TypeVar

logger = logging.getLogger("runtime.live")

T = TypeVar("T")


class _Slot(Generic[T]):
    __slots__ = ("leases", "retired", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        self.leases = 0
        self.retired = False


class Lease(Generic[T]):
    """Holds a value until it is released; the second release does nothing. A context manager that gives the value."""

    __slots__ = ("_live", "_slot")

    def __init__(self, live: Live[T], slot: _Slot[T]) -> None:
        self._live: Live[T] | None = live
        self._slot = slot
        slot.leases += 1

    @property
    def value(self) -> T:
        """What is held."""
        return self._slot.value

    def again(self) -> Lease[T]:
        """Another lease of the same value, which need not be current any more; this one must not have ended."""
        if self._live is None:
            raise ValueError("the lease has ended")
        return Lease(self._live, self._slot)

    def release(self) -> None:
        """Give it back."""
        live, self._live = self._live, None
        if live is not None:
            self._slot.leases -= 1
            live._close_if_drained(self._slot)

    def __enter__(self) -> T:
        return self._slot.value

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Live(Generic[T]):
    """Holds the current value; `close` is awaited exactly once for each value that was swapped out and has drained.

    A `close` that raises is logged: it is nobody's request that failed. Belongs to one event loop.
    """

    def __init__(self, value: T, close: Callable[[T], Awaitable[None]]) -> None:
        self._slot = _Slot(value)
        self._close = close
        self._old: list[_Slot[T]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()

    @property
    def current(self) -> T:
        """The value that new leases get."""
        return self._slot.value

    @property
    def old(self) -> list[T]:
        """The values that were swapped out and are not closed yet, oldest first."""
        return [slot.value for slot in self._old]

    def leases(self, value: T) -> int:
        """How many leases of the value have not ended."""
        return sum(slot.leases for slot in (*self._old, self._slot) if slot.value is value)

    @property
    def in_use(self) -> bool:
        """Whether any lease has not ended, of whichever value."""
        return any(slot.leases for slot in (*self._old, self._slot))

    def lease(self) -> Lease[T]:
        """Hold the current value from now on: it stays open until the lease ends, whatever is swapped in meanwhile."""
        return Lease(self, self._slot)

    def swap(self, value: T) -> None:
        """Make `value` current; the old one is closed now if nobody holds it, else when its last lease ends."""
        old, self._slot = self._slot, _Slot(value)
        old.retired = True
        self._old.append(old)
        self._close_if_drained(old)

    async def wait_for_room(self, most: int) -> None:
        """Wait until a further value would be one of at most `most` that are not closed."""
        while len(self._old) + 2 > most:
            self._closed.clear()
            await self._closed.wait()

    async def wait_closed(self, timeout_s: float | None = None) -> None:
        """Wait until whatever has drained is closed, but no longer than `timeout_s` seconds."""
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
            logger.exception("what nobody uses any more could not be closed")
        finally:
            self._old.remove(slot)
            self._closed.set()
