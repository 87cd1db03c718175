"""Shape errors: the diagnostics of data that the schema rejects, in the terms of the language.

The models validate, because they are fast. The JSON Schema explains, and only the entries that the models reject. A
value whose type comes from YAML or from a variable (`1.10` for a string, `"${PORT}"` for a number) is repaired.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runtime.config.model import Config
from runtime.config.model.root import NAMED_SECTIONS
from runtime.config.schema import config_schema
from runtime.config.unknown_keys import advise, has_advice, schema_forms, translate
from runtime.config.wording import hint_type, name_limit, name_pattern, name_type, name_types, name_variables, shorten
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath, value_at
from runtime.diagnostics.wording import CLOSE, join_or, join_words, nearest, quote, suggest
from runtime.documents.parser import parse_bool, parse_number
from runtime.documents.syntax_errors import glued_key
from runtime.documents.variables import Interpolation

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError as SchemaError


_MAX_ROUNDS = 5
_MANY = 9
_OWN_KEYS = "your own keys begin with 'x-'; keys of a section are indented"
_UNSUPPORTED = frozenset({"auth", "telemetry"})
_UNSUPPORTED_INSIDE = {
    "limits": frozenset({"requests", "concurrent_turns"}),
    "server": frozenset({"workers", "playground"}),
}
_PARSED: dict[str, Callable[[str], Any]] = {
    "int_type": parse_number,
    "float_type": parse_number,
    "bool_type": parse_bool,
}
# Values for an unset variable, tried in turn, so that the rest of the file can still be validated.
_SUBSTITUTES: tuple[Any, ...] = (1, True, "x", "x:x", "1s", "1B", "/x", "http://x", "XX", [], {})


def build_config(filled: Interpolation) -> tuple[Config | None, list[Diagnostic]]:
    """Return the Config of a file's data; None and the diagnostics if the models reject the data."""
    data = filled.source.data
    for _ in range(_MAX_ROUNDS):
        try:
            return Config.model_validate(data), []
        except ValidationError as error:
            if repairs := _plain_repairs(filled, data, error):
                data = _repaired(data, repairs)
                continue
            explainer = _Explainer(filled, data, config_validator())
            explainer.explain((), explainer.validator.iter_errors(_only(data, error)))
            if explainer.diagnostics or not explainer.repairs:
                return None, explainer.diagnostics or _unexplained(filled, error)
            data = _repaired(data, explainer.repairs)
    return None, [filled.source.places.diagnostic("A199", (), "the file can't be validated")]


