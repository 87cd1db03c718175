from __future__ import annotations

import pytest

from runtime.config.slow_patterns import ambiguous_repeat


@pytest.mark.parametrize(
    "pattern",
    [
        r"^(\w+\s?)+$",
        "(a+)+",
        "(a*)*b",
        "((a+))+",
        "(?:x+y?)*z",
        "(a|b+)+",
        "(a+){2,}",
        r"(\s*\w+)*".replace("w+", "s*"),
    ],
)
def test_a_repetition_of_a_repetition_is_found(pattern: str) -> None:
    assert ambiguous_repeat(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["a+", r"\d{16}", r"(\d{1,3}\.){3}\d{1,3}", r"\w+(\s\w+)*", r"(\w+,)*", "(a|b)+", r"(?i)\bpassword\b", "(a+){1,3}"],
)
def test_other_patterns_are_not_slow(pattern: str) -> None:
    assert not ambiguous_repeat(pattern)
