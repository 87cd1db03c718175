"""The arguments of a script's calls, held against what the tools take: a JSON Schema, or a function's parameters.

Only what certainly makes a call fail is an error. What a template fills in is not known: any value will do there.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import quote, suggest
from runtime.static_analysis.calls import missing_names
from runtime.static_analysis.classes import parameters_of
from runtime.static_analysis.hints import may_rename, own_parameters
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Resolver, Symbol
from runtime.validation.scripts.templates import is_constant

# An agent that is given nothing answers all the same.
_AGENT_INPUT = {"type": "object", "properties": {"input": {"type": "string"}}}
# About which keys and how many there are, whatever the values turn out to be.
_OF_KEYS = frozenset(
    {"required", "additionalProperties", "minProperties", "maxProperties", "dependentRequired", "minItems", "maxItems"}
)
# A value that is not known yet may decide what else holds.
_DECIDING = frozenset({"then", "else", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems"})
# Where a part that is left unchecked turns the answer around.
_TURNING = frozenset({"not", "if", "oneOf", "contains", "unevaluatedProperties", "unevaluatedItems"})
_MOST_REFERENCES = 10
_KINDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


class Unknown:
    """Stands for what a template fills in."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with arguments: at `path` in them; `at_key` says that the name is wrong."""

    path: KeyPath
    message: str
    hint: str = ""
    at_key: bool = False
    severity: Severity = "error"


def known_part(value: Any) -> Any:
    """Return a script's arguments as the tool gets them, with `Unknown` wherever a template stands."""
    match value:
        case str():
            return value if is_constant(value) else Unknown()
        case Mapping():
            return {str(key): known_part(inner) for key, inner in value.items()}
        case list():
            return [known_part(inner) for inner in value]
        case None | bool() | int() | float():
            return value
    return json.loads(json.dumps(value, default=str))


