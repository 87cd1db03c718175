"""Texts that users, models and tools wrote: made safe to store, to send and to put into a prompt.

A model takes a text for what it looks like. So a name or a title becomes one short line, and what imitates the tags
around hidden context is changed, so that only the runtime's own tags have that form.
"""

from __future__ import annotations

import re
from typing import Any

MAX_NAME = 200
"""The most characters of a user's name or a thread's title in a prompt."""
MAX_LANGUAGE = 35
"""The most characters of a language tag, by RFC 5646."""

# Language, script and region of BCP 47. Other subtags may be any words, and nothing needs them.
_LANGUAGE = re.compile(r"([a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?)(?:-[a-z0-9]{1,8})*", re.IGNORECASE)
_TAGS = r"(?i:Hidden[\s_-]*Context)|StructuredInput|Task|FILE"
# Also with spaces, and with the signs that look like "<" after normalization.
_IMITATION = re.compile(rf"[<\uFE64\uFF1C](?=[\s/\u200B-\u200D\u2060\uFEFF]*(?:{_TAGS})\b)")
_OPENING = ("<", "\ufe64", "\uff1c")


def clean(text: str) -> str:
    """Return the text without U+0000, and with U+FFFD for each unpaired surrogate; two that are a pair are joined."""
    text = text.replace("\0", "") if "\0" in text else text
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_value(value: Any) -> Any:
    """Return data of JSON with each text cleaned, the keys included."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean_value(key): clean_value(entry) for key, entry in value.items()}
    return [clean_value(entry) for entry in value] if isinstance(value, list | tuple) else value


def one_line(text: str) -> str:
    """Return a name or a title as a line for a prompt: printable, without imitated tags, at most `MAX_NAME` long."""
    if len(text) <= MAX_NAME and text.isprintable() and "<" not in text:
        return text
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * MAX_NAME])
    line = defuse(" ".join(line.split()))
    return line if len(line) <= MAX_NAME else f"{line[: MAX_NAME - 1]}…"


def defuse(text: str) -> str:
    """Return the text with `&lt;` where it imitates a tag that the runtime puts around hidden context and files."""
    if not is_suspect(text):
        return text
    return _IMITATION.sub("&lt;", text)


def is_suspect(text: str) -> bool:
    """Return whether `defuse` could change the text; costs less."""
    return any(sign in text for sign in _OPENING)


def language_tag(text: str) -> str | None:
    """Return language, script and region of a BCP 47 tag, such as `de-CH`; None for any other text."""
    match = _LANGUAGE.fullmatch(text) if len(text) <= MAX_LANGUAGE else None
    return None if match is None else match[1]
