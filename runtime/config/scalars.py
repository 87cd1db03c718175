"""The YAML 1.2 core schema: what a scalar without quotes means.

`no`, `on` and `yes` are text here, as they are for the reader of the file. What JSON has no word
for (`.inf`, `.nan`) stays text too.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_FIRST = frozenset("-+.0123456789")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
# More digits are nobody's number, and Python refuses to convert them.
_MAX_DIGITS = 300


def resolve_plain(text: str) -> Scalar:
    """Return the value that `text` has when it is written without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST or len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text) if text[1:2] not in ("o", "x") else int(text, 0)
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def parse_number(text: str) -> int | float | None:
    """Read a whole text as a number of the core schema; None where it is none."""
    value = resolve_plain(text)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def parse_bool(text: str) -> bool | None:
    """Read a whole text as `true` or `false`; None where it is neither."""
    value = resolve_plain(text)
    return value if isinstance(value, bool) else None
