"""Which values of a project are secret: what is never printed, logged or served.

Decided by the field (`SecretMark`), by the name of a key in the user's own data, by the variables that fill such values
in, and by looks (runtime/config/secrets/patterns.py). A file that can't be parsed is judged by its lines.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

from runtime.config.model import Config
from runtime.config.model.types import SecretMark, ShortFormSection
from runtime.config.secrets.patterns import find_passwords, find_secret_patterns
from runtime.diagnostics.key_path import KeyPath
from runtime.documents.variables import Interpolation

_SHORTEST = 4
_LONG = 8
_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|token$|api_?-?key|private_?-?key|access_?-?key|authorization|credential",
    re.IGNORECASE,
)
_HOLDER = re.compile(r"(extra_)?headers|env|auth|bearer", re.IGNORECASE)
# A slip of the finger in the name of a field leaves its value as secret as it was.
_SLIPPED = ("apikey", "token", "password", "secret", "headers")
_ADDRESS_KEY = re.compile(r"(^|_)(url|uri|dsn)$", re.IGNORECASE)
_SCHEMA_WORDS = frozenset({"type", "$ref", "enum", "anyOf", "oneOf", "const", "properties"})
_NAMED = frozenset({"models", "tools", "widgets", "agents", "actions", "state"})
_PLACEHOLDER = re.compile(
    r"none|null|no|n/?a|x+|\*+|\.+|…|-+|0+|test(ing)?|dummy|fake|example|placeholder|empty|unused|ignored?|any(thing)?"
    r"|key|token|secret|password|api[-_ ]?key|change[-_ ]?me|todo|dev|local(host)?"
    r"|ollama|lm[-_]?studio|vllm|llama(\.?cpp)?"
    r"|(sk[-_])?(no|not|your|my|dummy|fake|test|some|the|an?)"
    r"([-_ ](api|key|token|secret|password|here|need(ed)?|required?|used?))+"
    r"|<[^>]*>|\[[^]]*\]|(true|false)",
    re.IGNORECASE,
)
_WRITTEN_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-(?P<default>[^}]*))?\}")
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|ApiKey)\s+(?P<rest>\S.*)", re.IGNORECASE | re.DOTALL)

Kind = Literal["field", "key", "address", "token"]
_Marks = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WrittenSecret:
    """A secret in the data of a file: the value at `path`, or the part `text` of it.

    `kind` says what gives it away: the `field` of the language, the `key` of the user's own data, an `address` with a
    password, or the form of a `token`. `noun` names it.
    """

    path: KeyPath
    text: str
    kind: Kind
    noun: str = ""


def is_placeholder(value: str) -> bool:
    """Tell whether a value only stands where a secret would: `none`, `your-api-key`, a template, nothing at all."""
    text = value.strip()
    return len(text) < 2 or "{{" in text or _PLACEHOLDER.fullmatch(text) is not None


def find_secrets(filled: Interpolation, environ: Mapping[str, str], written: Iterable[WrittenSecret]) -> frozenset[str]:
    """Return every text that must not be shown of a file, where `written` are its secrets, and of its variables."""
    texts: set[str] = set(secret_variables(environ))
    for found in written:
        texts |= {found.text, *_pieces(found.text)}
        if found.kind in ("field", "key") and found.path in filled.strings:
            texts |= {environ.get(name, "") for name in filled.strings[found.path].names}
            texts |= set(_literals(filled, found.path))
    return frozenset(text for text in texts if is_worth_hiding(text))


def secret_variables(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the values of the variables that are secret by their names; short ones may be words of any text."""
    return frozenset(
        value
        for name, value in environ.items()
        # The name may be that of a file's path.
        if len(value) >= _LONG and _NAME.search(name) and not value.startswith("/")
    )


def is_worth_hiding(text: str) -> bool:
    """Tell whether a text can be told from the words around it."""
    return len(text.strip()) >= _SHORTEST and not is_placeholder(text)


