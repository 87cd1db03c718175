"""Slots for running turns: limits for each user and for all, a queue in order, and no slot that is lost."""

from __future__ import annotations

import asyncio

import pytest

from runtime.auth.user import LOCAL_USER, User
from runtime.config.model.limits import ConcurrentTurns
from runtime.errors import RequestError
from runtime.server.turns.admission import TurnSlots

ANN, BOB = User("ann"), User("bob")


async def refusal(slots: TurnSlots, user: User, limits: ConcurrentTurns) -> RequestError:
    with pytest.raises(RequestError) as refused:
        await slots.acquire(user, limits)
    return refused.value


async def waiting(slots: TurnSlots, user: User, limits: ConcurrentTurns) -> asyncio.Task[None]:
    task = asyncio.create_task(slots.acquire(user, limits))
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_one_user_beyond_their_limit_is_a_429_and_others_are_served() -> None:
    slots, limits = TurnSlots(), ConcurrentTurns(user=2)
    await slots.acquire(ANN, limits)
    await slots.acquire(ANN, limits)
    refused = await refusal(slots, ANN, limits)
    assert (refused.status, refused.code) == (429, "too_many_turns")
    assert refused.retry_after_s
    await slots.acquire(BOB, limits)
    slots.release(ANN)
    await slots.acquire(ANN, limits)
    assert slots.running == 3


async def test_without_a_login_the_limit_of_a_user_does_not_apply() -> None:
    slots = TurnSlots()
    for _ in range(3):
        await slots.acquire(LOCAL_USER, ConcurrentTurns(user=1))
    assert slots.running == 3


async def test_who_waits_longest_is_served_first_and_a_full_queue_is_a_503() -> None:
    slots, limits = TurnSlots(), ConcurrentTurns(all=1, queue=2, user=5)
    await slots.acquire(ANN, limits)
    first = await waiting(slots, BOB, limits)
    second = await waiting(slots, ANN, limits)
    refused = await refusal(slots, BOB, limits)
    assert (refused.status, refused.code) == (503, "too_busy")
    assert refused.retry_after_s
    slots.release(ANN)
    await first
    assert not second.done()
    assert (slots.running, slots.waiting) == (1, 1)
    slots.release(BOB)
    await second
    assert (slots.running, slots.waiting) == (1, 0)


async def test_waiting_ends_with_a_503() -> None:
    slots, limits = TurnSlots(), ConcurrentTurns(all=1, wait=0.001)
    await slots.acquire(ANN, limits)
    assert (await refusal(slots, ANN, limits)).status == 503
    slots.release(ANN)
    await slots.acquire(ANN, limits)
    assert (slots.running, slots.waiting) == (1, 0)


@pytest.mark.parametrize("limits", [ConcurrentTurns(all=1, queue=0), ConcurrentTurns(all=1, wait=0)])
async def test_without_a_queue_nobody_waits(limits: ConcurrentTurns) -> None:
    slots = TurnSlots()
    await slots.acquire(ANN, limits)
    assert (await refusal(slots, ANN, limits)).status == 503


async def test_a_request_that_is_cancelled_while_it_waits_takes_no_slot() -> None:
    slots, limits = TurnSlots(), ConcurrentTurns(all=1, user=2)
    await slots.acquire(ANN, limits)
    gone = await waiting(slots, BOB, limits)
    late = await waiting(slots, BOB, limits)
    gone.cancel()
    slots.release(ANN)
    late.cancel()  # admitted, but not yet resumed
    await asyncio.gather(gone, late, return_exceptions=True)
    assert (slots.running, slots.waiting) == (0, 0)
    for _ in range(2):
        await slots.acquire(BOB, ConcurrentTurns(all=2, user=2))


async def test_a_higher_limit_after_a_reload_serves_those_that_wait() -> None:
    slots = TurnSlots()
    await slots.acquire(ANN, ConcurrentTurns(all=1))
    early = await waiting(slots, BOB, ConcurrentTurns(all=1))
    await slots.acquire(BOB, ConcurrentTurns(all=3))
    await early
    assert slots.running == 3