@functools.cache
def config_validator() -> Any:
    """Return the validator of the JSON Schema of agents.yaml, which agrees with the models."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError as SchemaError
    from jsonschema.validators import extend

    def pattern(_: Any, wanted: str, instance: Any, __: Any) -> Iterator[SchemaError]:
        # As in editors, `$` matches only at the end of the text, not before a final line break.
        if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", wanted), instance, re.ASCII):
            yield SchemaError("does not match")

    whole = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    # The stubs of jsonschema know neither `extend` nor `descend`.
    strict: Any = extend
    return strict(Draft202012Validator, {"pattern": pattern}, type_checker=whole)(config_schema())


def _only(data: Any, error: ValidationError) -> Any:
    """Return the data with only the entries that the models reject: the JSON Schema is a hundred times slower."""
    if not isinstance(data, dict):
        return data
    rejected = {problem["loc"][:2] for problem in error.errors(include_url=False, include_context=False)}
    rest: dict[str, Any] = {}
    for key, section in data.items():
        if key in NAMED_SECTIONS and isinstance(section, dict) and (key,) not in rejected:
            rest[key] = {name: entry for name, entry in section.items() if (key, name) in rejected} or {
                name: section[name] for name in list(section)[:1]
            }
        else:
            rest[key] = section
    return rest


def _unexplained(filled: Interpolation, error: ValidationError) -> list[Diagnostic]:
    return [
        filled.source.places.diagnostic("A199", tuple(problem["loc"]), problem["msg"][:1].lower() + problem["msg"][1:])
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]


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

    def is_named_by(self, value: Mapping[str, Any]) -> bool:
        if constants := self.constants:
            return all(value.get(key) == constant for key, constant in constants.items())
        return any(key in value for key in self.required)


class _Explainer:
    def __init__(self, filled: Interpolation, data: Any, validator: Any) -> None:
        self.filled = filled
        self.data = data
        self.validator = validator
        self.diagnostics: list[Diagnostic] = []
        self.repairs: dict[KeyPath, Any] = {}

    def explain(self, base: KeyPath, errors: Iterable[SchemaError]) -> None:
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
        for key in value:
            if key in known or (not path and key.startswith("x-")) or schema.get("additionalProperties") is not False:
                continue
            free = [name for name in known if name not in value]
            near = translate((*path, key), free) or nearest(key, free)
            if near in missing:
                missing.remove(near)
            self._unknown_key((*path, key), near or nearest(key, known), known)
        for key in missing:
            self._report("A103", path, f"missing key {key!r}", at_key=True)

    def _unknown_key(self, path: KeyPath, near: str | None, known: Mapping[str, Any]) -> None:
        key = str(path[-1])
        if key in (_UNSUPPORTED if len(path) == 1 else _UNSUPPORTED_INSIDE.get(str(path[0]), ())):
            self._report("A101", path, f"{key!r} is not supported in this version", at_key=True)
            return
        if key.partition(":")[0] in known and (written := glued_key(key)):
            hint = f"a space is missing after the ':'; write {written!r}"
            self._report("A101", path, f"unknown key {key!r}", hint, at_key=True)
            return
        names = sorted(known)
        likely = near is not None and (near == translate(path, known) or nearest(key, [near], CLOSE) is not None)
        # A key that is valid elsewhere is a better hint than a distant likeness to one that is valid here.
        hint = f"did you mean {near!r}?" if likely else advise(path, known)
        if not hint and near is not None:
            hint = f"did you mean {near!r}?"
        if not hint and names:
            hint = f"allowed keys: {', '.join(names)}" if len(names) <= _MANY else _OWN_KEYS if len(path) == 1 else ""
        self._report("A101", path, f"unknown key {key!r}", hint, at_key=True)

    def _union(self, path: KeyPath, value: Any, branches: list[dict[str, Any]]) -> None:
        if self._repair(path, value, {"anyOf": branches}):
            return
        kinds = [kind for kind in schema_forms({"anyOf": branches}) if kind.get("type") != "null"]
        fitting = [kind for kind in kinds if self.validator.is_type(value, kind.get("type", "object"))]
        if not fitting:
            self._type(path, value, kinds)
            return
        kind = self._meant(path, value, [_Kind(kind) for kind in fitting]) if isinstance(value, dict) else fitting[0]
        if kind is not None:
            self.explain(path, self.validator.descend(value, kind))

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
        if named:
            return named[0].schema
        return self._partly_named(path, value, kinds)

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
        shared = [key for key in constants if all(key in kind.constants for kind in kinds)]
        if shared:
            self._report("A103", path, f"missing key {shared[0]!r}", join_or(quote(constants[shared[0]])), at_key=True)
            return None
        # A single constant is shown with its key (`type: sections`); of several, the key is enough (`hosted`).
        lone = {key: f"{key}: {allowed[0]}" for key, allowed in constants.items() if len(allowed) == 1}
        keys = [next(iter(kind.constants), kind.required[0]) for kind in kinds if kind.required]
        self._nameless(path, value, list(dict.fromkeys(lone.get(key, key) for key in keys)))
        return None

    def _nameless(self, path: KeyPath, value: dict[str, Any], names: list[str]) -> None:
        likely = {key: translate((*path, key), names) or nearest(key, names) for key in value}
        key = next((key for key in value if likely[key]), None) or next(
            (key for key in value if has_advice((*path, key))), None
        )
        if key is not None:
            self._unknown_key((*path, key), likely[key], {name: {} for name in names})
            return
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
            self._report("A105", path, f"{self._shown(path, value, schema)} is not {noun}", hint)
        else:
            shown = self._shown(path, value, schema)
            message = name_limit(str(error.validator), shown, limit)
            self._report("A108" if message else "A199", path, message or f"{shown} is not allowed here")

    def _enum(self, path: KeyPath, value: Any, allowed: list[Any]) -> None:
        near = suggest(value, [word for word in allowed if isinstance(word, str)]) if isinstance(value, str) else ""
        words = join_or(shorten(word) for word in allowed)
        self._report("A104", path, f"expected {words}, got {self._shown(path, value)}", near)

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


def _plain_repairs(filled: Interpolation, data: Any, error: ValidationError) -> dict[KeyPath, Any]:
    """Return the numbers and booleans of variables, if nothing else is wrong: these repairs need no JSON Schema."""
    repairs: dict[KeyPath, Any] = {}
    for problem in error.errors(include_url=False, include_context=False):
        parse = _PARSED.get(problem["type"])
        # Pydantic inserts the tags of unions between the steps of a path.
        paths = [
            path for path in filled.strings if _leads_to(path, problem["loc"]) and isinstance(value_at(data, path), str)
        ]
        if parse is None or len(paths) != 1 or not filled.strings[paths[0]].resolved:
            return {}
        value = parse(value_at(data, paths[0]))
        if value is None:
            return {}
        repairs[paths[0]] = value
    return repairs


def _leads_to(path: KeyPath, location: tuple[str | int, ...]) -> bool:
    steps = iter(location)
    return bool(path) and path[-1] == location[-1] and all(step in steps for step in path)


def _repaired(data: Any, repairs: Mapping[KeyPath, Any]) -> Any:
    for path, value in repairs.items():
        data = _replace(data, path, value)
    return data


def _replace(data: Any, path: KeyPath, value: Any) -> Any:
    # Aliases share their values: copy every container on the path.
    if not path:
        return value
    copy: Any = list(data) if isinstance(data, list) else dict(data)
    copy[path[0]] = _replace(data[path[0]], path[1:], value)
    return copy
