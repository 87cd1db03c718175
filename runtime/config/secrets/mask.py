"""Masks the secrets of a project: in a message, in the text of a file, in a whole configuration."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

from pydantic import BaseModel

from runtime.config.model.types import SecretMark
from runtime.config.secrets.detect import (
    LONG_SECRET,
    SHORTEST_SECRET,
    WrittenSecret,
    find_passwords,
    find_secret_patterns,
    is_address_key,
    is_schema,
    is_secret_key,
    is_secret_section,
    is_worth_hiding,
    span_of,
)
from runtime.diagnostics.diagnostic import Diagnostic, has_errors
from runtime.documents.variables import VARIABLE, VARIABLE_NAME, Interpolation

_KEY = re.compile(r"(?P<key>[\w.$-]+)[\"']?[ \t]*[:=]")
_MASKED = re.compile(rf"(?P<kept>\$\{{{VARIABLE_NAME}\}}|\$\{{{VARIABLE_NAME}:-|\s+)|.")

STARS = "***"
"""Replaces a secret in messages and in data."""


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
    return _MASKED.sub(lambda match: match["kept"] or "*", text)


def mask(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """Return a message without `secrets`, of which a shortened one may be the start, and those of known formats."""
    return _hide(text, secrets, lambda _: STARS) if text else text


def mask_source(text: str, secrets: frozenset[str]) -> str:
    """Return the text of a file for a code frame, each secret replaced by as many stars as it is long."""
    return _hide(text, secrets, stars)


def mask_diagnostics(diagnostics: Iterable[Diagnostic], secrets: frozenset[str]) -> list[Diagnostic]:
    """Return the diagnostics without secrets in their texts."""
    masked: list[Diagnostic] = []
    for each in diagnostics:
        message, hint, path = (mask(text, secrets) for text in (each.message, each.hint, each.path))
        masked.append(replace(each, message=message, hint=hint, path=path))
    return masked


def _hide(text: str, secrets: frozenset[str], cover: Callable[[str], str]) -> str:
    spans: list[tuple[int, int]] = []
    for form in _forms(secrets):
        if form in text:
            spans += (match.span() for match in _pattern(form).finditer(text))
    if "…" in text:
        spans += _cut_short(text, secrets)
    spans += ((start, end) for start, end, _ in (*find_secret_patterns(text), *find_passwords(text)))
    return hide(text, spans, cover) if spans else text


@functools.lru_cache(maxsize=8)
def _forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """Return every form of the secrets in messages and files: plain, as repr, as JSON, in YAML quotes."""
    forms = set(secrets)
    for secret in secrets:
        forms |= {repr(secret)[1:-1], json.dumps(secret)[1:-1], secret.replace("'", "''")}
    return tuple(sorted(forms))


def _pattern(form: str) -> re.Pattern[str]:
    # A short secret may be part of an ordinary word.
    return re.compile(re.escape(form) if len(form) >= LONG_SECRET else rf"(?<!\w){re.escape(form)}(?!\w)")


def _cut_short(text: str, secrets: frozenset[str]) -> Iterator[tuple[int, int]]:
    for match in re.finditer("…", text):
        before = text[: match.start()]
        for form in _forms(secrets):
            for size in range(min(len(form), len(before)), SHORTEST_SECRET - 1, -1):
                if before.endswith(form[:size]):
                    yield match.start() - size, match.start()
                    break


class MaskedTexts(Mapping[str, str]):
    """The texts of a project's files without secrets; each is masked when it is first read."""

    def __init__(self, texts: Mapping[str, str], cover: Callable[[str, str], str]) -> None:
        self._texts = texts
        self._cover = cover
        self._covered: dict[str, tuple[str, str]] = {}

    def __getitem__(self, name: str) -> str:
        text = self._texts[name]
        known = self._covered.get(name)
        if known is None or known[0] is not text:
            known = self._covered[name] = (text, self._cover(name, text))
        return known[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def mask_config_source(
    filled: Interpolation, file: str, written: Iterable[WrittenSecret], secrets: frozenset[str]
) -> str:
    """Return the text of agents.yaml, or of an included `file`, for code frames; `written` are the secrets in it."""
    text = filled.source.texts[file]
    spans = list(_written_spans(filled, file, written))
    if has_errors(filled.source.diagnostics):
        spans += _loose_spans(text)
    return mask_source(hide(text, spans, stars), secrets)


def _written_spans(filled: Interpolation, file: str, written: Iterable[WrittenSecret]) -> Iterator[tuple[int, int]]:
    for secret in written:
        span = span_of(filled, secret.path)
        if span is None or span.file != file:
            continue
        # If a part is written differently, with escapes or over two lines, mask the whole value.
        if secret.kind in ("field", "key") or (secret.text not in span.text and secret.path not in filled.strings):
            quotes = len(span.text) > 1 and span.text[0] in "\"'"
            yield span.start + quotes, span.end - quotes


def guess_secrets(text: str) -> frozenset[str]:
    """Return the likely secrets of a file that can't be parsed, word by word: a message may quote any of them."""
    words: set[str] = set()
    for start, end in _loose_spans(text):
        line = text[start:end].split(" #")[0].strip().strip("\"'")
        words |= {line, *(word.strip("\"'{}[],*&!@%|>`") for word in re.split(r"[\s,]+|\$\{", line))}
    return frozenset(word for word in words if is_worth_hiding(word) and not _is_variable(word))


def _is_variable(text: str) -> bool:
    match = VARIABLE.fullmatch(text.strip("\"'"))
    return match is not None and match["default"] is None


def _loose_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of the values after keys with secret names, and of the more indented lines below them."""
    inside: int | None = None
    position = 0
    for line in text.splitlines(keepends=True):
        body = line.rstrip()
        indent = len(body) - len(body.lstrip(" \t"))
        if inside is not None and body and indent <= inside:
            inside = None
        if inside is not None:
            yield position + indent, position + len(body)
        elif (start := _secret_part(body)) is not None:
            inside = indent
            yield position + start, position + len(body)
        else:
            yield from ((position + at, position + end) for at, end, _ in find_passwords(body, loose=True))
        position += len(line)


def _secret_part(line: str) -> int | None:
    """Return the start of the first value whose key has a secret name; None if there is none."""
    for match in _KEY.finditer(line):
        if is_secret_key(match["key"]) or is_secret_section(match["key"]):
            return match.end()
    return None


def redact(config: BaseModel, secrets: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return a config as plain data with `***` for secrets: values of secret fields and keys, passwords in URLs."""
    values = vars(config)
    return {
        field.alias or name: _redacted(values[name], _has_mark(field.annotation, field.metadata), name, secrets)
        for name, field in type(config).model_fields.items()
        if values[name] is not None
    }


def _has_mark(annotation: Any, metadata: Iterable[Any] = ()) -> bool:
    marks = [*metadata, *getattr(annotation, "__metadata__", ())]
    return any(isinstance(mark, SecretMark) for mark in marks) or any(_has_mark(part) for part in get_args(annotation))


def _redacted(value: Any, secret: bool, name: str, secrets: frozenset[str]) -> Any:
    if isinstance(value, BaseModel):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {
            key: _redacted(item, secret or _is_secret_entry(name, key, item), key, secrets)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_redacted(item, secret, name, secrets) for item in value]
    # Show a URL: only the password in it is secret.
    if secret and name != "url" and not isinstance(value, bool):
        return STARS if value != "" else ""
    if not isinstance(value, str):
        return value
    passwords = find_passwords(value, loose=True) if secret or is_address_key(name) else ()
    return mask(hide(value, [(start, end) for start, end, _ in passwords], lambda _: STARS), secrets)


def _is_secret_entry(name: str, key: str, value: Any) -> bool:
    """Return whether a key of the user's data names a secret; names of `state` objects and of properties do not."""
    return name != "state" and is_secret_key(key) and not is_schema(value)
