"""Secret patterns: the formats of well-known keys and tokens, and passwords in URLs.

A short list of unambiguous formats, instead of a scanner's long list: a prompt must not raise a false alarm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from runtime.documents.variables import VARIABLE_NAME

# Each pattern runs only on a text that contains its prefix.
_FORMATS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (prefix, noun, re.compile(pattern, re.DOTALL))
    for prefix, noun, pattern in (
        ("sk-", "an API key", r"(?<![\w-])sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{18,}"),
        ("k_live_", "a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
        ("gh", "a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
        ("github_pat_", "a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
        ("glpat-", "a GitLab token", r"\bglpat-[A-Za-z0-9_-]{16,}"),
        ("hf_", "a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
        ("xox", "a Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
        ("AKIA", "an AWS key", r"\bAKIA[A-Z0-9]{16}\b"),
        ("ASIA", "an AWS key", r"\bASIA[A-Z0-9]{16}\b"),
        ("AIza", "a Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("eyJ", "a JSON Web Token", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        ("Bearer ", "a bearer token", r"(?<=\bBearer )(?=[A-Za-z_.~+/-]*[0-9])[A-Za-z0-9._~+/-]{20,}=*"),
        (
            "PRIVATE KEY-----",
            "a private key",
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        ),
    )
)
# 'host:NUMBER' is a port, unless an '@' follows.
_PASSWORD = re.compile(
    r"""\b[A-Za-z][A-Za-z0-9+.-]*:/{1,3}[^\s/@:?#'"\[]*:(?!\d{1,5}(?:[/?#\s'"]|$))(?P<secret>[^\s'"]+)(?=@)"""
)
# The same in a malformed URL: 'htp:me:word@host', 'me:word@host/v1'.
_LOOSE_PASSWORD = re.compile(r"""(?:^|[/\s'"])[^\s/@:?#'"]+:(?!\d{1,5}(?:[/?#\s'"]|$)|//)(?P<secret>[^\s'"]+)(?=@)""")
_IN_QUERY = re.compile(
    r"[?&][^=&#\s]*(?:passw|secret|token|key|signature)[^=&#\s]*=(?P<secret>[^&#\s'\"]+)", re.IGNORECASE
)
_UNMASKED = re.compile(rf"\$\{{{VARIABLE_NAME}\}}|\$\{{{VARIABLE_NAME}:-|\s+")

STARS = "***"
"""Replaces a secret in messages and in data."""
SHORTEST_SECRET = 4
"""A shorter text can't be told from other text."""
LONG_SECRET = 8
"""A secret of this length is masked inside words as well."""


class SecretMatch(NamedTuple):
    """A secret in a text, from `start` to `end`; `noun` names its kind, with an article."""

    start: int
    end: int
    noun: str


def find_secret_patterns(text: str) -> Iterator[SecretMatch]:
    """Yield the keys and tokens of well-known formats in `text`."""
    for prefix, noun, pattern in _FORMATS:
        if prefix in text:
            for match in pattern.finditer(text):
                yield SecretMatch(*match.span(), noun)


def find_passwords(text: str, *, loose: bool = False) -> Iterator[SecretMatch]:
    """Yield the passwords and keys in the URLs of `text`; with `loose`, `text` is meant to be a single URL."""
    if "@" in text:
        for pattern in (_PASSWORD, _LOOSE_PASSWORD) if loose else (_PASSWORD,):
            for match in pattern.finditer(text):
                yield SecretMatch(*match.span("secret"), "a password")
    if "=" in text:
        for match in _IN_QUERY.finditer(text):
            yield SecretMatch(*match.span("secret"), "a secret")


def mask_secret_patterns(text: str, cover: Callable[[str], str] = lambda _: STARS) -> str:
    """Return `text` with each secret of a known format replaced by `cover` of it."""
    return hide(text, [(start, end) for start, end, _ in (*find_secret_patterns(text), *find_passwords(text))], cover)


def hide(text: str, spans: list[tuple[int, int]], cover: Callable[[str], str]) -> str:
    """Return `text` with each span replaced by `cover` of its text; spans may overlap."""
    parts: list[str] = []
    position = 0
    for start, end in _joined(spans):
        parts += (text[position:start], cover(text[start:end]))
        position = end
    return "".join(parts) + text[position:]


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def stars(text: str) -> str:
    """Return as many stars as `text` is long, so that carets stay aligned; variables and white space are kept."""
    parts: list[str] = []
    position = 0
    for match in _UNMASKED.finditer(text):
        parts += ("*" * (match.start() - position), match.group())
        position = match.end()
    return "".join(parts) + "*" * (len(text) - position)
