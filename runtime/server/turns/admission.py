"""How many turns run at once: for each user, and for all users together, with a queue for those that wait."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from runtime.auth.user import LOCAL_USER, User
from runtime.config.model.limits import ConcurrentTurns
from runtime.errors import RequestError

_RETRY_S = 5

UntilGone = Callable[[], Awaitable[None]]
"""Waits until the client of a request is gone."""


class TurnSlots:
    """Counts the running turns of this process; a reload keeps the counts, and its limits apply to later requests."""

    def __init__(self) -> None:
        self.running = 0
        self._of_user: Counter[str] = Counter()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._most = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for a turn to end."""
        return len(self._waiting)

    async def acquire(self, user: User, limits: ConcurrentTurns, until_gone: UntilGone | None = None) -> None:
        """Take a slot, which `release` returns; wait in the queue if all are taken.

        Raise RequestError: 429 for a user with too many turns, 503 for a full queue, or after `limits.wait` in it,
        and 499 if the client leaves the queue.
        """
        # Without a login everybody is the same user.
        if user.id != LOCAL_USER.id and self._of_user[user.id] >= limits.user:
            message = f"{limits.user} answers to you are being written at once (wait until one is done)"
            raise RequestError(429, "too_many_turns", message, retry_after_s=_RETRY_S)
        self._most = limits.all
        self._of_user[user.id] += 1
        try:
            if self.running >= limits.all or self._waiting:
                await self._wait(limits, until_gone)
            else:
                self.running += 1
        except BaseException:
            self._forget(user)
            raise

    def release(self, user: User) -> None:
        """Return a slot; the request that waits longest gets it."""
        self.running -= 1
        self._forget(user)
        self._admit()

    async def _wait(self, limits: ConcurrentTurns, until_gone: UntilGone | None) -> None:
        if len(self._waiting) >= limits.queue or not limits.wait:
            raise _busy(_RETRY_S)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            async with asyncio.timeout(limits.wait), _watched(turn, until_gone):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # Admitted in the moment in which the wait ended.
                self.running -= 1
                self._admit()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise _busy(math.ceil(limits.wait)) from None
            raise

    def _admit(self) -> None:
        while self._waiting and self.running < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                self.running += 1
                turn.set_result(None)

    def _forget(self, user: User) -> None:
        self._of_user[user.id] -= 1
        if not self._of_user[user.id]:
            del self._of_user[user.id]


@asynccontextmanager
async def _watched(turn: asyncio.Future[None], until_gone: UntilGone | None) -> AsyncIterator[None]:
    """End the wait for `turn` when the client is gone."""
    if until_gone is None:
        yield
        return

    async def watch() -> None:
        await until_gone()
        if not turn.done():
            turn.set_exception(RequestError(499, "client_gone", "the client is gone"))

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


def _busy(retry_after_s: int) -> RequestError:
    message = "too many answers are being written at once (try again in a moment)"
    return RequestError(503, "too_busy", message, retry_after_s=retry_after_s)
