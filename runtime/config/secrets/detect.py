"""Detects the secrets of a project: the texts that are never printed, logged or served.

A value is secret by its field (`SecretMark`), by the name of its key in the user's own data, because a variable in such
a value holds it, or by its format, if that is unambiguous. A file that can't be parsed is searched line by line.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin
from urllib.parse import unquote

from pydantic import BaseModel

from runtime.config.model import Config
from runtime.config.model.root import NAMED_SECTIONS
from runtime.config.model.types import SecretMark, ShortFormSection
from runtime.diagnostics.key_path import KeyPath, value_at
from runtime.documents.foreign_variables import as_variable, bare_name
from runtime.documents.variables import VARIABLE, Interpolation

_SECRET_KEY = re.compile(
    r"passw(or)?d|passphrase|secret|token$|api_?-?key|private_?-?key|access_?-?key|authorization|credential",
    re.IGNORECASE,
)
_SECRET_MAPPING = re.compile(r"(extra_)?headers|env|auth|bearer", re.IGNORECASE)
# The value of a misspelt key is secret as well.
_SECRET_WORDS = ("apikey", "token", "password", "secret", "headers")
# Keys of the language that resemble these words.
_PLAIN_KEYS = ("header", "tokens")
_ADDRESS_KEY = re.compile(r"(^|_)(url|uri|dsn)$", re.IGNORECASE)
_SCHEMA_WORDS = frozenset({"type", "$ref", "enum", "anyOf", "oneOf", "const", "properties"})
_PLACEHOLDER = re.compile(
    r"none|null|no|n/?a|x+|\*+|\.+|…|-+|0+|test(ing)?|dummy|fake|example|placeholder|empty|unused|ignored?|any(thing)?"
    r"|key|token|secret|password|api[-_ ]?key|change[-_ ]?me|todo|dev|local(host)?"
    r"|ollama|lm[-_]?studio|vllm|llama(\.?cpp)?"
    r"|(sk[-_])?(no|not|your|my|dummy|fake|test|some|the|an?)"
    r"([-_ ](api|key|token|secret|password|here|need(ed)?|required?|used?))+"
    r"|<[^>]*>|\[[^]]*\]|(true|false)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|ApiKey)\s+(?P<rest>\S.*)", re.IGNORECASE | re.DOTALL)

# Each pattern runs only on a text that contains its prefix.
_FORMATS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (prefix, noun, re.compile(pattern, re.DOTALL))
    for prefix, noun, pattern in (
        ("sk-", "an API key", r"(?<![\w-])sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{18,}"),
        ("k_live_", "a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
        ("gh", "a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),
        ("github_pat_", "a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
        ("chatkit_", "a token of `chatkit-runtime token`", r"\bchatkit_[A-Za-z0-9_-]{43}(?![\w-])"),
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

SHORTEST_SECRET = 4
"""A shorter text can't be told from other text."""
LONG_SECRET = 8
"""A secret of this length is masked inside words as well."""

Kind = Literal["field", "key", "address", "pattern"]
_Marks = dict[str, Any]


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


@dataclass(frozen=True, slots=True)
class WrittenSecret:
    """A secret in the data of a file: the value at `path`, or the part `text` of it.

    `kind` is the reason: the `field` of the language, the `key` of the user's own data, an `address` with a password,
    or a secret `pattern`. `noun` names the secret, with an article.
    """

    path: KeyPath
    text: str
    kind: Kind
    noun: str = ""


def is_template(value: str) -> bool:
    """Return whether a text has a template in it, which no field of a secret renders."""
    return "{{" in value and "}}" in value


def is_placeholder(value: str) -> bool:
    """Return whether a value is a placeholder for a secret: `none`, `your-api-key`, a template, an empty text."""
    text = value.strip()
    return len(text) < 2 or "{{" in text or _PLACEHOLDER.fullmatch(text) is not None


def find_secrets(filled: Interpolation, environ: Mapping[str, str], written: Iterable[WrittenSecret]) -> frozenset[str]:
    """Return every secret text of a file, whose data contains the `written` secrets, and of the variables."""
    texts: set[str] = set(secret_variables(environ))
    for secret in written:
        texts |= {secret.text, *_pieces(secret.text)}
        if secret.kind in ("field", "key") and secret.path in filled.strings:
            texts |= {environ.get(name, "") for name in filled.strings[secret.path].names}
            texts |= set(_literals(filled, secret.path))
    return frozenset(text for text in texts if is_worth_hiding(text))


