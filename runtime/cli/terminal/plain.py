"""Make text from outside safe to print: a message, a widget or a file must not send commands to the terminal."""

from __future__ import annotations

import unicodedata
from typing import Any


def plain(value: Any) -> str:
    """The value as text without control characters; newlines and tabs stay, `None` is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value).replace("\r\n", "\n")
    return text if text.isascii() and text.isprintable() else "".join(map(_plain_character, text))


def one_line(value: Any) -> str:
    """The value as one line of text: every control character, newlines as well, is a dot; a tab is a space."""
    return plain(value).replace("\n", "·").replace("\t", " ")


def _plain_character(character: str) -> str:
    if character in "\n\t":
        return character
    # Format characters are invisible; the ones that turn the direction of text can make a line lie. The joiners of
    # emoji and of some scripts can't.
    if character in "\u200c\u200d":
        return character
    return "·" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character
