"""How a text is shown without the secrets of a project: a message, the lines of a file, a whole configuration."""

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
    WrittenSecret,
    is_address_key,
    is_schema,
    is_secret_key,
    is_secret_section,
    is_worth_hiding,
    span_of,
)
from runtime.config.secrets.patterns import find_passwords, find_secret_patterns, hide, stars
from runtime.diagnostics.diagnostic import Diagnostic, has_errors
from runtime.documents.variables import Interpolation

_STARS = "***"
_SHORTEST = 4
_LONG = 8
_KEY = re.compile(r"(?P<key>[\w.$-]+)[\"']?[ \t]*[:=]")
_WHOLE_VARIABLE = re.compile(r"[\"']?\$\{[A-Za-z_][A-Za-z0-9_]*\}[\"']?")


def mask(text: str, secrets: frozenset[str]) -> str:
    """Return a message without secrets, the beginning of one that was cut short included."""
    return _hide(text, secrets, lambda _: _STARS) if text else text


def mask_source(text: str, secrets: frozenset[str]) -> str:
    """Return the text of a file for a code frame: as many stars as each secret is long."""
    return _hide(text, secrets, stars)


def mask_diagnostics(found: Iterable[Diagnostic], secrets: frozenset[str]) -> list[Diagnostic]:
    """Return the same diagnostics, their words without secrets."""
    return [_mask_diagnostic(diagnostic, secrets) for diagnostic in found]


def _mask_diagnostic(found: Diagnostic, secrets: frozenset[str]) -> Diagnostic:
    message, hint = mask(found.message, secrets), mask(found.hint, secrets)
    path = mask(found.path, secrets)
    if (message, hint, path) == (found.message, found.hint, found.path):
        return found
    return replace(found, message=message, hint=hint, path=path)


def _hide(text: str, secrets: frozenset[str], cover: Callable[[str], str]) -> str:
    spans: list[tuple[int, int]] = []
    for form in _forms(secrets):
        if form in text:
            spans += (found.span() for found in _pattern(form).finditer(text))
    if "…" in text:
        spans += _cut_short(text, secrets)
    spans += ((start, end) for start, end, _ in (*find_secret_patterns(text), *find_passwords(text)))
    return hide(text, spans, cover) if spans else text


@functools.lru_cache(maxsize=8)
def _forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """Every way in which a message or a file may write the secrets."""
    forms = set(secrets)
    for secret in secrets:
        forms |= {repr(secret)[1:-1], json.dumps(secret)[1:-1], secret.replace("'", "''")}
    return tuple(sorted(forms))


def _pattern(form: str) -> re.Pattern[str]:
    # A short secret may be a part of any word.
    return re.compile(re.escape(form) if len(form) >= _LONG else rf"(?<!\w){re.escape(form)}(?!\w)")


def _cut_short(text: str, secrets: frozenset[str]) -> Iterator[tuple[int, int]]:
    for found in re.finditer("…", text):
        before = text[: found.start()]
        for form in _forms(secrets):
            for size in range(min(len(form), len(before)), _SHORTEST - 1, -1):
                if before.endswith(form[:size]):
                    yield found.start() - size, found.start()
                    break


class MaskedTexts(Mapping[str, str]):
    """The texts of a project's files as they may be shown: without secrets, and masked only when one is asked for."""

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
    """Return the text of agents.yaml, or of a `file` it includes, for code frames; `written` are its data's secrets."""
    text = filled.source.texts[file]
    spans = list(_written_spans(filled, file, written))
    if has_errors(filled.source.diagnostics):
        spans += _loose_spans(text)
    return mask_source(hide(text, spans, stars), secrets)


def _written_spans(filled: Interpolation, file: str, written: Iterable[WrittenSecret]) -> Iterator[tuple[int, int]]:
    for found in written:
        span = span_of(filled, found.path)
        if span is None or span.file != file:
            continue
        # A part that is written otherwise, with escapes or over two lines, hides all around it.
        if found.kind in ("field", "key") or (found.text not in span.text and found.path not in filled.strings):
            quotes = len(span.text) > 1 and span.text[0] in "\"'"
            yield span.start + quotes, span.end - quotes


def guess_secrets(text: str) -> frozenset[str]:
    """Return what seems to be secret in a file that can't be parsed, word by word: a message may name any."""
    words: set[str] = set()
    for start, end in _loose_spans(text):
        line = text[start:end].split(" #")[0].strip().strip("\"'")
        words |= {line, *(word.strip("\"'{}[],*&!@%|>`") for word in re.split(r"[\s,]+|\$\{", line))}
    return frozenset(word for word in words if is_worth_hiding(word) and not _WHOLE_VARIABLE.fullmatch(word))


def _loose_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield what stands behind a key that looks secret, and the lines below it that are indented more."""
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
    """Return where the first value begins whose key looks secret; None where there is none."""
    for found in _KEY.finditer(line):
        if is_secret_key(found["key"]) or is_secret_section(found["key"]):
            return found.end()
    return None


# A configuration as plain data that may be shown: `show` prints it.

_STARS_redact = "***"


def redact(config: BaseModel, secrets: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return a config as plain data without its secrets: `***` for what a field or key says is one, and in URLs."""
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
        return {key: _redacted(item, secret or _says_so(name, key, item), key, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, secret, name, secrets) for item in value]
    # An address is worth seeing: only the passwords in it are secret.
    if secret and name != "url" and not isinstance(value, bool):
        return _STARS_redact if value != "" else ""
    if not isinstance(value, str):
        return value
    passwords = find_passwords(value, loose=True) if secret or is_address_key(name) else ()
    return mask(hide(value, [(start, end) for start, end, _ in passwords], lambda _: _STARS_redact), secrets)


def _says_so(name: str, key: str, value: Any) -> bool:
    """Tell whether a key of the user's data says that it holds a secret; names of objects and properties do not."""
    return name != "state" and is_secret_key(key) and not is_schema(value)
