"""How many requests users and addresses may send in a window of time, by the library `limits`.

Counts are in the memory of the process, or in PostgreSQL where the store is: there all processes count together.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.auth.user import LOCAL_USER, User
from runtime.config.model.limits import RequestRates
from runtime.errors import RequestError
from runtime.server.http.addresses import counted_address
from runtime.server.http.identity import refusal_response
from runtime.server.http.responses import send_response
from runtime.stores.store import ThreadStore

if TYPE_CHECKING:
    # Not imported for a store in memory: SQLAlchemy takes a while.
    from limits import RateLimitItem
    from limits.aio.strategies import RateLimiter

    from runtime.stores.sql import SqlStore

_MAX_REFUSED = 10_000


class RequestLimiter:
    """Counts requests in fixed windows; a reload keeps the counts. `clock` returns the time since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._strategies: dict[int | None, RateLimiter] = {}
        self._refused: dict[tuple[str, str, str], float] = {}

    async def check_address(self, address: str, rates: RequestRates, store: ThreadStore) -> None:
        """Count a request from an address, see `counted_address`. Raise RequestError (429)."""
        if rates.address is not None:
            await self._hit("address", counted_address(address), rates.address, store)

    async def check_user(self, user: User, rates: RequestRates, store: ThreadStore) -> None:
        """Count a request of a user who is logged in. Raise RequestError (429)."""
        if rates.user is not None and user.id != LOCAL_USER.id:
            await self._hit("user", user.id, rates.user, store)

    async def _hit(self, kind: str, name: str, rate: str, store: ThreadStore) -> None:
        key = kind, name, rate
        now = self._clock()
        until = self._refused.get(key, 0.0)
        if until <= now:
            strategy, item = self._strategy(store), _parsed(rate)
            if await strategy.hit(item, kind, name):
                return
            until = (await strategy.get_window_stats(item, kind, name)).reset_time
            # Further requests are refused without a look at the database.
            if len(self._refused) >= _MAX_REFUSED:
                self._refused.clear()
            self._refused[key] = until
        message = f"too many requests (at most {rate.replace('/', ' in a ')})"
        raise RequestError(429, "too_many_requests", message, retry_after_s=max(math.ceil(until - now), 1))

    def _strategy(self, store: ThreadStore) -> RateLimiter:
        shared = cast("SqlStore", store) if store.is_shared else None
        key = None if shared is None else id(shared)
        if key not in self._strategies:
            from limits.aio.storage import MemoryStorage
            from limits.aio.strategies import FixedWindowRateLimiter

            storage: Any = MemoryStorage() if shared is None else _shared_storage(shared)
            self._strategies[key] = FixedWindowRateLimiter(storage)
        return self._strategies[key]


class AddressLimit:
    """ASGI middleware: limit the requests of each address, before anybody looks at who sends them."""

    def __init__(
        self, app: ASGIApp, limiter: RequestLimiter, rates: RequestRates, store_of: Callable[[Scope], ThreadStore]
    ) -> None:
        self._app, self._limiter, self._rates, self._store_of = app, limiter, rates, store_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse the request."""
        if self._rates.address is not None and scope["type"] in ("http", "websocket") and scope.get("client"):
            try:
                await self._limiter.check_address(str(scope["client"][0]), self._rates, self._store_of(scope))
            except RequestError as error:
                await send_response(refusal_response(HTTPConnection(scope), error), scope, receive, send)
                return
        await self._app(scope, receive, send)


@cache
def _parsed(rate: str) -> RateLimitItem:
    # Imported on demand: it takes 100 ms.
    from limits import parse

    return parse(rate)


def _shared_storage(store: SqlStore) -> Any:
    from limits.aio.storage import Storage

    class DatabaseStorage(Storage):
        """The storage of the library `limits` in the counts of a SQL store."""

        STORAGE_SCHEME = None

        def __init__(self) -> None:
            super().__init__()
            self._last: dict[str, tuple[int, float]] = {}

        @property
        def base_exceptions(self) -> type[Exception]:
            return Exception

        async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
            # The window of the last counts is all that the library reads after a refusal.
            if len(self._last) >= _MAX_REFUSED:
                self._last.clear()
            # Hashed: the key names the user or the address.
            hashed = hashlib.sha256(key.encode()).hexdigest()
            self._last[key] = await store.counts.add(hashed, expiry, amount)
            return self._last[key][0]

        async def get(self, key: str) -> int:
            return self._last.get(key, (0, 0.0))[0]

        async def get_expiry(self, key: str) -> float:
            return self._last.get(key, (0, 0.0))[1]

        async def check(self) -> bool:
            return True

        async def reset(self) -> int | None:
            return None

        async def clear(self, key: str) -> None:
            self._last.pop(key, None)

    return DatabaseStorage()
