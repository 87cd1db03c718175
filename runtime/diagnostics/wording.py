"""Parts of messages: lists in words, and "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CLOSE = 0.8
"""The likeness of two words that differ in a letter or two; for names that resemble each other anyway."""


def join_or(words: Iterable[str]) -> str:
    """Join words as in a sentence: `a, b or c`."""
    return join_words(words, "or")


def join_words(words: Iterable[str], last: str) -> str:
    """Join unique words with commas, and with `last` before the last one."""
    unique = list(dict.fromkeys(words))
    return f" {last} ".join([", ".join(unique[:-1]), unique[-1]] if len(unique) > 1 else unique)


def quote(words: Iterable[str]) -> list[str]:
    """Put each word in quotes."""
    return [repr(word) for word in words]


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the nearest known word, or an empty string."""
    near = nearest(word, known)
    return f"did you mean {near!r}?" if near else ""


def nearest(word: str, known: Iterable[str], likeness: float = 0.65) -> str | None:
    """Return the known word most like `word`; `likeness` is the least ratio, from 0 to 1 for equal words."""
    names = list(known)
    exact = difflib.get_close_matches(word, names, n=1, cutoff=likeness)
    by_fold = {name.casefold(): name for name in reversed(names)}
    folded = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=likeness)
    return exact[0] if exact else by_fold[folded[0]] if folded else None
