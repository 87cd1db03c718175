"""The words for what a value is and should be: the language's own, never Python's or JSON Schema's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runtime.config.model.server import STORE_PATTERN
from runtime.config.model.types import (
    DURATION_PATTERN,
    IMPORT_PATTERN,
    POSITIVE_DURATION_PATTERN,
    SIZE_PATTERN,
    TOOL_NAME_PATTERN,
)
from runtime.config.secrets.patterns import mask_secret_patterns
from runtime.diagnostics.wording import join_or

_TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_PATTERNS = (
    (POSITIVE_DURATION_PATTERN[1:], "a duration above zero", "such as 250ms, 10s, 5m or 1h; a bare number is seconds"),
    (DURATION_PATTERN[1:], "a duration", "such as 250ms, 10s, 5m or 1h; a bare number is seconds"),
    (SIZE_PATTERN[1:], "a size", "such as 512KiB or 20MiB; a bare number is bytes"),
    (IMPORT_PATTERN[1:], "an import path", "such as package.module:name"),
    (TOOL_NAME_PATTERN[1:], "a tool's name", "1 to 64 letters, digits, '_' and '-'"),
    (STORE_PATTERN[1:], "a store's address", "memory, sqlite:///FILE or postgresql://…"),
    ("([A-Za-z0-9_.~-]+(/", "a path", "such as /chatkit"),
    ("[A-Z]{2}", "a country", "two capital letters, such as NO"),
    ("(https?://", "an address", "such as http://127.0.0.1:11434/v1"),
)
_SHOWN = 40


def name_type(value: Any) -> str:
    """Name the type of a value: `a list`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a string"


def name_expected(kinds: Iterable[str]) -> str:
    """Name what the JSON Schema types `kinds` accept: `a string or a mapping`."""
    return join_or([_TYPES[kind] for kind in kinds if kind != "null"] or ["nothing"])


def name_pattern(pattern: str) -> tuple[str, str]:
    """Return what a pattern stands for, and a hint with examples."""
    for known, noun, hint in _PATTERNS:
        if known in pattern:
            return noun, hint
    return "valid here", f"it must match {pattern}"


def shorten(value: Any) -> str:
    """Show a value in at most a few words; half a password would be one too many."""
    text = mask_secret_patterns(repr(value))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
