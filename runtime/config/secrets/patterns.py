"""What gives a secret away by its looks: the forms of well-known keys and tokens, and the passwords in addresses.

A short list of forms that mean nothing else, rather than a scanner's long one: a false alarm in a prompt is a nuisance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

# A text that has none of these is searched in no time.
_FORMS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (sign, noun, re.compile(pattern, re.DOTALL))
    for sign, noun, pattern in (
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
# What follows a host is a port, unless an '@' comes right after it.
_PASSWORD = re.compile(
    r"""\b[A-Za-z][A-Za-z0-9+.-]*:/{1,3}[^\s/@:?#'"\[]*:(?!\d{1,5}(?:[/?#\s'"]|$))(?P<secret>[^\s'"]+)(?=@)"""
)
# The same in what should be an address and is none: 'htp:me:word@host', 'me:word@host/v1'.
_LOOSE_PASSWORD = re.compile(r"""(?:^|[/\s'"])[^\s/@:?#'"]+:(?!\d{1,5}(?:[/?#\s'"]|$)|//)(?P<secret>[^\s'"]+)(?=@)""")
_IN_QUERY = re.compile(
    r"[?&][^=&#\s]*(?:passw|secret|token|key|signature)[^=&#\s]*=(?P<secret>[^&#\s'\"]+)", re.IGNORECASE
)
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{[A-Za-z_][A-Za-z0-9_]*:-|\s+")
_STARS = "***"


class SecretMatch(NamedTuple):
    """A secret in a text, from `start` to `end`; `noun` says what it is, with its article."""

    start: int
    end: int
    noun: str


def find_secret_patterns(text: str) -> Iterator[SecretMatch]:
    """Yield the keys and tokens of a well-known form in `text`."""
    for sign, noun, pattern in _FORMS:
        if sign in text:
            for found in pattern.finditer(text):
                yield SecretMatch(found.start(), found.end(), noun)


def find_passwords(text: str, *, loose: bool = False) -> Iterator[SecretMatch]:
    """Yield the passwords and keys in the addresses of `text`; `loose` when all of it should be one address."""
    if "@" in text:
        for pattern in (_PASSWORD, _LOOSE_PASSWORD) if loose else (_PASSWORD,):
            for found in pattern.finditer(text):
                yield SecretMatch(*found.span("secret"), "a password")
    if "=" in text:
        for found in _IN_QUERY.finditer(text):
            yield SecretMatch(*found.span("secret"), "a secret")


def mask_secret_patterns(text: str, cover: Callable[[str], str] = lambda _: _STARS) -> str:
    """Return `text` with `cover` of each secret in the place of what looks like one."""
    return hide(text, [(start, end) for start, end, _ in (*find_secret_patterns(text), *find_passwords(text))], cover)


def hide(text: str, spans: list[tuple[int, int]], cover: Callable[[str], str]) -> str:
    """Return `text` with `cover` of what was there in the place of each span; spans may overlap."""
    parts: list[str] = []
    position = 0
    for start, end in _joined(spans):
        parts += (text[position:start], cover(text[start:end]))
        position = end
    return "".join(parts) + text[position:]


def _joined(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    yield from merged


def stars(text: str) -> str:
    """Return as many stars as `text` is long, so that a caret below still points right; variables stay as they are."""
    parts: list[str] = []
    position = 0
    for found in _VARIABLE.finditer(text):
        parts += ("*" * (found.start() - position), found.group())
        position = found.end()
    return "".join(parts) + "*" * (len(text) - position)
