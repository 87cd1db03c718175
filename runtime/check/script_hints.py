"""Which values the SDK certainly refuses for a parameter, by its type hint.

The SDK reads arguments as pydantic does: `"3"` will do for a number, `3` will not for a text. A hint that is not
understood takes anything.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from runtime.static.python import Module
from runtime.static.things import Things

_KINDS = {
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
_DEEPEST = 10


def refused(things: Things, module: Module, hint: ast.expr | None, value: Any, depth: int = 0) -> str:
    """Say what is wanted instead of a value; empty where it will do, or may do."""
    if hint is None or depth > _DEEPEST:
        return ""
    match hint:
        case ast.Constant(value=None):
            return "" if _may_be(value, None) else "nothing"
        case ast.Constant(value=str(quoted)):
            return refused(things, module, _parsed(quoted), value, depth + 1)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _by_none(things, module, [left, right], value, depth)
        case ast.Subscript(value=outer, slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            match _symbol(things, module, outer):
                case "typing.Optional":
                    return _by_none(things, module, [*parts, ast.Constant(None)], value, depth)
                case "typing.Union":
                    return _by_none(things, module, parts, value, depth)
                case "typing.Literal" | "typing_extensions.Literal":
                    return _not_listed(parts, value)
                case symbol:
                    return _other_kind(symbol, value)
        case ast.Name() | ast.Attribute():
            return _other_kind(_symbol(things, module, hint), value)
    return ""


def _by_none(things: Things, module: Module, hints: list[ast.expr], value: Any, depth: int) -> str:
    wanted = [refused(things, module, hint, value, depth + 1) for hint in hints]
    return " or ".join(dict.fromkeys(wanted)) if all(wanted) else ""


def _not_listed(parts: list[ast.expr], value: Any) -> str:
    words = [part.value for part in parts if isinstance(part, ast.Constant)]
    # Numbers and texts are compared in ways of their own: only a list of words is sure.
    if len(words) < len(parts) or not all(isinstance(word, str) for word in words) or not _is_plain(value):
        return ""
    return "" if value in words else f"one of {', '.join(map(repr, words))}"


def _other_kind(symbol: str, value: Any) -> str:
    wanted = _KINDS.get(symbol, "")
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


def _symbol(things: Things, module: Module, node: ast.expr) -> str:
    found = things.value(module, node) if isinstance(node, ast.Name | ast.Attribute) else None
    return found.name if found is not None and found.kind == "symbol" else ""


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
