from __future__ import annotations

import asyncio

import pytest

from runtime.resources.patterns import LimitedPattern, PatternTimeout

SLOW = r"^(a|aa)+$"
EVIL = "a" * 60 + "b"


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^(\w+\s?)+$", "a" * 33 + "!", False),
        (r"^(\w+\s?)+$", "a" * 33, True),
        (r"(a+)+$", "a" * 100 + "b", False),
        (r"(x+x+)+y", "x" * 100, False),
        (r"(?<!\w)straße(?!\w)", "die straße hier", True),
        (r"\bécole\b", "une école", True),
        (r"(\w)\1", "abba", True),
    ],
)
async def test_a_pattern_finds_what_python_finds(pattern: str, text: str, found: bool) -> None:
    assert await LimitedPattern.compile(pattern).found_in(text) is found


async def test_a_search_that_would_take_years_is_given_up_and_the_event_loop_goes_on() -> None:
    searching = asyncio.ensure_future(LimitedPattern.compile(SLOW).found_in(EVIL))
    steps = 0
    while not searching.done():
        await asyncio.sleep(0)
        steps += 1
    assert steps > 100
    with pytest.raises(PatternTimeout, match="took longer than 1 s"):
        await searching


def test_a_search_in_the_event_loop_has_a_shorter_limit() -> None:
    with pytest.raises(PatternTimeout):
        LimitedPattern.compile(SLOW).matches(EVIL)


def test_a_pattern_that_is_none_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not a valid regular expression"):
        LimitedPattern.compile("(")
