"""Ids sort by time and don't collide."""

from __future__ import annotations

import re
import time
from typing import get_args

import pytest
from chatkit.store import StoreItemType, default_generate_id

from runtime.stores import ids
from runtime.stores.ids import new_id


@pytest.mark.parametrize("kind", get_args(StoreItemType))
def test_the_prefix_is_that_of_chatkit(kind: StoreItemType) -> None:
    assert new_id(kind).split("_")[0] == default_generate_id(kind).split("_")[0]


def test_a_word_of_ours_is_its_own_prefix() -> None:
    assert new_id("feedback").startswith("fb_")
    assert re.fullmatch(r"run_[0-9a-f]{40}", new_id("run"))


def test_ids_of_one_process_only_grow_even_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [new_id("message") for _ in range(5_000)]
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_000_000_000)
    made += [new_id("message") for _ in range(100)]
    assert made == sorted(set(made))


def test_an_id_says_when_it_was_made() -> None:
    before = time.time_ns() // 1_000_000
    made = int(new_id("thread")[4:16], 16)
    # The count of ids in other tests may have advanced the clock by less than one millisecond.
    assert before <= made <= time.time_ns() // 1_000_000 + 1


def test_ninety_six_bits_are_random(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(ids.os, "urandom", lambda count: asked.append(count) or b"\xab" * count)
    assert new_id("message").endswith("ab" * 12)
    assert asked == [12]
