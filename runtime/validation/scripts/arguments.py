"""The arguments of a script's calls, against the JSON Schema or the Python parameters of the tool.

Only a call that certainly fails is an error. A template in the arguments is a function, whose value is not known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import join_or, quote, suggest
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Resolver, Symbol
from runtime.static_analysis.signatures import may_rename, missing_names, own_parameters, parameters_of

# Keywords under which a fault of a part is not yet a fault of the whole, or decides whether others apply.
_CONDITIONAL = frozenset(
    {"if", "not", "anyOf", "oneOf", "contains", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems"}
)
_MAX_REFERENCES = 10


@dataclass(frozen=True, slots=True)
class ScriptProblem:
    """A mistake at `path` of a script, or of a call's arguments; `at_key` says that the key is wrong."""

    path: KeyPath
    message: str
    hint: str = ""
    severity: Severity = "error"
    at_key: bool = False


def schema_problems(schema: dict[str, Any], arguments: Mapping[str, Any]) -> list[ScriptProblem]:
    """Return where arguments certainly do not match a JSON Schema."""
    keywords = list(_keys(schema))
    templates = list(_template_paths(arguments, ()))
    is_conditional = not _CONDITIONAL.isdisjoint(keywords)
    # A project's regular expressions are not run in this process, and references could multiply.
    if "patternProperties" in keywords or keywords.count("$ref") + keywords.count("$dynamicRef") > _MAX_REFERENCES:
        return []
    if is_conditional and (templates or "pattern" in keywords):
        return []
    # jsonschema takes a tenth of a second to import.
    from runtime.json_schema.data import DataCheck, TreeError

    try:
        faults = DataCheck(schema, ignored=frozenset({"pattern"})).faults(_known(arguments))
    except (TreeError, RecursionError):
        return []  # reported where the schema is checked
    properties = schema.get("properties", {})
    problems: list[ScriptProblem] = []
    for fault in faults:
        if fault.kind == "missing":
            problems.append(_missing(fault.path))
        elif fault.kind == "unknown":
            known = properties if len(fault.path) == 1 and isinstance(properties, Mapping) else {}
            problems.append(_unknown(fault.path, known))
        elif not any(path[: len(fault.path)] == fault.path for path in templates):
            problems.append(ScriptProblem(fault.path, fault.message))
    return problems


def call_problems(
    resolver: Resolver, symbol: Symbol, arguments: Mapping[str, Any], bound: Iterable[str]
) -> Iterator[ScriptProblem]:
    """Yield what is wrong with the arguments of a Python tool; agents.yaml gives those in `bound`."""
    parameters = parameters_of(resolver, symbol)
    module = symbol.module
    if symbol.kind not in ("function", "tool") or symbol.decorated or parameters is None or module is None:
        return
    own, is_certain = own_parameters(resolver, symbol, parameters)
    if not is_certain or any(each.kind in ("*", "**") or may_rename(resolver, module, each) for each in own):
        return
    known = [parameter.name for parameter in own if parameter.name not in bound]
    unknown = [name for name in arguments if name not in known and name not in bound]
    missing = missing_names(own, [*arguments, *bound])
    yield from (_missing((name,)) for name in missing)
    # The SDK drops unknown arguments.
    yield from (_unknown((name,), known, "warning") for name in unknown)
    for parameter in own:
        if parameter.name in arguments and parameter.name not in bound:
            value = arguments[parameter.name]
            expected = expected_instead(resolver, module, parameter.node.annotation, value)
            if expected:
                yield ScriptProblem((parameter.name,), f"expected {expected}, got {_show(value)}")


def _missing(path: KeyPath) -> ScriptProblem:
    return ScriptProblem(path[:-1], f"missing argument {path[-1]!r}", at_key=True)


def _unknown(path: KeyPath, known: Iterable[str], severity: Severity = "error") -> ScriptProblem:
    known = list(known)
    hint = suggest(str(path[-1]), known) or (f"known are {', '.join(quote(known))}" if known else "")
    return ScriptProblem(path, f"unknown argument {path[-1]!r}", hint, severity, at_key=True)


def _keys(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        yield from map(str, schema)
        for value in schema.values():
            yield from _keys(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _keys(item)


def _template_paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _template_paths(inner, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from _template_paths(item, (*path, index))
        case _ if callable(value):
            yield path


def _known(value: Any) -> Any:
    """Return arguments with a text in the place of each template."""
    match value:
        case Mapping():
            return {key: _known(inner) for key, inner in value.items()}
        case list():
            return [_known(item) for item in value]
    return "" if callable(value) else value


def _show(value: Any) -> str:
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


# Which values the SDK certainly refuses for a parameter, by its type hint: pydantic converts between some types.

_EXPECTED = {
    "builtins.str": "a string",
    "builtins.int": "a whole number",
    "builtins.float": "a number",
    "builtins.bool": "true or false",
    "builtins.list": "a list",
    "typing.List": "a list",
    "builtins.dict": "a mapping",
    "typing.Dict": "a mapping",
}
_NUMBER_WORDS = frozenset({"nan", "inf", "infinity"})
_BOOLEAN_WORDS = frozenset({"1", "0", "true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"})


def expected_instead(resolver: Resolver, module: Module, hint: ast.expr | None, value: Any) -> str:
    """Return what a type hint expects where the SDK certainly refuses `value`, else an empty string."""
    if hint is None or callable(value):
        return ""
    branches: list[ast.expr] = []
    match hint:
        case ast.Constant(value=None):
            return "" if value is None else "nothing"
        case ast.Constant(value=str(quoted)):
            return expected_instead(resolver, module, _parse(quoted), value)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            branches = [left, right]
        case ast.Subscript(value=outer, slice=inner):
            branches = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            match _name_of(resolver, module, outer):
                case "typing.Optional":
                    branches = [*branches, ast.Constant(None)]
                case "typing.Literal" | "typing_extensions.Literal":
                    return _expected_literal(branches, value)
                case name if name != "typing.Union":
                    return _expected_type(name, value)
        case _:
            return _expected_type(_name_of(resolver, module, hint), value)
    expected = [expected_instead(resolver, module, branch, value) for branch in branches]
    return join_or(expected) if all(expected) else ""


def _expected_literal(items: list[ast.expr], value: Any) -> str:
    words = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    # Only a list of strings is certain: pydantic compares numbers in ways of its own.
    return f"one of {', '.join(quote(words))}" if len(words) == len(items) and value not in words else ""


def _expected_type(name: str, value: Any) -> str:
    expected = _EXPECTED.get(name, "")
    return "" if _is_accepted(expected, value) else expected


def _is_accepted(expected: str, value: Any) -> bool:
    match expected:
        case "a string":
            return isinstance(value, str)
        case "a list":
            return isinstance(value, list)
        case "a mapping":
            return isinstance(value, Mapping)
        case "true or false":
            return str(value).strip().casefold() in _BOOLEAN_WORDS or (isinstance(value, float) and value in (0, 1))
        case "a whole number" if isinstance(value, float):
            return value.is_integer()
    if isinstance(value, str):
        word = value.strip().casefold().lstrip("+-")
        return any(sign.isdigit() for sign in word) or (expected == "a number" and word in _NUMBER_WORDS)
    return isinstance(value, int | float)


def _name_of(resolver: Resolver, module: Module, node: ast.expr) -> str:
    symbol = resolver.value(module, node) if isinstance(node, ast.Name | ast.Attribute) else None
    return symbol.name if symbol is not None and symbol.kind == "external" else ""


def _parse(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
