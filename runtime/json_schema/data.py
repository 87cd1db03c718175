"""Validation of data against a JSON Schema, with messages about the data in terms of JSON, not of Python or schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from runtime.diagnostics.key_path import KeyPath, show_path
from runtime.diagnostics.wording import join_or, nearest
from runtime.errors import RuntimeFault
from runtime.json_schema.pattern_limit import limited_patterns
from runtime.resources.patterns import PatternTimeout

_Error = ValidationError | SchemaError

_MISSING = "is missing"
_MAX_MESSAGES = 5
_MAX_VALUE_LENGTH = 60
_MAX_CHOICES = 16
_KINDS = {
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
# The kinds of Python values; the first match counts.
_TYPES: tuple[tuple[Any, str], ...] = (
    *((type(None), "null"), (bool, "boolean"), (str, "string"), ((int, float), "number")),
    *((Mapping, "object"), (Sequence, "array")),
)
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "{} or more characters",
    "maxLength": "at most {} characters",
    "minItems": "{} or more items",
    "maxItems": "at most {} items",
    "minProperties": "{} or more properties",
    "maxProperties": "at most {} properties",
    "pattern": "a string like {}",
    "format": "a string in the format {}",
}


class TreeError(RuntimeFault):
    """A mistake at `path` of a JSON value, or of the project's `file` that holds it; `()` is the value as a whole.

    `message` includes neither the path nor the `hint`. `kind` is a word that a handler can compare, `got` the wrong
    value as messages write it. `line` and `column` count from 1 within the text at `path`; 0 means unknown.
    """

    def __init__(
        self,
        path: KeyPath,
        message: str,
        line: int = 0,
        column: int = 0,
        *,
        hint: str = "",
        kind: str = "",
        got: str = "",
        file: str = "",
    ) -> None:
        self.path, self.message, self.line, self.column = path, message, line, column
        self.hint, self.kind, self.got, self.file = hint, kind, got, file
        where = [part for part in (file, show_path(path)) if part]
        super().__init__(": ".join([*where, f"{message} ({hint})" if hint else message]))


@dataclass(frozen=True, slots=True)
class Fault:
    """One mismatch between a value and its schema; `meant` is the known key, or value, that was probably meant."""

    path: KeyPath
    message: str
    meant: str | None = None
    kind: Literal["value", "unknown", "missing"] = "value"

    @property
    def hint(self) -> str:
        """`did you mean 'x'?`, or nothing."""
        return f"did you mean {self.meant!r}?" if self.meant else ""

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.meant else self.message


def show_value(value: Any) -> str:
    """Write a value as JSON, or only its kind where that is too long for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return kind_of(value)
    if len(text) <= _MAX_VALUE_LENGTH:
        return text
    return f"{text[: _MAX_VALUE_LENGTH - 1]}…" if isinstance(value, str) else kind_of(value)


def kind_of(value: Any) -> str:
    """Name the kind of a value, with its article: `a list`."""
    kind = next((kind for types, kind in _TYPES if isinstance(value, types)), None)
    return _KINDS[kind] if kind else "something that is not JSON"


class DataCheck:
    """A compiled JSON Schema; a `$ref` to another document is an error and is never downloaded."""

    def __init__(self, schema: dict[str, Any], *, trusted: bool = False, ignored: frozenset[str] = frozenset()) -> None:
        """Compile a schema; raises TreeError when it is none. A `trusted` one isn't held against its metaschema.

        `ignored` are keywords that every value matches.
        """
        kind = validator_for(schema, default=Draft202012Validator)
        try:
            if not trusted:
                kind.check_schema(schema)
        except SchemaError as error:
            fault = next(_faults(error))
            raise TreeError(("data", *fault.path), f"not a JSON Schema: {fault.message}", hint=fault.hint) from None
        if ignored:
            kind = extend(kind, {keyword: lambda *_: None for keyword in ignored})  # type: ignore[no-untyped-call]
        self._validator: Validator = kind(schema, registry=Registry())

    @staticmethod
    def mistakes(schema: Any) -> list[Fault]:
        """Return every mistake in a JSON Schema, sorted by path; empty if it is one."""
        kind = validator_for(schema, default=Draft202012Validator)
        errors = kind(kind.META_SCHEMA).iter_errors(schema)
        faults = {fault for error in errors for fault in _faults(error)}
        return sorted(faults, key=lambda fault: [(isinstance(step, str), str(step)) for step in fault.path])

    def faults(self, value: Any) -> list[Fault]:
        """Return every mismatch, sorted by path. Raise TreeError for a `$ref` that the schema does not define.

        A value whose patterns take too long is a mismatch as well.
        """
        try:
            with limited_patterns():
                faults = {fault for error in self._validator.iter_errors(value) for fault in _faults(error)}
        except PatternTimeout as error:
            return [Fault((), str(error))]
        except Unresolvable as error:
            raise TreeError(("data",), f"the schema refers to {error.ref!r}, which it does not define") from None
        misspelt = {(*fault.path[:-1], fault.meant) for fault in faults if fault.meant}
        reported = [fault for fault in faults if fault.kind != "missing" or fault.path not in misspelt]
        return sorted(reported, key=lambda fault: [(isinstance(step, str), step) for step in fault.path])

    def misfits(self, value: Any) -> list[KeyPath]:
        """Return the paths of the mismatches without messages, which is much cheaper than `faults`."""
        try:
            with limited_patterns():
                return [tuple(error.absolute_path) for error in self._validator.iter_errors(value)]
        except PatternTimeout:
            return [()]

    def problem(self, value: Any, start: str = "data") -> str:
        """Return one message for all mismatches, with paths from `start`; empty if the value is valid."""
        messages = [f"{show_path(fault.path, start)}: {fault}" for fault in self.faults(value)]
        more = f"; and {len(messages) - _MAX_MESSAGES} more" if len(messages) > _MAX_MESSAGES else ""
        return "; ".join(messages[:_MAX_MESSAGES]) + more


