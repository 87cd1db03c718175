"""How the command line shows text and paths: without control characters, and relative to the working folder."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any, TextIO


def plain(value: Any) -> str:
    """Return the value as text without control characters; newlines and tabs stay, `None` is empty.

    A message, a widget or a file must not be able to send commands to the terminal.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value).replace("\r\n", "\n")
    return text if text.isascii() and text.isprintable() else "".join(map(_plain_character, text))


def one_line(value: Any) -> str:
    """Return the value as one line: each control character and each newline becomes a dot, a tab becomes a space."""
    return plain(value).replace("\n", "·").replace("\t", " ")


def _plain_character(character: str) -> str:
    if character in "\n\t":
        return character
    # Format characters are invisible, and those that change the direction of text can disguise a line. The joiners
    # that emoji and some scripts need are harmless.
    if character in "\u200c\u200d":
        return character
    return "·" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character


def display_path(path: Path) -> str:
    """Return a path relative to the working folder if it is below it, else unchanged."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def wants_colour(stream: TextIO) -> bool:
    """Return whether to print colours to `stream`: to a terminal, unless NO_COLOR is set or TERM is `dumb`."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
