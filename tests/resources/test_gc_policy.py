"""When a process that serves runs a full collection."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass

import pytest

from runtime.resources.gc_policy import IdleCollector, IdleLimits, collector_paused, reload_policy

pytestmark = pytest.mark.in_process


@dataclass
class _Server:
    in_use: bool = False
    number: int = 1
    small: bool = False

    def collector(self, rounds: int = sys.maxsize) -> IdleCollector:
        limits = IdleLimits(rounds=rounds)
        return IdleCollector(lambda: self.in_use, lambda: self.number, lambda: self.small, limits)


def test_nothing_is_gone_through_without_a_reason() -> None:
    collector = _Server(small=True).collector()
    assert not any(collector.is_due(now) for now in range(1000))


def test_much_that_survives_is_a_reason() -> None:
    assert _Server(small=True).collector(rounds=0).is_due(0)


def test_after_a_reload_it_waits_for_two_looks_without_a_request() -> None:
    server = _Server(in_use=True)
    collector = server.collector()
    server.number += 1
    assert not any(collector.is_due(now) for now in range(5))
    server.in_use = False
    assert not collector.is_due(5)
    server.in_use = True
    assert not collector.is_due(6)
    server.in_use = False
    assert not collector.is_due(7)
    assert collector.is_due(8)
    collector.record(0.1)
    assert not any(collector.is_due(now) for now in range(9, 20))


def test_it_waits_neither_for_ever_nor_through_many_reloads() -> None:
    server = _Server(in_use=True)
    collector = server.collector()
    server.number += 1
    assert not collector.is_due(0)
    assert not collector.is_due(299)
    assert collector.is_due(300)
    collector.record(0.1)
    server.number += 20
    assert collector.is_due(301)


def test_a_small_project_waits_for_nothing_unless_it_took_long() -> None:
    server = _Server(in_use=True, small=True)
    collector = server.collector()
    server.number += 1
    assert collector.is_due(0)
    collector.record(0.5)
    server.number += 1
    assert not collector.is_due(1)


def test_a_reload_takes_small_steps_and_leaves_the_interpreter_as_it_was() -> None:
    before = gc.get_threshold(), sys.getswitchinterval()
    with reload_policy():
        with reload_policy(), collector_paused():
            assert gc.isenabled()
        assert gc.get_threshold()[:2] == before[0][:2]
        assert gc.get_threshold()[2] > 1_000_000
        assert sys.getswitchinterval() <= 0.0005
    assert (gc.get_threshold(), sys.getswitchinterval()) == before
    with collector_paused():
        assert not gc.isenabled()
