"""Requests of users and addresses in windows of time: in memory, and together in PostgreSQL."""

from __future__ import annotations

import os

import pytest

from runtime.auth.user import LOCAL_USER, User
from runtime.config.model.limits import RequestRates
from runtime.errors import RequestError
from runtime.server.http.rate_limits import RequestLimiter
from runtime.stores import open_store
from runtime.stores.ids import new_id
from runtime.stores.store import ThreadStore

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES", "")
ANN, BOB = User("ann"), User("bob")


async def refusal(limiter: RequestLimiter, user: User, rates: RequestRates, store: ThreadStore) -> RequestError:
    with pytest.raises(RequestError) as refused:
        await limiter.check_user(user, rates, store)
    return refused.value


async def test_a_user_beyond_the_rate_is_a_429_until_the_window_ends() -> None:
    limiter, rates, store = RequestLimiter(), RequestRates(user="3/hour"), open_store("memory")
    for _ in range(3):
        await limiter.check_user(ANN, rates, store)
    for _ in range(2):
        refused = await refusal(limiter, ANN, rates, store)
        assert (refused.status, refused.code) == (429, "too_many_requests")
        assert refused.message == "too many requests (at most 3 in a hour)"
        assert 0 < (refused.retry_after_s or 0) <= 3600
    await limiter.check_user(BOB, rates, store)
    # A reload with another rate counts anew.
    await limiter.check_user(ANN, RequestRates(user="5/hour"), store)


async def test_a_window_that_has_ended_counts_no_more() -> None:
    now = 1e12  # after the end of every window
    limiter, rates, store = RequestLimiter(lambda: now), RequestRates(user="1/hour"), open_store("memory")
    await limiter.check_user(ANN, rates, store)
    for _ in range(2):
        # The library is asked again, which knows that its own window has not ended.
        assert (await refusal(limiter, ANN, rates, store)).retry_after_s == 1


async def test_without_a_login_and_without_a_rate_nothing_is_counted() -> None:
    limiter, store = RequestLimiter(), open_store("memory")
    for _ in range(3):
        await limiter.check_user(LOCAL_USER, RequestRates(user="1/hour"), store)
        await limiter.check_user(ANN, RequestRates(), store)
        await limiter.check_address("10.0.0.1", RequestRates(), store)


async def test_addresses_are_counted_apart_from_users_and_from_each_other() -> None:
    limiter, rates, store = RequestLimiter(), RequestRates(address="1/hour", user="1/hour"), open_store("memory")
    await limiter.check_address("10.0.0.1", rates, store)
    await limiter.check_address("10.0.0.2", rates, store)
    await limiter.check_user(User("10.0.0.1"), rates, store)
    with pytest.raises(RequestError):
        await limiter.check_address("10.0.0.1", rates, store)


@pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
async def test_processes_with_one_postgresql_count_together() -> None:
    stores = [open_store(POSTGRES, timeout_s=60) for _ in range(2)]
    limiters = [RequestLimiter(), RequestLimiter()]
    user, rates = User(new_id("user")), RequestRates(user="4/hour")
    for store in stores:
        await store.open()
    for _ in range(2):
        for limiter, store in zip(limiters, stores, strict=True):
            await limiter.check_user(user, rates, store)
    for limiter, store in zip(limiters, stores, strict=True):
        refused = await refusal(limiter, user, rates, store)
        assert 3500 < (refused.retry_after_s or 0) <= 3600
        await store.close()
