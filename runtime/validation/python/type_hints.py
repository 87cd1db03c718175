"""Which values the SDK certainly refuses for a parameter, by its type hint: pydantic converts between some types."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from runtime.diagnostics.wording import join_or, quote
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Resolver
from runtime.static_analysis.signatures import type_name, unquoted

_EXPECTED = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "List": "a list",
    "dict": "a mapping",
    "Dict": "a mapping",
}
_NUMBER_WORDS = frozenset({"nan", "inf", "infinity"})
_BOOLEAN_WORDS = frozenset({"1", "0", "true", "false", "t", "f", "yes", "no", "y", "n", "on", "off"})


def expected_instead(resolver: Resolver, module: Module, hint: ast.expr | None, value: Any) -> str:
    """Return what a type hint expects where the SDK certainly refuses `value`, else an empty string."""
    hint = unquoted(hint)
    if hint is None or callable(value):
        return ""
    branches: list[ast.expr] = []
    match hint:
        case ast.Constant(value=None):
            return "" if value is None else "nothing"
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            branches = [left, right]
        case ast.Subscript(value=outer, slice=inner):
            branches = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            match type_name(resolver, module, outer):
                case "Optional":
                    branches = [*branches, ast.Constant(None)]
                case "Literal":
                    return _expected_literal(branches, value)
                case name if name != "Union":
                    return _expected_type(name, value)
        case _:
            return _expected_type(type_name(resolver, module, hint), value)
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
