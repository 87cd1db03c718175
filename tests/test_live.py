"""One pointer, and leases that outlive a swap."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from runtime.live import Live


class _Value:
    pass


async def _ignore(value: object) -> None:
    return None


async def test_a_lease_outlives_a_swap() -> None:
    closed: list[str] = []

    async def close(value: str) -> None:
        closed.append(value)

    live = Live("old", close)
    async with live.lease() as held:
        await live.swap("new")
        assert (held, live.current, closed) == ("old", "new", [])
        async with live.lease() as later:
            assert later == "new"
    assert closed == ["old"]


async def test_what_nobody_holds_is_closed_at_once() -> None:
    closed: list[int] = []

    async def close(value: int) -> None:
        closed.append(value)

    live = Live(1, close)
    await live.swap(2)
    assert closed == [1]


async def test_a_value_is_closed_once_when_its_last_lease_ends() -> None:
    closed: list[str] = []
    release = asyncio.Event()

    async def close(value: str) -> None:
        closed.append(value)

    live = Live("old", close)

    async def hold() -> None:
        async with live.lease():
            await release.wait()

    holders = [asyncio.create_task(hold()) for _ in range(3)]
    await asyncio.sleep(0)
    await live.swap("new")
    assert closed == []
    release.set()
    await asyncio.gather(*holders)
    assert closed == ["old"]


async def test_a_lease_that_ends_in_an_error_is_given_back() -> None:
    closed: list[str] = []

    async def close(value: str) -> None:
        closed.append(value)

    live = Live("old", close)

    async def fail() -> None:
        async with live.lease():
            await live.swap("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert closed == ["old"]


async def test_a_thousand_swaps_leave_one_value_alive() -> None:
    live = Live(_Value(), _ignore)
    canaries: list[weakref.ref[_Value]] = []
    for _ in range(1000):
        value = _Value()
        canaries.append(weakref.ref(value))
        await live.swap(value)
        del value
    gc.collect()
    assert sum(canary() is not None for canary in canaries) == 1