def secret_variables(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the values of the variables with secret names; short values are skipped: they may be ordinary words."""
    return frozenset(
        value
        for name, value in environ.items()
        # A path is not secret, such as that of a file with the key.
        if len(value) >= LONG_SECRET and _SECRET_KEY.search(name) and not value.startswith("/")
    )


def is_worth_hiding(text: str) -> bool:
    """Return whether a text is long enough to be masked, and not a placeholder."""
    return len(text.strip()) >= SHORTEST_SECRET and not is_placeholder(text)


def _pieces(text: str) -> Iterator[str]:
    """Yield other forms in which an output may show a secret: its lines, the text after `Bearer`, without %-escapes."""
    if "%" in text:
        yield unquote(text)
    if match := _SCHEME.fullmatch(text):
        yield match["rest"]
    if "\n" in text:
        yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= LONG_SECRET)


def _literals(filled: Interpolation, path: KeyPath) -> Iterator[str]:
    """Yield the texts around the variables of a value, and the defaults of the variables."""
    span = span_of(filled, path)
    raw = span.text.strip("\"'") if span else ""
    yield from (match["default"] or "" for match in VARIABLE.finditer(raw))
    yield from (part.strip() for part in VARIABLE.sub("\n", raw).split("\n") if len(part) >= LONG_SECRET)


def names_of_secrets(filled: Interpolation) -> list[WrittenSecret]:
    """Return the texts in the place of secrets that are the name of a variable, as other systems write one."""
    search = _Search(filled)
    search.value(filled.source.data, (), _marks())
    return search.names


def written_secrets(filled: Interpolation) -> list[WrittenSecret]:
    """Return the secrets in a file's data, after substitution of variables; placeholders are not secrets."""
    search = _Search(filled)
    search.value(filled.source.data, (), _marks())
    search.variables()
    return search.secrets


class _Search:
    """Walks over data of any size; a value that can't be secret costs one look-up of its key."""

    def __init__(self, filled: Interpolation) -> None:
        self.filled = filled
        self.secrets: list[WrittenSecret] = []
        self.names: list[WrittenSecret] = []
        self.has_patterns = any(
            any(find_secret_patterns(text)) or any(find_passwords(text)) or "\\" in text
            for text in filled.source.texts.values()
        )

    def value(self, value: Any, path: KeyPath, mark: Any) -> None:
        """Search a value; `mark` is `field` or `key` if all of it is secret, `address` if it is a URL."""
        if isinstance(value, dict):
            known = mark if isinstance(mark, dict) else {}
            below = mark if isinstance(mark, str) else None
            at = path[2:] if path[:1] == ("profiles",) else path
            rest, keys_matter = known.get("*"), not (len(at) == 1 and at[0] in NAMED_SECTIONS) and not _is_user_data(at)
            for key, item in value.items():
                # The section `auth` is named like a secret.
                matters = keys_matter and (at or key not in Config.model_fields)
                inner = below or known.get(key, rest) or (_kind_of_key(key) if matters else None)
                if isinstance(item, (dict, list)):
                    self.value(item, (*path, key), None if inner == "key" and is_schema(item) else inner)
                elif inner or self.has_patterns:
                    self._leaf(item, (*path, key), inner)
        elif isinstance(value, list):
            inner = mark if isinstance(mark, str) else mark and mark.get("*")
            for index, item in enumerate(value):
                if inner or self.has_patterns or isinstance(item, (dict, list)):
                    self.value(item, (*path, index), inner)
        else:
            self._leaf(value, path, mark)

    def _leaf(self, value: Any, path: KeyPath, mark: Any) -> None:
        kind = mark.get("") if isinstance(mark, dict) else mark
        if kind in ("field", "key") and not isinstance(value, bool):
            text = value if isinstance(value, str) else self.filled.source.places.text(path) or ""
            is_name = as_variable(text) or bare_name(text) or (kind == "field" and is_template(text))
            if value is not None and path not in self.filled.strings and is_name:
                self.names.append(WrittenSecret(path, text, kind))
                return
            # A null value may have an anchor, so it is recorded as well.
            if value is None or not is_placeholder(text):
                self.secrets.append(WrittenSecret(path, text, kind))
                return
        if isinstance(value, str) and (self.has_patterns or kind == "address"):
            self._parts(value, path, kind == "address")

    def variables(self) -> None:
        """Search the texts that contain variables: their values are not in the file."""
        seen = {written.path for written in self.secrets}
        for path in self.filled.strings.keys() - seen:
            self._parts(value_at(self.filled.source.data, path), path, False)

    def _parts(self, value: str, path: KeyPath, is_address: bool) -> None:
        for start, end, noun in find_secret_patterns(value):
            self.secrets.append(WrittenSecret(path, value[start:end], "pattern", noun))
        for start, end, noun in find_passwords(value, loose=is_address):
            if not is_placeholder(value[start:end]) and not as_variable(value[start:end]):
                self.secrets.append(WrittenSecret(path, value[start:end], "address", noun))


@functools.lru_cache(maxsize=4096)
def _kind_of_key(key: str) -> str | None:
    return "key" if is_secret_key(key) else "address" if is_address_key(key) else None


def is_address_key(key: str) -> bool:
    """Return whether a key names a URL."""
    return _ADDRESS_KEY.search(key) is not None


def is_schema(value: Any) -> bool:
    """Return whether a value is part of a JSON Schema, in which a property may be named `token`."""
    return isinstance(value, dict) and not _SCHEMA_WORDS.isdisjoint(value)


def _is_user_data(path: KeyPath) -> bool:
    """Return whether a value is shown to users or describes data: samples and JSON Schemas."""
    return path[:1] == ("widgets",) or (len(path) > 2 and path[2] in ("parameters", "payload", "data"))


@functools.lru_cache(maxsize=4096)
def is_secret_key(key: str) -> bool:
    """Return whether a key names a secret, misspelt ones included."""
    if _SECRET_KEY.search(key) or _SECRET_MAPPING.fullmatch(key):
        return True
    letters = key.lower().replace("_", "").replace("-", "")
    if not 4 <= len(letters) <= 9 or key in _PLAIN_KEYS:
        return False
    return any(_is_misspelt(letters, word) for word in _SECRET_WORDS)


def _is_misspelt(letters: str, word: str) -> bool:
    """Return whether two words differ by one letter, or only in the order of letters."""
    if len(letters) == len(word):
        return sorted(letters) == sorted(word) or sum(a != b for a, b in zip(letters, word, strict=True)) == 1
    short, long = sorted((letters, word), key=len)
    return len(long) == len(short) + 1 and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


@functools.cache
def _marks() -> _Marks:
    """Return the marks of the models as a tree of keys: `*` is any key, `""` the short form."""
    marks = _marks_of_model(Config)
    return {**marks, "profiles": {"*": marks}}


def is_secret_section(key: str) -> bool:
    """Return whether a section contains only secrets."""
    mark = _marks().get(key)
    return isinstance(mark, dict) and mark.get("") == "field"


def _marks_of_model(model: type[BaseModel]) -> _Marks:
    fields = {
        field.alias or name: _marks_of(field.annotation, field.metadata, name)
        for name, field in model.model_fields.items()
    }
    marks = {name: mark for name, mark in fields.items() if mark}
    short = marks.get(model.short_key) if issubclass(model, ShortFormSection) else None
    # A text in the place of the mapping can only be meant as one of its texts.
    texts = [name for name, field in model.model_fields.items() if name in marks or _takes_text(field.annotation)]
    if not short and texts and all(marks.get(name) == "field" for name in texts):
        short = "field"
    return {**marks, "": short} if short else marks


def _takes_text(annotation: Any) -> bool:
    """Return whether a text may be the value of a field; a list of texts is none."""
    if isinstance(annotation, type):
        return issubclass(annotation, str)
    origin = get_origin(annotation)
    return origin not in (list, dict, tuple) and any(map(_takes_text, get_args(annotation)))


def _marks_of(annotation: Any, metadata: Iterable[Any] = (), name: str = "") -> Any:
    marks = [*metadata, *getattr(annotation, "__metadata__", ())]
    if any(isinstance(mark, SecretMark) for mark in marks):
        # Show a URL: only the password in it is secret.
        return "address" if name == "url" else "field"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _marks_of_model(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is dict or origin is list:
        inner = _marks_of(args[-1]) if args else None
        # A text in the place of a mapping of secrets is secret as well.
        return inner if isinstance(inner, str) else {"*": inner} if inner else None
    merged: _Marks = {}
    for part in args:
        inner = _marks_of(part, (), name)
        if isinstance(inner, str):
            return inner
        merged |= inner or {}
    return merged


class SourceSpan(NamedTuple):
    """A part of a file: where it starts and ends, in characters, and its text."""

    file: str
    start: int
    end: int
    text: str


def span_of(filled: Interpolation, path: KeyPath) -> SourceSpan | None:
    """Return the span of the scalar at `path`, quotes included; None if there is no scalar."""
    places = filled.source.places.span(path)
    if places is None:
        return None
    text = filled.source.texts[places[0].file]
    starts = _line_starts(text)
    begin, end = (
        (starts[place.line - 1] + place.column - 1) if place.line <= len(starts) else None for place in places
    )
    if begin is None:
        return None
    end = len(text) if end is None else end
    return SourceSpan(places[0].file, begin, end, text[begin:end])


@functools.lru_cache(maxsize=16)
def _line_starts(text: str) -> tuple[int, ...]:
    # As YAML counts lines; a byte order mark is no column.
    first = 1 if text.startswith("\ufeff") else 0
    return (first, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text)))
