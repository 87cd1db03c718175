"""Things that outlive a generation: the same while somebody holds them, closed once."""

from __future__ import annotations

import logging

import pytest

from runtime.resources.pool import Pool


class _Thing:
    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1

    def close(self) -> None:
        self.closed += 1


async def test_the_next_share_gets_the_same_thing_and_the_last_one_closes_it() -> None:
    pool = Pool()
    first, second = pool.share(), pool.share()
    thing = first.get("client", _Thing, _Thing.aclose)
    assert second.get("client", _Thing, _Thing.aclose) is thing
    assert first.get("client", _Thing) is thing
    await first.release()
    assert (thing.closed, len(pool)) == (0, 1)
    await second.release()
    assert (thing.closed, len(pool)) == (1, 0)
    await second.release()
    assert thing.closed == 1


async def test_another_key_is_another_thing_and_what_is_not_taken_again_is_closed() -> None:
    pool = Pool()
    first, second = pool.share(), pool.share()
    old, kept = first.get("a", _Thing, _Thing.close), first.get("b", _Thing, _Thing.close)
    assert second.get("b", _Thing, _Thing.close) is kept
    assert second.get("c", _Thing, _Thing.close) is not old
    await first.release()
    assert (old.closed, kept.closed) == (1, 0)


async def test_things_are_closed_in_the_opposite_order_and_a_failure_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[str] = []

    def fail(value: str) -> None:
        raise OSError("gone")

    share = Pool().share()
    share.get("first", lambda: "first", closed.append)
    share.get("broken", lambda: "broken", fail)
    share.get("last", lambda: "last", closed.append)
    with caplog.at_level(logging.ERROR, "runtime.pool"):
        await share.release()
    assert closed == ["last", "first"]
    assert "gone" in caplog.text


async def test_what_could_not_be_made_is_not_held() -> None:
    pool = Pool()
    share = pool.share()
    with pytest.raises(ZeroDivisionError):
        share.get("thing", lambda: 1 // 0)
    assert len(pool) == 0
    assert share.get("thing", lambda: 1) == 1


async def test_a_replaced_thing_is_what_the_next_share_gets() -> None:
    pool = Pool()
    first, second = pool.share(), pool.share()
    first.get("state", _Thing)
    other = _Thing()
    first.replace("state", other)
    assert second.get("state", _Thing) is other


def test_a_share_can_be_dropped_where_nothing_can_be_awaited() -> None:
    pool = Pool()
    share = pool.share()
    sync, later = share.get("sync", _Thing, _Thing.close), share.get("async", _Thing, _Thing.aclose)
    share.drop()
    assert (sync.closed, later.closed, len(pool)) == (1, 0, 0)
