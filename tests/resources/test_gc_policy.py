"""When the garbage collector goes through everything in a process that serves."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass

import pytest

from runtime.resources import gc_policy as collecting
from runtime.resources.gc_policy import Rest, collector_paused, giving_way

pytestmark = pytest.mark.in_process


@dataclass
class _Server:
    in_use: bool = False
    number: int = 1
    small: bool = False

    def rest(self) -> Rest:
        return Rest(lambda: self.in_use, lambda: self.number, lambda: self.small)


@pytest.fixture(autouse=True)
def nothing_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "_ROUNDS", sys.maxsize)


def test_nothing_is_gone_through_without_a_reason() -> None:
    rest = _Server(small=True).rest()
    assert not any(rest.has_come(now) for now in range(1000))


def test_much_that_survives_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "_ROUNDS", 0)
    assert _Server(small=True).rest().has_come(0)


def test_after_a_reload_it_waits_for_two_looks_without_a_request() -> None:
    server = _Server(in_use=True)
    rest = server.rest()
    server.number += 1
    assert not any(rest.has_come(now) for now in range(5))
    server.in_use = False
    assert not rest.has_come(5)
    server.in_use = True
    assert not rest.has_come(6)
    server.in_use = False
    assert not rest.has_come(7)
    assert rest.has_come(8)
    rest.begin_anew(0.1)
    assert not any(rest.has_come(now) for now in range(9, 20))


def test_it_waits_neither_for_ever_nor_through_many_reloads() -> None:
    server = _Server(in_use=True)
    rest = server.rest()
    server.number += 1
    assert not rest.has_come(0)
    assert not rest.has_come(299)
    assert rest.has_come(300)
    rest.begin_anew(0.1)
    server.number += 20
    assert rest.has_come(301)


def test_a_small_project_waits_for_nothing_unless_it_took_long() -> None:
    server = _Server(in_use=True, small=True)
    rest = server.rest()
    server.number += 1
    assert rest.has_come(0)
    rest.begin_anew(0.5)
    server.number += 1
    assert not rest.has_come(1)


def test_a_reload_takes_small_steps_and_leaves_the_interpreter_as_it_was() -> None:
    before = gc.get_threshold(), sys.getswitchinterval()
    with giving_way():
        with giving_way(), collector_paused():
            assert gc.isenabled()
        assert gc.get_threshold()[:2] == before[0][:2]
        assert gc.get_threshold()[2] > 1_000_000
        assert sys.getswitchinterval() <= 0.0005
    assert (gc.get_threshold(), sys.getswitchinterval()) == before
    with collector_paused():
        assert not gc.isenabled()
