"""One pointer to what serves now, and a lease for whoever began on it.

`swap` makes a new value current at once; the old one is closed when its last lease ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class _Slot(Generic[T]):
    __slots__ = ("leases", "retired", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        self.leases = 0
        self.retired = False


class Live(Generic[T]):
    """Holds the current value; `close` is awaited exactly once for each value that was swapped out and has drained."""

    def __init__(self, value: T, close: Callable[[T], Awaitable[None]]) -> None:
        self._slot = _Slot(value)
        self._close = close

    @property
    def current(self) -> T:
        """The value that new leases get."""
        return self._slot.value

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[T]:
        """Hold the current value: it stays open until the lease ends, whatever is swapped in meanwhile."""
        slot = self._slot
        slot.leases += 1
        try:
            yield slot.value
        finally:
            slot.leases -= 1
            if slot.retired and not slot.leases:
                await self._close(slot.value)

    async def swap(self, value: T) -> None:
        """Make `value` current; close the old one now if nobody holds it, else when its last lease ends."""
        old, self._slot = self._slot, _Slot(value)
        old.retired = True
        if not old.leases:
            await self._close(old.value)