def _pieces(text: str) -> Iterator[str]:
    """Yield what a part of a text may be shown as: its lines, and what follows `Bearer`."""
    if found := _SCHEME.fullmatch(text):
        yield found["rest"]
    if "\n" in text:
        yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= _LONG)


def _literals(filled: Interpolation, path: KeyPath) -> Iterator[str]:
    """Yield what stands around the variables of a value, and their defaults."""
    span = span_of(filled, path)
    raw = span.text.strip("\"'") if span else ""
    yield from (found["default"] or "" for found in _WRITTEN_VARIABLE.finditer(raw))
    yield from (part.strip() for part in _WRITTEN_VARIABLE.sub("\n", raw).split("\n") if len(part) >= _LONG)


def written_secrets(filled: Interpolation) -> list[WrittenSecret]:
    """Return the secrets of a file's data, variables filled in; placeholders are none."""
    search = _Search(filled)
    search.value(filled.source.data, (), _marks())
    search.variables()
    return search.found


class _Search:
    """Walks over data of any size: what can hold no secret costs no more than a look at its key."""

    def __init__(self, filled: Interpolation) -> None:
        self.filled = filled
        self.found: list[WrittenSecret] = []
        self.has_tokens = any(
            any(find_secret_patterns(text)) or any(find_passwords(text)) or "\\" in text
            for text in filled.source.texts.values()
        )

    def value(self, value: Any, path: KeyPath, mark: Any) -> None:
        """Look into a value; `mark` is `field` or `key` where all of it is secret, `address` where passwords are."""
        if isinstance(value, dict):
            known = mark if isinstance(mark, dict) else {}
            below = mark if isinstance(mark, str) else None
            at = path[2:] if path[:1] == ("profiles",) else path
            rest, judge = known.get("*"), not (len(at) == 1 and at[0] in _NAMED) and not _is_users(at)
            for key, item in value.items():
                inner = below or known.get(key, rest) or (_kind_of_key(key) if judge else None)
                if isinstance(item, (dict, list)):
                    self.value(item, (*path, key), None if inner == "key" and is_schema(item) else inner)
                elif inner or self.has_tokens:
                    self._leaf(item, (*path, key), inner)
        elif isinstance(value, list):
            inner = mark if isinstance(mark, str) else mark and mark.get("*")
            for index, item in enumerate(value):
                if inner or self.has_tokens or isinstance(item, (dict, list)):
                    self.value(item, (*path, index), inner)
        else:
            self._leaf(value, path, mark)

    def _leaf(self, value: Any, path: KeyPath, mark: Any) -> None:
        kind = mark.get("") if isinstance(mark, dict) else mark
        if kind in ("field", "key") and not isinstance(value, bool):
            text = value if isinstance(value, str) else self.filled.source.places.text(path) or ""
            # An anchor may stand where nothing does.
            if value is None or not is_placeholder(text):
                self.found.append(WrittenSecret(path, text, kind))
                return
        if isinstance(value, str) and (self.has_tokens or kind == "address"):
            self._parts(value, path, kind == "address")

    def variables(self) -> None:
        """Look into what variables have put into a text: the file does not have it."""
        seen = {written.path for written in self.found}
        for path in self.filled.strings.keys() - seen:
            value = self.filled.source.data
            for step in path:
                value = value[step]
            self._parts(value, path, False)

    def _parts(self, value: str, path: KeyPath, is_address: bool) -> None:
        for found in find_secret_patterns(value):
            self.found.append(WrittenSecret(path, value[found.start : found.end], "token", found.noun))
        for found in find_passwords(value, loose=is_address):
            if not is_placeholder(value[found.start : found.end]):
                self.found.append(WrittenSecret(path, value[found.start : found.end], "address", found.noun))


@functools.lru_cache(maxsize=4096)
def _kind_of_key(key: str) -> str | None:
    return "key" if is_secret_key(key) else "address" if is_address_key(key) else None


def is_address_key(key: str) -> bool:
    """Tell whether a key says that its value is an address."""
    return _ADDRESS_KEY.search(key) is not None


