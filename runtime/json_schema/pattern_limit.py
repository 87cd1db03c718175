"""The time that the patterns of a JSON Schema may take: for all texts of one validation together."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from runtime.resources.patterns import LOOP_S, LimitedPattern, PatternTimeout
from runtime.sdk_internals import search_schema_patterns_with

_left_s: ContextVar[list[float] | None] = ContextVar("left_s", default=None)
"""The CPU time that is left for the patterns of this validation."""


@contextmanager
def limited_patterns(limit_s: float = LOOP_S) -> Iterator[None]:
    """Limit the time of all patterns that jsonschema searches in this block, which raises PatternTimeout.

    The texts come from models and users, and a validation blocks the event loop. A limit for each text would not do: a
    payload may have thousands.
    """
    token = _left_s.set([limit_s])
    try:
        yield
    finally:
        _left_s.reset(token)


def _search(pattern: str, text: str) -> Any:
    left = _left_s.get()
    if left is None:
        return re.search(pattern, text)
    if left[0] <= 0:
        raise PatternTimeout(pattern, LOOP_S)
    started = time.thread_time()
    try:
        return LimitedPattern.compile(pattern).search(text, left[0])
    finally:
        left[0] -= time.thread_time() - started


search_schema_patterns_with(_search)
