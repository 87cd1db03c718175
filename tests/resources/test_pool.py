"""Objects that outlive a generation: shared while a generation holds them, closed once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import pytest

from runtime.resources.pool import Pool


class _Thing:
    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1

    def close(self) -> None:
        self.closed += 1


async def test_the_next_share_gets_the_same_object_and_the_last_one_closes_it() -> None:
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


async def test_another_key_is_another_object_and_one_that_is_not_taken_again_is_closed() -> None:
    pool = Pool()
    first, second = pool.share(), pool.share()
    old, kept = first.get("a", _Thing, _Thing.close), first.get("b", _Thing, _Thing.close)
    assert second.get("b", _Thing, _Thing.close) is kept
    assert second.get("c", _Thing, _Thing.close) is not old
    await first.release()
    assert (old.closed, kept.closed) == (1, 0)


async def test_objects_are_closed_in_reverse_order_and_a_failure_stops_no_other(
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


async def test_a_replaced_object_is_what_the_next_share_gets() -> None:
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


@dataclass(frozen=True)
class _Key:
    """A key that says when it is looked up."""

    looked_up: Event = field(default_factory=Event, compare=False)

    def __hash__(self) -> int:
        self.looked_up.set()
        return 0


def test_two_threads_that_get_one_key_at_once_make_it_once() -> None:
    pool, started, may_end = Pool(), Event(), Event()
    made: list[_Thing] = []

    def make() -> _Thing:
        made.append(_Thing())
        started.set()
        assert may_end.wait(60)
        return made[-1]

    second_key = _Key()
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(pool.share().get, _Key(), make)
        assert started.wait(60)
        second = threads.submit(pool.share().get, second_key, make)
        assert second_key.looked_up.wait(60)
        # Another key is not held up meanwhile.
        assert threads.submit(pool.share().get, "other", lambda: 1).result(60) == 1
        may_end.set()
        assert first.result(60) is second.result(60)
    assert len(made) == 1


def test_a_thread_that_waits_for_a_failing_build_tries_itself() -> None:
    pool, started, may_fail = Pool(), Event(), Event()

    def fail() -> _Thing:
        started.set()
        assert may_fail.wait(60)
        raise OSError("refused")

    second_key = _Key()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(pool.share().get, _Key(), fail)
        assert started.wait(60)
        second = threads.submit(pool.share().get, second_key, _Thing)
        assert second_key.looked_up.wait(60)
        may_fail.set()
        with pytest.raises(OSError, match="refused"):
            first.result(60)
        assert isinstance(second.result(60), _Thing)
    assert len(pool) == 1