def faults_of_input(values: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the arguments of an agent as a tool."""
    unknown = [_unknown(name, ["input"], "warning") for name in values if name != "input"]
    return [*faults_in(_AGENT_INPUT, values), *unknown]


def faults_in(schema: dict[str, Any], values: Mapping[str, Any]) -> list[Fault]:
    """Return what of a JSON Schema the arguments do not fit for sure."""
    if not _is_simple(schema):
        return []
    try:
        found = list(_validator(schema).iter_errors(values))
    except Exception:  # a schema that is none, or refers to nowhere: told where it is checked
        return []
    certain = [error for error in found if _is_certain(error, values)]
    return list(dict.fromkeys(fault for error in certain for fault in _faults(error)))


def _validator(schema: dict[str, Any]) -> Any:
    # Only scripts that call such tools pay for it.
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    return _without_patterns(validator_for(schema, default=Draft202012Validator))(schema, registry=Registry())


@functools.cache
def _without_patterns(kind: type[Any]) -> type[Any]:
    from jsonschema.validators import extend

    # An expression of a stranger may take forever.
    return extend(kind, {"pattern": lambda *_: None})  # type: ignore[no-untyped-call,no-any-return]


def _is_simple(schema: Mapping[str, Any]) -> bool:
    """Say whether a schema is understood, and is sure to be done with soon."""
    words: list[str] = []
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            words += map(str, part)
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    references = sum(word in ("$ref", "$dynamicRef") for word in words)
    turned = "pattern" in words and not _TURNING.isdisjoint(words)
    return references <= _MOST_REFERENCES and "patternProperties" not in words and not turned


def _is_certain(error: Any, values: Mapping[str, Any]) -> bool:
    if not _has_unknown(values):
        return True
    if isinstance(error.instance, Unknown) or not _DECIDING.isdisjoint(error.absolute_schema_path):
        return False
    return error.validator in _OF_KEYS or error.validator == "type" or not _has_unknown(error.instance)


def _has_unknown(value: Any) -> bool:
    match value:
        case Unknown():
            return True
        case Mapping():
            return any(map(_has_unknown, value.values()))
        case list():
            return any(map(_has_unknown, value))
    return False


def _faults(error: Any) -> Iterator[Fault]:
    path = tuple(error.absolute_path)
    properties = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
    match error.validator:
        case "required":
            strangers = [key for key in error.instance if key not in properties]
            for name in error.validator_value:
                if name not in error.instance:
                    is_told = error.schema.get("additionalProperties") is False and suggest(str(name), strangers)
                    yield from [] if is_told else [Fault(path, f"nothing is given for {name!r}", at_key=True)]
        case "additionalProperties" if error.validator_value is False:
            for name in error.instance:
                if name not in properties:
                    yield _unknown(name, properties, path=path)
        case "type":
            wanted = error.validator_value
            kinds = " or ".join(_KINDS[kind] for kind in (wanted if isinstance(wanted, list) else [wanted]))
            yield Fault(path, f"{_shown(error.instance)} is not {kinds}")
        case "enum":
            yield Fault(path, f"{_shown(error.instance)} is not allowed", _one_of(error.validator_value))
        case _:
            yield Fault(path, f"{_shown(error.instance)} does not fit {error.validator!r}")


def faults_of_call(
    resolver: Resolver, symbol: Symbol, values: Mapping[str, Any], bound: Iterable[str]
) -> Iterator[Fault]:
    """Yield what is wrong with the arguments of a function that is a tool; those in `bound` are given already."""
    parameters = parameters_of(resolver, symbol)
    if symbol.kind not in ("function", "tool") or symbol.decorated or parameters is None or symbol.module is None:
        return
    asked, sure = own_parameters(resolver, symbol, parameters)
    module = symbol.module
    if not sure or any(parameter.kind in ("*", "**") or may_rename(resolver, module, parameter) for parameter in asked):
        return
    known = [parameter.name for parameter in asked if parameter.name not in bound]
    unknown = [name for name in values if name not in known and name not in bound]
    # The SDK drops what it does not know.
    yield from (_unknown(name, known, "warning") for name in unknown)
    for name in missing_names(asked, [*values, *bound]):
        near = [wrong for wrong in unknown if suggest(wrong, [name])]
        hint = f"{near[0]!r} is none of its arguments" if near else ""
        yield Fault((), f"nothing is given for {name!r}", hint, at_key=True)
    for parameter in asked:
        if parameter.name in values and parameter.name not in bound:
            wanted = refused(resolver, module, parameter.node.annotation, values[parameter.name])
            if wanted:
                yield Fault((parameter.name,), f"{_shown(values[parameter.name])} is not {wanted}")


def _unknown(name: str, known: Iterable[str], severity: Severity = "error", path: KeyPath = ()) -> Fault:
    known = list(known)
    hint = suggest(name, known) or f"it has {', '.join(quote(known)) or 'none'}"
    return Fault((*path, name), f"it has no argument {name!r}", hint, at_key=True, severity=severity)


def _shown(value: Any) -> str:
    match value:
        case Mapping():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}…"


def _one_of(values: Any) -> str:
    return f"it is one of {', '.join(map(_shown, values))}" if isinstance(values, list) else ""


# Which values the SDK certainly refuses for a parameter, by its type hint.

_KINDS_script_hints = {
    "builtins.str": "a text",
    "builtins.int": "a whole number",
    "builtins.float": "a number",
    "builtins.bool": "true or false",
    "builtins.list": "a list",
    "typing.List": "a list",
    "builtins.dict": "a mapping",
    "typing.Dict": "a mapping",
}
_NUMBER_WORDS = frozenset({"nan", "inf", "infinity"})
_YES_AND_NO = frozenset({"1", "0", "true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"})
_MAX_DEPTH = 10


def refused(resolver: Resolver, module: Module, hint: ast.expr | None, value: Any, depth: int = 0) -> str:
    """Say what is wanted instead of a value; empty where it will do, or may do."""
    if hint is None or depth > _MAX_DEPTH:
        return ""
    match hint:
        case ast.Constant(value=None):
            return "" if _may_be(value, None) else "nothing"
        case ast.Constant(value=str(quoted)):
            return refused(resolver, module, _parsed(quoted), value, depth + 1)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _by_none(resolver, module, [left, right], value, depth)
        case ast.Subscript(value=outer, slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            match _symbol(resolver, module, outer):
                case "typing.Optional":
                    return _by_none(resolver, module, [*parts, ast.Constant(None)], value, depth)
                case "typing.Union":
                    return _by_none(resolver, module, parts, value, depth)
                case "typing.Literal" | "typing_extensions.Literal":
                    return _not_listed(parts, value)
                case symbol:
                    return _other_kind(symbol, value)
        case ast.Name() | ast.Attribute():
            return _other_kind(_symbol(resolver, module, hint), value)
    return ""


def _by_none(resolver: Resolver, module: Module, hints: list[ast.expr], value: Any, depth: int) -> str:
    wanted = [refused(resolver, module, hint, value, depth + 1) for hint in hints]
    return " or ".join(dict.fromkeys(wanted)) if all(wanted) else ""


def _not_listed(parts: list[ast.expr], value: Any) -> str:
    words = [part.value for part in parts if isinstance(part, ast.Constant)]
    # Numbers and texts are compared in ways of their own: only a list of words is sure.
    if len(words) < len(parts) or not all(isinstance(word, str) for word in words) or not _is_plain(value):
        return ""
    return "" if value in words else f"one of {', '.join(map(repr, words))}"


def _other_kind(symbol: str, value: Any) -> str:
    wanted = _KINDS_script_hints.get(symbol, "")
    return wanted if wanted and _is_plain(value) and not _will_do(wanted, value) else ""


def _will_do(wanted: str, value: Any) -> bool:
    match wanted:
        case "a text":
            return isinstance(value, str)
        case "a list":
            return isinstance(value, list)
        case "a mapping":
            return isinstance(value, Mapping)
    if isinstance(value, str):
        return _reads_as(wanted, value.strip().casefold())
    if wanted == "true or false":
        return isinstance(value, bool | int | float) and value in (0, 1)
    if wanted == "a whole number":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, int | float)


def _reads_as(wanted: str, text: str) -> bool:
    if wanted == "true or false":
        return text in _YES_AND_NO
    return any(sign.isdigit() for sign in text) or (wanted == "a number" and text.lstrip("+-") in _NUMBER_WORDS)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float | list | Mapping)


def _may_be(value: Any, wanted: object) -> bool:
    return value is wanted or not _is_plain(value)


def _symbol(resolver: Resolver, module: Module, node: ast.expr) -> str:
    found = resolver.value(module, node) if isinstance(node, ast.Name | ast.Attribute) else None
    return found.name if found is not None and found.kind == "external" else ""


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
