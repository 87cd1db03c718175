"""The meaning of a tool's type hints for its schema, and for the SDK, which passes the context."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from runtime.static_analysis.calls import Parameter
from runtime.static_analysis.known_symbols import BUILTINS, WRAPPERS
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Resolver, Symbol

_TYPING = ("typing.", "collections.", "collections.abc.", "typing_extensions.", BUILTINS)
_DICTS = {"dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "Counter", "DefaultDict", "defaultdict"}
_ANY = {"Any", "object"}
_LISTS = {"list", "List", "set", "Set", "frozenset", "Sequence", "Iterable", "Optional", "Union"}


def takes_context(resolver: Resolver, module: Module, parameter: Parameter) -> bool | None:
    """Return whether the SDK passes the run's context as this parameter; None if unknown."""
    hint = _unquoted(parameter.node.annotation)
    if hint is None:
        return False
    if isinstance(hint, ast.Subscript):
        if _plain_name(resolver, module, hint.value) == "Annotated":
            return None
        hint = hint.value
    symbol = resolver.value(module, hint)
    if symbol.kind == "external":
        return symbol.name in WRAPPERS or (None if symbol.name.startswith("agents.") else False)
    return False if symbol.kind in ("class", "literal") or isinstance(hint, ast.BinOp) else None


def own_parameters(resolver: Resolver, symbol: Symbol, parameters: list[Parameter]) -> tuple[list[Parameter], bool]:
    """Return the parameters that the model fills, all but the context, and whether that is certain."""
    if not parameters or symbol.module is None:
        return parameters, True
    first = takes_context(resolver, symbol.module, parameters[0])
    return parameters[1:] if first is not False else parameters, first is not None


def free_form(resolver: Resolver, module: Module, parameter: Parameter) -> str:
    """Return the part of a hint that accepts any keys or any value, `dict` or `Any`; empty if there is none."""
    if isinstance(parameter.default, ast.Call):
        return ""  # a Field() may say more than the hint
    return _free_form(resolver, module, parameter.node.annotation)


def _free_form(resolver: Resolver, module: Module, written: ast.expr | None) -> str:
    hint = _unquoted(written)
    match hint:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _worst(_free_form(resolver, module, part) for part in (left, right))
        case ast.Subscript(value=outer, slice=inner):
            name = _plain_name(resolver, module, outer)
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if name == "Annotated":
                # A call or a name in the annotations may change the schema.
                changed = any(isinstance(node, ast.Call | ast.Name | ast.Attribute) for node in parts[1:])
                return "" if changed else _free_form(resolver, module, parts[0])
            if name in _LISTS:
                return _worst(_free_form(resolver, module, part) for part in parts)
            return "dict" if name in _DICTS else ""
        case ast.Name() | ast.Attribute():
            name = _plain_name(resolver, module, hint)
            return "dict" if name in _DICTS - {"defaultdict", "DefaultDict"} else "Any" if name in _ANY else ""
    return ""


def _worst(parts: Iterable[str]) -> str:
    kinds = set(parts)
    return "dict" if "dict" in kinds else "Any" if "Any" in kinds else ""


def may_rename(resolver: Resolver, module: Module, parameter: Parameter) -> bool:
    """Return whether the schema may have another name for a parameter: a Field() has an `alias`."""
    hint = _unquoted(parameter.node.annotation)
    nodes = [node for root in (hint, parameter.default) if root is not None for node in ast.walk(root)]
    if any(isinstance(node, ast.Call) for node in nodes):
        return True
    known = {"class", "external", "literal", "module"}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    return any(resolver.value(module, name).kind not in known for name in names)


def _plain_name(resolver: Resolver, module: Module, node: ast.expr) -> str:
    """Return the name of a type of the standard library, however it is imported; empty for anything else."""
    symbol = resolver.value(module, node) if isinstance(node, ast.Name | ast.Attribute) else None
    if symbol is None or symbol.kind != "external":
        return ""
    prefix, _, name = symbol.name.rpartition(".")
    return name if f"{prefix}." in _TYPING else ""


def _unquoted(hint: ast.expr | None) -> ast.expr | None:
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        try:
            return ast.parse(hint.value.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return hint
