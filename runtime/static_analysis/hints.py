"""What the type hints of a tool's parameters mean for its schema, and for the SDK, which gives it its context."""

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
    """Say whether a parameter is the one that the SDK fills with the run's context; None if unsure."""
    hint = _unquoted(parameter.node.annotation)
    if hint is None:
        return False
    if isinstance(hint, ast.Subscript):
        if _plain_name(resolver, module, hint.value) == "Annotated":
            return None
        hint = hint.value
    found = resolver.value(module, hint)
    if found.kind == "external":
        return found.name in WRAPPERS or (None if found.name.startswith("agents.") else False)
    return False if found.kind in ("class", "literal") or isinstance(hint, ast.BinOp) else None


def own_parameters(resolver: Resolver, symbol: Symbol, parameters: list[Parameter]) -> tuple[list[Parameter], bool]:
    """Return what the model is asked for: all but the context; and whether it is sure that nothing else is left out."""
    if not parameters or symbol.module is None:
        return parameters, True
    first = takes_context(resolver, symbol.module, parameters[0])
    return parameters[1:] if first is not False else parameters, first is not None


def free_form(resolver: Resolver, module: Module, parameter: Parameter) -> str:
    """Say what in a parameter's hint takes any keys, or anything at all: `dict` or `Any`; empty for neither."""
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
                # Whatever is called there may change the schema.
                changed = any(isinstance(node, ast.Call | ast.Name | ast.Attribute) for node in parts[1:])
                return "" if changed else _free_form(resolver, module, parts[0])
            if name in _LISTS:
                return _worst(_free_form(resolver, module, part) for part in parts)
            return "dict" if name in _DICTS else ""
        case ast.Name() | ast.Attribute():
            name = _plain_name(resolver, module, hint)
            return "dict" if name in _DICTS - {"defaultdict", "DefaultDict"} else "Any" if name in _ANY else ""
    return ""


def _worst(found: Iterable[str]) -> str:
    kinds = set(found)
    return "dict" if "dict" in kinds else "Any" if "Any" in kinds else ""


def may_rename(resolver: Resolver, module: Module, parameter: Parameter) -> bool:
    """Say whether the model may know a parameter by another name: a Field() has an `alias`."""
    hint = _unquoted(parameter.node.annotation)
    nodes = [node for root in (hint, parameter.default) if root is not None for node in ast.walk(root)]
    if any(isinstance(node, ast.Call) for node in nodes):
        return True
    known = {"class", "external", "literal", "module"}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    return any(resolver.value(module, name).kind not in known for name in names)


def _plain_name(resolver: Resolver, module: Module, node: ast.expr) -> str:
    """Return the name of one of Python's own types, wherever it is imported from; empty for anything else."""
    found = resolver.value(module, node) if isinstance(node, ast.Name | ast.Attribute) else None
    if found is None or found.kind != "external":
        return ""
    prefix, _, name = found.name.rpartition(".")
    return name if f"{prefix}." in _TYPING else ""


def _unquoted(hint: ast.expr | None) -> ast.expr | None:
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        try:
            return ast.parse(hint.value.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return hint
