"""A pointer to the current object, and leases that outlive its replacement."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import pytest

from runtime.resources.lease import Live


class _Value:
    pass


async def _ignore(value: object) -> None:
    return None


class _Closed:
    """Notes what is closed; waits for `gate` before it says so."""

    def __init__(self) -> None:
        self.values: list[object] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, value: object) -> None:
        await self.gate.wait()
        self.values.append(value)


async def test_a_lease_outlives_a_swap() -> None:
    closed = _Closed()
    live = Live("old", closed)
    with live.lease() as held:
        live.swap("new")
        await live.wait_closed()
        assert (held, live.current, closed.values, live.old) == ("old", "new", [], ["old"])
        with live.lease() as later:
            assert later == "new"
    await live.wait_closed()
    assert (closed.values, live.old) == (["old"], [])


async def test_what_nobody_holds_is_closed_at_once() -> None:
    closed = _Closed()
    live = Live(1, closed)
    live.swap(2)
    await live.wait_closed()
    assert closed.values == [1]


async def test_a_value_is_closed_once_when_its_last_lease_ends() -> None:
    closed = _Closed()
    live = Live("old", closed)
    leases = [live.lease() for _ in range(3)]
    assert live.leases("old") == 3
    live.swap("new")
    for lease in leases[:2]:
        lease.release()
        lease.release()
    await live.wait_closed()
    assert (closed.values, live.leases("old")) == ([], 1)
    leases[2].release()
    await live.wait_closed()
    assert closed.values == ["old"]


async def test_a_second_lease_of_an_old_value_keeps_it_open() -> None:
    closed = _Closed()
    live = Live("old", closed)
    first = live.lease()
    live.swap("new")
    second = first.again()
    first.release()
    await live.wait_closed()
    assert (second.value, closed.values) == ("old", [])
    with pytest.raises(ValueError, match="has ended"):
        first.again()
    second.release()
    await live.wait_closed()
    assert closed.values == ["old"]


async def test_a_lease_that_ends_in_an_error_is_given_back() -> None:
    closed = _Closed()
    live = Live("old", closed)

    def fail() -> None:
        with live.lease():
            live.swap("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    await live.wait_closed()
    assert closed.values == ["old"]


async def test_whoever_waits_for_room_goes_on_when_an_old_value_is_closed() -> None:
    closed = _Closed()
    live = Live("one", closed)
    lease = live.lease()
    live.swap("two")
    waiting = asyncio.create_task(live.wait_for_room(2))
    await asyncio.sleep(0)
    assert not waiting.done()
    closed.gate.clear()
    lease.release()
    await asyncio.sleep(0)
    assert not waiting.done()  # drained, and not closed yet
    closed.gate.set()
    await asyncio.wait_for(waiting, 180)
    assert closed.values == ["one"]


async def test_a_close_that_fails_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(value: str) -> None:
        raise OSError("already gone")

    live = Live("old", fail)
    with caplog.at_level(logging.ERROR, "runtime.live"), live.lease():
        live.swap("new")
    await live.wait_closed()
    assert "already gone" in caplog.text
    assert (live.current, live.old) == ("new", [])


async def test_a_thousand_swaps_leave_one_value_alive() -> None:
    live = Live(_Value(), _ignore)
    canaries: list[weakref.ref[_Value]] = []
    for _ in range(1000):
        value = _Value()
        canaries.append(weakref.ref(value))
        live.swap(value)
        del value
    await live.wait_closed()
    gc.collect()
    assert sum(canary() is not None for canary in canaries) == 1