def _faults(error: _Error) -> Iterator[Fault]:
    path, value = tuple(error.absolute_path), error.instance
    limit: Any = error.validator_value
    match error.validator:
        case "anyOf" | "oneOf" if error.context:
            yield from _union(error)
        case "type":
            kinds = [limit] if isinstance(limit, str) else limit
            yield Fault(path, f"expected {join_or(_KINDS[kind] for kind in kinds)}, got {show_value(value)}")
        case "enum" | "const":
            yield _not_allowed(path, value, [limit] if error.validator == "const" else limit)
        case "required":
            # One error for each missing key, with the key in the message alone.
            missing = [key for key in limit if error.message.startswith(repr(key))]
            yield Fault((*path, *missing[:1]), _MISSING, kind="missing")
        case "additionalProperties" | "unevaluatedProperties":
            yield from _unknown_keys(path, value, error)
        case str() if error.validator in _LIMITS:
            yield Fault(path, f"expected {_LIMITS[error.validator].format(limit)}, got {show_value(value)}")
        case _:
            yield Fault(path, f"{show_value(value)} is not allowed ({error.validator})")


def _unknown_keys(path: KeyPath, value: Any, error: _Error) -> Iterator[Fault]:
    schema = error.schema if isinstance(error.schema, Mapping) else {}
    known = schema.get("properties", {})
    for key in value:
        if key not in known and repr(key) in error.message:
            meant = nearest(key, [name for name in known if name not in value])
            yield Fault((*path, key), "unknown", meant, "unknown")


def _not_allowed(path: KeyPath, value: Any, allowed: list[Any]) -> Fault:
    near = nearest(value, [word for word in allowed if isinstance(word, str)]) if isinstance(value, str) else None
    if len(allowed) > _MAX_CHOICES:
        return Fault(path, f"{show_value(value)} is not one of the {len(allowed)} values that are allowed", near)
    return Fault(path, f"expected {join_or(show_value(word) for word in allowed)}, got {show_value(value)}", near)


def _union(error: _Error) -> Iterator[Fault]:
    """Yield the mismatches of the branch that was probably meant: of the value's kind, with matching constants."""
    branches: dict[Any, list[_Error]] = {}
    for branch in error.context or []:
        branches.setdefault(branch.relative_schema_path[0], []).append(branch)
    same_kind = [errors for errors in branches.values() if not any(_is_other_kind(inner) for inner in errors)]
    if not same_kind:
        yield _wrong_kind(error, branches)
        return
    constants = [inner for errors in same_kind for inner in errors if _is_other_constant(inner)]
    named = [errors for errors in same_kind if not any(_is_other_constant(inner) for inner in errors)]
    if not named:
        yield _not_allowed(
            tuple(constants[0].absolute_path), constants[0].instance, [inner.validator_value for inner in constants]
        )
        return
    for inner in min(named, key=_distance):
        yield from _faults(inner)


def _distance(errors: list[_Error]) -> tuple[bool, bool, int]:
    """Rank the distance to a branch: an unknown key counts more than a wrong value, an enum than a pattern."""
    unknown = any(inner.validator == "additionalProperties" and not inner.relative_path for inner in errors)
    return unknown, all(inner.validator == "pattern" for inner in errors), len(errors)


def _is_other_kind(inner: _Error) -> bool:
    return inner.validator == "type" and not inner.relative_path


def _is_other_constant(inner: _Error) -> bool:
    return inner.validator == "const" and len(inner.relative_path) == 1


def _wrong_kind(error: _Error, branches: Mapping[Any, list[_Error]]) -> Fault:
    kinds: list[str] = []
    for errors in branches.values():
        for inner in errors:
            if _is_other_kind(inner):
                wanted: Any = inner.validator_value
                kinds += [wanted] if isinstance(wanted, str) else wanted
    expected = join_or(_KINDS[kind] for kind in dict.fromkeys(kinds) if kind != "null")
    return Fault(tuple(error.absolute_path), f"expected {expected or 'null'}, got {show_value(error.instance)}")
