"""Things that outlive one generation: clients, engines, stateful objects, by a key that says what they are made of.

A generation takes what it needs; what the one before it has taken under the same key is the same thing. It is closed
when the last generation that took it has given it back.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

logger = logging.getLogger("runtime.pool")

T = TypeVar("T")
Close = Callable[[Any], Awaitable[None] | None]


@dataclass(slots=True)
class _Entry:
    value: Any
    close: Close | None
    holders: int = 0


class Pool:
    """Keeps each thing as long as somebody holds it; may be used from several threads."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def share(self) -> Share:
        """What a new generation takes things with."""
        return Share(self)

    def _take(self, key: Hashable) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                entry.holders += 1
            return entry

    def _add(self, key: Hashable, entry: _Entry) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(key, entry)
            entry.holders += 1
            return entry

    def _give_back(self, key: Hashable) -> _Entry | None:
        with self._lock:
            entry = self._entries[key]
            entry.holders -= 1
            return None if entry.holders else self._entries.pop(key)


class Share:
    """What one generation holds of the pool. One thread at a time makes use of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._held: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T], close: Close | None = None) -> T:
        """Return the thing with this key, made now if nobody holds one; `close`, sync or not, ends it."""
        if key not in self._held:
            # Made outside of the lock: it may take its time, and the event loop gives back meanwhile.
            entry = self._pool._take(key) or self._pool._add(key, _Entry(make(), close))
            self._held[key] = entry.value
        value: T = self._held[key]
        return value

    def replace(self, key: Hashable, value: Any) -> None:
        """Put another value in the place of one that this share has made, before anybody else has taken it."""
        self._held[key] = self._pool._entries[key].value = value

    async def release(self) -> None:
        """Give everything back, the latest first, and close what nobody else holds; a failure is logged."""
        held, self._held = self._held, {}
        for key in reversed(held):
            entry = self._pool._give_back(key)
            if entry is not None and entry.close is not None:
                await _close(entry.close, entry.value)

    def drop(self) -> None:
        """Give everything back where nothing can be awaited: what must be awaited to be closed is left to itself."""
        held, self._held = self._held, {}
        for key in reversed(held):
            entry = self._pool._give_back(key)
            if entry is not None and entry.close is not None and not inspect.iscoroutinefunction(entry.close):
                try:
                    closing = entry.close(entry.value)
                    if inspect.iscoroutine(closing):
                        closing.close()
                except Exception:
                    logger.exception("%s could not be closed", type(entry.value).__name__)


async def _close(close: Close, value: Any) -> None:
    try:
        closing = close(value)
        if inspect.isawaitable(closing):
            await closing
    except Exception:
        logger.exception("%s could not be closed", type(value).__name__)
