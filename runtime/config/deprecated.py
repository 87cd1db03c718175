"""The keys that still work and should no longer be written, each with what to write instead.

The schema marks the same ones as deprecated, so that editors strike them through.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runtime.config.findings import Findings
from runtime.config.source import Path

_CACHE = "OpenAI has replaced it: write 'prompt_cache_options: {ttl: 30m}', or 12h"

DEPRECATED: dict[tuple[str, ...], str] = {
    ("models", "*", "settings", "prompt_cache_retention"): _CACHE,
    ("agents", "*", "settings", "prompt_cache_retention"): _CACHE,
}
"""The way to each key, where `*` is any name, and what to write instead."""


def check_deprecated(data: Any, found: Findings) -> None:
    """Report each deprecated key of a file's data."""
    for pattern, instead in DEPRECATED.items():
        for path in _matches(data, pattern):
            message = f"{path[-1]!r} is deprecated"
            found.report("A109", path, message, instead, severity="warning", at_key=True)


def _matches(data: Any, pattern: tuple[str, ...], path: Path = ()) -> Iterator[Path]:
    if not pattern:
        yield path
    elif isinstance(data, dict):
        for key in data if pattern[0] == "*" else data.keys() & {pattern[0]}:
            yield from _matches(data[key], pattern[1:], (*path, key))