def is_schema(value: Any) -> bool:
    """Tell whether a value is a part of a JSON Schema, whose property may be named `token`."""
    return isinstance(value, dict) and not _SCHEMA_WORDS.isdisjoint(value)


def _is_users(path: KeyPath) -> bool:
    """Tell whether a value is what people see: samples and the shape of data."""
    return path[:1] == ("widgets",) or (len(path) > 2 and path[2] in ("parameters", "payload", "data"))


@functools.lru_cache(maxsize=4096)
def is_secret_key(key: str) -> bool:
    """Tell whether a key says that its value is secret, be it misspelt."""
    if _NAME.search(key) or _HOLDER.fullmatch(key):
        return True
    letters = key.lower().replace("_", "").replace("-", "")
    if not 4 <= len(letters) <= 9 or key in _field_names():
        return False
    return any(_is_slip(letters, word) for word in _SLIPPED)


def _is_slip(letters: str, word: str) -> bool:
    """Tell whether two words differ by one letter, or by their order alone."""
    if len(letters) == len(word):
        return sorted(letters) == sorted(word) or sum(a != b for a, b in zip(letters, word, strict=True)) == 1
    short, long = sorted((letters, word), key=len)
    return len(long) == len(short) + 1 and any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


@functools.cache
def _marks() -> _Marks:
    """What is secret, as the models say: a tree of keys, `*` any key, and under `""` what a short form is."""
    marks = _marks_of_model(Config)
    return {**marks, "profiles": {"*": marks}}


def is_secret_section(key: str) -> bool:
    """Tell whether a section has nothing but secrets."""
    mark = _marks().get(key)
    return isinstance(mark, dict) and mark.get("") == "field"


@functools.cache
def _field_names() -> frozenset[str]:
    names: set[str] = set()

    def collect(model: type[BaseModel]) -> None:
        for name, field in model.model_fields.items():
            names.add(field.alias or name)
            for inner in _models_in(field.annotation):
                collect(inner)

    collect(Config)
    return frozenset(names)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _marks_of_model(model: type[BaseModel]) -> _Marks:
    fields = {
        field.alias or name: _marks_of(field.annotation, field.metadata, name)
        for name, field in model.model_fields.items()
    }
    marks = {name: mark for name, mark in fields.items() if mark}
    short = marks.get(model.short_key) if issubclass(model, ShortFormSection) else None
    if not short and len(marks) == len(fields) and set(marks.values()) == {"field"}:
        short = "field"
    return {**marks, "": short} if short else marks


def _marks_of(annotation: Any, metadata: Iterable[Any] = (), name: str = "") -> Any:
    marks = [*metadata, *getattr(annotation, "__metadata__", ())]
    if any(isinstance(mark, SecretMark) for mark in marks):
        # An address is worth seeing: only the passwords in it are secret.
        return "address" if name == "url" else "field"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _marks_of_model(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is dict or origin is list:
        inner = _marks_of(args[-1]) if args else None
        # A text where a mapping of secrets should be is no less secret.
        return inner if isinstance(inner, str) else {"*": inner} if inner else None
    merged: _Marks = {}
    for part in args:
        found = _marks_of(part, (), name)
        if isinstance(found, str):
            return found
        merged |= found or {}
    return merged


class Span(NamedTuple):
    """A part of a file: where it begins and ends, in characters, and what stands there."""

    file: str
    start: int
    end: int
    text: str


def span_of(filled: Interpolation, path: KeyPath) -> Span | None:
    """Return where the scalar at `path` stands, quotes included; None for anything else."""
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
    return Span(places[0].file, begin, end, text[begin:end])


@functools.lru_cache(maxsize=16)
def _line_starts(text: str) -> tuple[int, ...]:
    # As YAML counts lines; a byte order mark is no column.
    first = 1 if text.startswith("\ufeff") else 0
    return (first, *(found.end() for found in re.finditer(r"\r\n|\r|\n", text)))
