"""Find the repetitions in a regular expression for which a search can take exponential time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from runtime.sdk_internals import parse_pattern

_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")


def ambiguous_repeat(pattern: str) -> str:
    """Return a description of the first repetition of a repetition with nothing fixed between; empty if there is none.

    In `(\\w+\\s?)+`, five letters are from one to five repetitions, in 16 ways; each further letter doubles them.
    """
    return "a repetition inside of a repetition" if _find(parse_pattern(pattern), inside=False) else ""


SLOW_HINT = "write it so that each repetition begins with something fixed, such as '(\\s\\w+)*' for '(\\w+\\s?)+'"


def slowness(pattern: str) -> str:
    """Return the message about a pattern that can take very long; empty for others, and for one that is none."""
    try:
        part = ambiguous_repeat(pattern)
    except re.error:
        return ""
    return f"{pattern!r} can take very long: {part} can match one text in many ways" if part else ""


def _find(items: Iterable[tuple[Any, Any]], *, inside: bool) -> bool:
    """Return whether a sequence has such a repetition; `inside` says that the sequence itself is repeated."""
    sequence = list(items)
    for index, (operation, arguments) in enumerate(sequence):
        others_may_be_empty = all(_may_be_empty([item]) for item in sequence[:index] + sequence[index + 1 :])
        again = inside and others_may_be_empty
        if str(operation) in _REPEATS:
            _, most, body = arguments
            is_unbounded = most > 1000
            if is_unbounded and again:
                return True
            if _find(body, inside=is_unbounded or again):
                return True
        elif any(_find(part, inside=again) for part in _parts(str(operation), arguments)):
            return True
    return False


def _parts(operation: str, arguments: Any) -> list[Any]:
    match operation:
        case "SUBPATTERN":
            return [arguments[3]]
        case "BRANCH":
            return list(arguments[1])
        case _:
            return []


def _may_be_empty(items: Iterable[tuple[Any, Any]]) -> bool:
    for operation, arguments in items:
        match str(operation):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                empty = arguments[0] == 0 or _may_be_empty(arguments[2])
            case "SUBPATTERN":
                empty = _may_be_empty(arguments[3])
            case "BRANCH":
                empty = any(_may_be_empty(part) for part in arguments[1])
            case "AT" | "ASSERT" | "ASSERT_NOT":
                empty = True
            case _:
                empty = False
        if not empty:
            return False
    return True
