"""The tools that factories make: a function inside the factory, which @function_tool decorates or wraps."""

from __future__ import annotations

import ast

from runtime.static_analysis.bindings import Function
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import FUNCTION_TOOL, Resolver, Symbol
from runtime.static_analysis.signatures import own_nodes


def made_tool(resolver: Resolver, factory: Symbol) -> Symbol | None:
    """Return the tool that a function returns, if it makes one of a function that it defines; None if unknown."""
    node, module = factory.node, factory.module
    if factory.kind != "function" or module is None or not isinstance(node, ast.FunctionDef):
        return None
    inside = list(own_nodes(node))
    returned = [each.value for each in inside if isinstance(each, ast.Return)]
    if len(returned) != 1:
        return None
    match returned[0]:
        case ast.Name(id=name):
            return _decorated(resolver, module, _only_function(node, inside, name))
        case ast.Call(func=maker, args=[ast.Name(id=name)]) as call:
            inner = _only_function(node, inside, name)
            if inner is None or inner.decorator_list or not _makes_tools(resolver, module, node, inside, maker):
                return None
            return Symbol("tool", module, inner, call=call)
    return None


def _decorated(resolver: Resolver, module: Module, inner: Function | None) -> Symbol | None:
    symbol = None if inner is None else resolver.function(module, inner)
    return symbol if symbol is not None and symbol.kind == "tool" else None


def _only_function(factory: ast.FunctionDef, inside: list[ast.AST], name: str) -> Function | None:
    """Return the function of this name at the top of a factory; None if the name may be something else."""
    bound = [each for each in inside if _binds(each, name)]
    [only] = bound if len(bound) == 1 else [None]
    return only if isinstance(only, ast.FunctionDef | ast.AsyncFunctionDef) and only in factory.body else None


def _binds(node: ast.AST, name: str) -> bool:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return node.name == name
        case ast.Name(ctx=ast.Store() | ast.Del()):
            return node.id == name
        case ast.ImportFrom() | ast.Import():
            return any((alias.asname or alias.name) == name for alias in node.names)
    return False


def _makes_tools(
    resolver: Resolver, module: Module, factory: ast.FunctionDef, inside: list[ast.AST], maker: ast.expr
) -> bool:
    """Return whether an expression of a factory is `function_tool`, or a local name for it."""
    if isinstance(maker, ast.Name) and any(_binds(each, maker.id) for each in inside):
        values = [
            each.value
            for each in factory.body
            if isinstance(each, ast.Assign | ast.AnnAssign) and any(_binds(inner, maker.id) for inner in ast.walk(each))
        ]
        if len(values) != 1 or values[0] is None or sum(_binds(each, maker.id) for each in inside) != 1:
            return False
        maker = values[0]
    return resolver.value(module, maker).name == FUNCTION_TOOL
