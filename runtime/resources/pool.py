"""Clients, engines and stateful objects that several generations share, by a key for what they are made of.

A key that another generation holds returns the same object, which is closed when its last holder has released it.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from runtime.resources.containment import contained

logger = logging.getLogger("runtime.pool")

T = TypeVar("T")
Close = Callable[[Any], Awaitable[None] | None]


@dataclass(slots=True)
class _Entry:
    """One key: `lock` is held while its value is made, and `holders` counts the shares that use or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    is_made: bool = False
    value: Any = None
    close: Close | None = None
    holders: int = 0


class Pool:
    """Keeps each object as long as a share holds it; threads may use it concurrently."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def share(self) -> Share:
        """Return the share through which a new generation holds objects."""
        return Share(self)

    def _hold(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            entry.holders += 1
            return entry

    def _release(self, key: Hashable) -> _Entry | None:
        with self._lock:
            entry = self._entries[key]
            entry.holders -= 1
            if entry.holders:
                return None
            del self._entries[key]
            return entry if entry.is_made else None


class Share:
    """The objects that one generation holds. Only one thread at a time may use it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T], close: Close | None = None) -> T:
        """Return the object with this key, made now if no share holds it; `close` may be a coroutine function.

        Concurrent calls make it once: the others wait. If `make` raises, the next call tries again.
        """
        if key not in self._held:
            self._held[key] = self._hold(key, make, close)
        value: T = self._held[key]
        return value

    def _hold(self, key: Hashable, make: Callable[[], Any], close: Close | None) -> Any:
        entry = self._pool._hold(key)
        try:
            # The lock of this key only: `make` may take long, and other keys can be used and released meanwhile.
            with entry.lock:
                if not entry.is_made:
                    entry.value, entry.close, entry.is_made = make(), close, True
        except BaseException:
            self._pool._release(key)
            raise
        return entry.value

    def replace(self, key: Hashable, value: Any) -> None:
        """Replace an object that this share has made, before another share has it."""
        self._held[key] = value
        self._pool._entries[key].value = value

    async def release(self) -> None:
        """Release all objects, the latest first, and close those that no other share holds; log failures."""
        for entry in self._release_all():
            if entry.close is not None:
                await _close(entry.close, entry.value)

    def drop(self) -> None:
        """Release all objects without an event loop: those with an asynchronous `close` are not closed."""
        for entry in self._release_all():
            if entry.close is not None and not inspect.iscoroutinefunction(entry.close):
                try:
                    with contained():
                        closing = entry.close(entry.value)
                    if inspect.iscoroutine(closing):
                        closing.close()
                except Exception:
                    logger.exception("%s could not be closed", type(entry.value).__name__)

    def _release_all(self) -> Iterator[_Entry]:
        """Release one key at a time, and yield the entries that must be closed."""
        held, self._held = self._held, {}
        for key in reversed(held):
            entry = self._pool._release(key)
            if entry is not None:
                yield entry


async def _close(close: Close, value: Any) -> None:
    try:
        with contained():
            closing = close(value)
            if inspect.isawaitable(closing):
                await closing
    except Exception:
        logger.exception("%s could not be closed", type(value).__name__)
