"""Explains what the JSON Schema rejects in the terms of the language: the key, type or kind that was probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runtime.config.model.root import NAMED_SECTIONS
from runtime.config.model.server import STORE_PATTERN
from runtime.config.model.types import IMPORT_PATTERN
from runtime.config.normal_forms import is_plain_file, normal_form
from runtime.config.unknown_keys import (
    ForeignModel,
    advise,
    advise_value,
    has_advice,
    model_of_another_provider,
    schema_forms,
    translate,
)
from runtime.config.wording import hint_type, name_limit, name_pattern, name_type, name_types, name_variables, shorten
from runtime.diagnostics.characters import misleading_character
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import CLOSE, join_or, join_words, nearest, quote, suggest
from runtime.documents.foreign_variables import as_variable
from runtime.documents.parser import parse_bool, parse_number
from runtime.documents.syntax_errors import glued_key
from runtime.documents.variables import Interpolation

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError as SchemaError


@dataclass(frozen=True, slots=True)
class _Kind:
    """One mapping that a union accepts, with its required keys and the constants among them."""

    schema: dict[str, Any]

    @property
    def required(self) -> list[str]:
        return list(self.schema.get("required", []))

    @property
    def constants(self) -> dict[str, Any]:
        properties = self.schema.get("properties", {})
        return {key: properties[key]["const"] for key in self.required if "const" in properties.get(key, {})}

    @property
    def selecting(self) -> list[str]:
        """The keys of which each selects this kind."""
        return list(self.constants) or self.required

    def is_named_by(self, value: Mapping[str, Any]) -> bool:
        if constants := self.constants:
            return all(value.get(key) == constant for key, constant in constants.items())
        return any(key in value for key in self.required)


_MANY = 9
_OWN_KEYS = "your own keys begin with 'x-'; keys of a section are indented"
_UNSUPPORTED = frozenset({"telemetry"})
_UNSUPPORTED_INSIDE = {
    "server": frozenset({"workers", "playground"}),
}
# Values for an unset variable, tried in turn, so that the rest of the file can still be validated.
_SUBSTITUTES: tuple[Any, ...] = (1, True, "x", "x:x", "1s", "1B", "/x", "http://x", "XX", [], {})


class Explainer:
    """Explains errors of the JSON Schema about `data`, and finds the repairs and renamed keys that remove them."""

    def __init__(self, filled: Interpolation, data: Any, validator: Any) -> None:
        self.filled = filled
        self.data = data
        self.validator = validator
        self.diagnostics: list[Diagnostic] = []
        self.repairs: dict[KeyPath, Any] = {}
        self.renames: dict[KeyPath, str | None] = {}
        """The key that an unknown key surely means: the file is checked as if it were that. None: its entries belong
        one level up."""

    def explain(self, base: KeyPath, errors: Iterable[SchemaError]) -> None:
        """Add the diagnostics, repairs and renames for errors of the value at `base`."""
        missing: dict[KeyPath, tuple[Any, Any]] = {}
        unknown: dict[KeyPath, tuple[Any, Any]] = {}
        errors = list(errors)
        mistyped = {tuple(error.relative_path) for error in errors if error.validator == "type"}
        for error in errors:
            if error.validator != "type" and tuple(error.relative_path) in mistyped:
                continue
            path: KeyPath = (*base, *error.relative_path)
            wanted: Any = error.validator_value
            if error.validator == "required":
                missing[path] = (error.instance, error.schema)
            elif error.validator == "additionalProperties":
                unknown[path] = (error.instance, error.schema)
            elif error.validator in ("anyOf", "oneOf"):
                self._union(path, error.instance, list(wanted))
            elif not self._repair(path, error.instance, error.schema):
                self._scalar(path, error)
        for path in {**missing, **unknown}:
            self._keys(path, *(missing.get(path) or unknown[path]))

    def _report(self, code: str, path: KeyPath, message: str, hint: str = "", at_key: bool = False) -> None:
        self.diagnostics.append(self.filled.source.places.diagnostic(code, path, message, hint, at_key=at_key))

    def _keys(self, path: KeyPath, value: dict[str, Any], schema: dict[str, Any]) -> None:
        """Report unknown and missing keys of one mapping: a misspelt key is not reported as missing as well."""
        known = schema.get("properties", {})
        missing = [key for key in schema.get("required", []) if key not in value]
        free = {name: part for name, part in known.items() if name not in value}
        for key in value:
            if key in known or (not path and key.startswith("x-")) or schema.get("additionalProperties") is not False:
                continue
            near = _near((*path, key), value[key], free)
            if near in missing:
                missing.remove(near)
            is_likely = self._unknown_key((*path, key), near or nearest(key, known), known, value[key])
            if is_likely and near is not None and _has_entries((*path, near), value[key]):
                self.renames[(*path, key)] = near
                free.pop(near)
        for key in missing:
            hint = "write 'version: 1' in the first line" if (*path, key) == ("version",) else ""
            self._report("A103", path, f"missing key {key!r}", hint, at_key=True)

    def _unknown_key(self, path: KeyPath, near: str | None, known: Mapping[str, Any], value: Any = None) -> bool:
        """Report an unknown key; return whether it is certain that it means the key `near`."""
        key = str(path[-1])
        message = f"unknown key {key!r}"
        if key in (_UNSUPPORTED if len(path) == 1 else _UNSUPPORTED_INSIDE.get(str(path[0]), ())):
            self._report("A101", path, f"{key!r} is not supported in this version", at_key=True)
            return False
        if key.partition(":")[0] in known and (written := glued_key(key)):
            self._report("A101", path, message, f"a space is missing after the ':'; write {written!r}", at_key=True)
            return False
        name, assigned, text = key.partition("=")
        if assigned and name.strip() in known:
            self._report("A101", path, message, f"write '{name.strip()}: {text.strip()}'", at_key=True)
            return False
        likely = near is not None and _is_likely(path, value, near, known)
        # A key that is valid elsewhere is a better hint than a distant likeness to one that is valid here.
        hint = f"did you mean {near!r}?" if likely else advise(path, known)
        if not hint and near is not None:
            hint = f"did you mean {near!r}?"
        if character := misleading_character(key):
            hint = f"it contains {character}" + (f": write {near!r}" if near else "")
        if not hint and len(path) == 3 and path[0] in NAMED_SECTIONS and isinstance(value, dict):
            hint = f"an entry of {path[0]!r} is one of them: move {key!r} one level up" if known.keys() & value else ""
        if not hint and value is None and (whole := self._cut_by_comma(path)):
            hint = f"a comma ends the text before it: write {whole}"
        if not hint and known:
            names = ", ".join(sorted(known))
            hint = f"allowed keys: {names}" if len(known) <= _MANY else _OWN_KEYS if len(path) == 1 else ""
        self._report("A101", path, message, hint, at_key=True)
        return likely

    def _cut_by_comma(self, path: KeyPath) -> str:
        """Return the entry before a lone key in braces, as it was meant: `{label: Ask, me}`; empty if there is none."""
        parent = self.data
        for step in path[:-1]:
            parent = parent[step]
        keys = list(parent) if isinstance(parent, dict) else []
        at = keys.index(path[-1]) if path[-1] in keys else 0
        before = keys[at - 1] if at else None
        if before is None or not isinstance(parent[before], str):
            return ""
        return f'{before}: "{parent[before]}, {path[-1]}"'

    def _union(self, path: KeyPath, value: Any, branches: list[dict[str, Any]]) -> None:
        if self._repair(path, value, {"anyOf": branches}):
            return
        kinds = [kind for kind in schema_forms({"anyOf": branches}) if kind.get("type") != "null"]
        fitting = [kind for kind in kinds if self.validator.is_type(value, kind.get("type", "object"))]
        if not fitting:
            self._type(path, value, kinds)
            return
        kind: dict[str, Any] | None = fitting[0]
        if isinstance(value, dict):
            mappings = [_Kind(kind) for kind in fitting]
            if len(mappings) == 1 and len(kinds) > 1 and not _fits(path, value, mappings[0]):
                self._wrong_mapping(path, mappings[0], [kind for kind in kinds if kind not in fitting])
                return
            kind = self._meant(path, value, mappings)
        if kind is not None:
            self.explain(path, self.validator.descend(value, kind))

    def _wrong_mapping(self, path: KeyPath, only: _Kind, others: list[dict[str, Any]]) -> None:
        """Report a mapping where something else is usual, and which is not the one mapping that is allowed."""
        expected = [*name_types(others), f"a mapping with {join_words(quote(only.required), 'and')}"]
        message = f"expected {join_or(expected)}, got a mapping without it"
        self._report("A102", path, message, advise_value(path, {}))

    def _meant(self, path: KeyPath, value: dict[str, Any], kinds: list[_Kind]) -> dict[str, Any] | None:
        """Return the kind of mapping that the present keys select; report it if none or several are selected."""
        if len(kinds) == 1:
            return kinds[0].schema
        named = [kind for kind in kinds if kind.is_named_by(value)]
        if len(named) > 1:
            keys = [key for key in value if any(key in kind.required for kind in named)]
            message = f"{join_words(quote(keys), 'and')} exclude each other"
            self._report("A106", (*path, keys[1]), message, "each selects a kind of entry: keep one", at_key=True)
            return None
        if other := model_of_another_provider(path, value):
            return self._another_provider(path, value, other, kinds)
        if named:
            return named[0].schema
        return self._partly_named(path, value, kinds)

    def _another_provider(
        self, path: KeyPath, value: dict[str, Any], other: ForeignModel, kinds: list[_Kind]
    ) -> dict[str, Any] | None:
        """Report the keys of a model that name a provider, and check the others."""
        first, *more = other.keys
        instead = f"write {f'{other.kind}: {other.name}'!r} instead of {join_words(quote(other.keys), 'and')}"
        self._report("A101", (*path, first), f"unknown key {first!r}", instead, at_key=True)
        for key in more:
            self._report("A101", (*path, key), f"unknown key {key!r}", f"it is part of {other.kind!r}", at_key=True)
        rest = {key: item for key, item in value.items() if key not in other.keys} | {other.kind: other.name}
        kind = next(kind for kind in kinds if other.kind in kind.required)
        self.explain(path, self.validator.descend(rest, kind.schema))
        return None

    def _partly_named(self, path: KeyPath, value: dict[str, Any], kinds: list[_Kind]) -> dict[str, Any] | None:
        constants: dict[str, list[Any]] = {}
        for kind in kinds:
            for key, constant in kind.constants.items():
                constants.setdefault(key, []).append(constant)
        for key, allowed in constants.items():
            if key in value:
                self._enum((*path, key), value[key], allowed)
                return None
        partly = [kind for kind in kinds if any(key in value for key in kind.required)]
        if len(partly) == 1:
            return partly[0].schema
        for key, item in value.items():
            for kind in kinds:
                if _near((*path, key), item, {name: kind.schema["properties"][name] for name in kind.selecting}):
                    return kind.schema
        shared = [key for key in constants if all(key in kind.constants for kind in kinds)]
        if shared:
            self._report("A103", path, f"missing key {shared[0]!r}", join_or(quote(constants[shared[0]])), at_key=True)
            return None
        # A single constant is shown with its key (`type: sections`); of several, the key is enough (`hosted`).
        lone = {key: f"{key}: {allowed[0]}" for key, allowed in constants.items() if len(allowed) == 1}
        keys = [next(iter(kind.constants), kind.required[0]) for kind in kinds if kind.required]
        self._nameless(path, value, kinds, list(dict.fromkeys(lone.get(key, key) for key in keys)))
        return None

    def _nameless(self, path: KeyPath, value: dict[str, Any], kinds: list[_Kind], names: list[str]) -> None:
        """Report an entry of which no key selects the kind, and its keys that no kind has."""
        known = {name: part for kind in kinds for name, part in kind.schema.get("properties", {}).items()}
        advised = [key for key in value if has_advice((*path, key))]
        entries = [key for key, item in value.items() if isinstance(item, dict) and any(name in item for name in names)]
        if entries and len(entries) == len(value):
            hint = f"its entries belong one level up: remove {path[-1]!r}"
            self._report("A106", path, "the key for the kind of this entry is missing", hint, at_key=True)
            self.renames[path] = None
            return
        for key in value:
            if key not in known:
                self._unknown_key((*path, key), _near((*path, key), value[key], known), known, value[key])
        if not advised:
            hint = f"add one of {', '.join(names)}"
            self._report("A106", path, "the key for the kind of this entry is missing", hint, at_key=True)

    def _type(self, path: KeyPath, value: Any, kinds: Iterable[dict[str, Any]]) -> None:
        expected = name_types(kinds)
        string = self.filled.strings.get(path)
        shown = name_variables(string.names) if string else name_type(value)
        hint = "" if string else hint_type(path, value, expected)
        self._report("A102", path, f"expected {join_or(expected)}, got {shown}", hint)

    def _shown(self, path: KeyPath, value: Any, schema: Any = None) -> str:
        if string := self.filled.strings.get(path):
            return name_variables(string.names)
        if isinstance(schema, dict) and schema.get("writeOnly"):
            return "this value"
        return shorten(value)

    def _scalar(self, path: KeyPath, error: SchemaError) -> None:
        value, schema = error.instance, error.schema
        limit: Any = error.validator_value
        if error.validator == "type":
            self._type(path, value, [error.schema] if isinstance(error.schema, dict) else [])
        elif path == ("version",):
            self._report(
                "A107",
                path,
                f"version {shorten(value)} of the language is not supported",
                "this release reads version 1",
            )
        elif error.validator in ("enum", "const"):
            self._enum(path, value, limit if error.validator == "enum" else [limit])
        elif error.validator == "pattern":
            noun, hint = name_pattern(limit)
            if isinstance(value, str) and (instead := as_variable(value)):
                hint = f'write "{instead}"'
            text = str(value)
            hides = path in self.filled.strings or (isinstance(schema, dict) and schema.get("writeOnly"))
            may_show = not hides or (limit == STORE_PATTERN and path not in self.filled.strings and is_plain_file(text))
            right = normal_form(text, limit) if may_show else ""
            hint = f"did you mean {right!r}?" if right else hint
            self._report("A105", path, f"{self._shown(path, value, schema)} is not {noun}", hint)
            if limit == IMPORT_PATTERN and not hides:
                self.diagnostics[-1] = replace(self.diagnostics[-1], wanted=text)
        else:
            shown = self._shown(path, value, schema)
            message = name_limit(str(error.validator), shown, limit)
            self._report("A108" if message else "A199", path, message or f"{shown} is not allowed here")

    def _enum(self, path: KeyPath, value: Any, allowed: list[Any]) -> None:
        near = suggest(value, [word for word in allowed if isinstance(word, str)]) if isinstance(value, str) else ""
        words = join_or(shorten(word) for word in allowed)
        hint = near or advise_value(path, value)
        self._report("A104", path, f"expected {words}, got {self._shown(path, value)}", hint)

    def _repair(self, path: KeyPath, value: Any, schema: Any) -> bool:
        """Repair a value whose text or variable has a value of the right type; return whether that is possible."""
        for candidate in self._candidates(path, value):
            if self.validator.evolve(schema=schema).is_valid(candidate):
                self.repairs[path] = candidate
                return True
        return False

    def _candidates(self, path: KeyPath, value: Any) -> Iterator[Any]:
        string = self.filled.strings.get(path)
        if string is not None and isinstance(value, str):
            if string.resolved:
                yield from (item for item in (parse_number(value), parse_bool(value)) if item is not None)
            else:
                yield from _SUBSTITUTES
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            text = self.filled.source.places.text(path)
            if isinstance(value, float) and value.is_integer():
                yield int(value)
            if text is not None:
                yield text


def _near(path: KeyPath, value: Any, free: Mapping[str, Any]) -> str | None:
    """Return which of the `free` properties a key with this value probably means."""
    if isinstance(value, str):
        for name, part in free.items():
            if part.get("const") == value:
                return name
    return translate(path, free) or nearest(str(path[-1]), free)


def _is_likely(path: KeyPath, value: Any, near: str, known: Mapping[str, Any]) -> bool:
    """Return whether a key surely means `near`: by its value, by the words of other systems, or but for a letter."""
    has_its_value = value is not None and known[near].get("const") == value
    if has_its_value or near == translate(path, known):
        return True
    return not has_advice(path) and nearest(str(path[-1]), [near], CLOSE) is not None


def _has_entries(path: KeyPath, value: Any) -> bool:
    """Return whether a value can be the section at `path`: the entries of a section with names are mappings."""
    return path != ("agents",) or (isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()))


def _fits(path: KeyPath, value: Mapping[str, Any], kind: _Kind) -> bool:
    """Return whether a mapping is meant to be of a kind: it has, or nearly has, one of the required keys."""
    needed = {name: kind.schema.get("properties", {}).get(name, {}) for name in kind.required}
    return not needed or any(key in needed or _near((*path, key), item, needed) for key, item in value.items())
