"""Classes and their instances: their base classes, and whether and how they can be called."""

from __future__ import annotations

import ast
from collections.abc import Container

from runtime.static_analysis.bindings import read_names
from runtime.static_analysis.calls import Parameter, parameters_in
from runtime.static_analysis.known_symbols import AGENT, NO_INIT, PYDANTIC, is_unrelated
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Resolver, Symbol, defines_method


def derives(resolver: Resolver, symbol: Symbol, roots: Container[str]) -> bool | None:
    """Return whether a class, or the class of an instance, is or derives from one of `roots`; None if unknown."""
    if symbol.kind == "external":
        return True if symbol.name in roots else False if is_unrelated(symbol.name) else None
    if symbol.kind not in ("class", "instance") or symbol.module is None or not isinstance(symbol.node, ast.ClassDef):
        return None
    # A class may also be registered with an abstract base class.
    if symbol.node.keywords or b".register(" in symbol.module.text:
        return None
    answers = [derives(resolver, base, roots) for base in resolver.bases(symbol.module, symbol.node)]
    return True if True in answers else None if None in answers else False


def is_callable(resolver: Resolver, symbol: Symbol) -> bool | None:
    """Return whether a symbol can be called; None if unknown."""
    if symbol.kind in ("function", "class"):
        return True
    if symbol.kind in ("literal", "module", "tool"):
        return False
    if symbol.kind == "instance" and symbol.module is not None and isinstance(symbol.node, ast.ClassDef):
        return defines_method(resolver, symbol.module, symbol.node, "__call__")
    return False if symbol.kind == "result" and symbol.name == AGENT else None


def parameters_of(resolver: Resolver, symbol: Symbol) -> list[Parameter] | None:
    """Return the parameters of a call of a function, class or instance; None if unknown."""
    node = symbol.node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and symbol.kind in ("function", "tool"):
        parameters = parameters_in(node.args)
        return parameters[1:] if symbol.bound and parameters and parameters[0].kind != "*" else parameters
    if symbol.module is None or not isinstance(node, ast.ClassDef):
        return None
    if symbol.kind == "class":
        return _constructor_parameters(resolver, symbol.module, node)
    return _method(node, "__call__") if symbol.kind == "instance" else None


def _constructor_parameters(resolver: Resolver, module: Module, node: ast.ClassDef) -> list[Parameter] | None:
    if node.keywords or "__new__" in read_names(node.body).bound:
        return None
    if node.decorator_list:
        return _fields(node)
    if "__init__" in read_names(node.body).bound:
        return _method(node, "__init__")
    inherited = [_inherited(resolver, base) for base in resolver.bases(module, node)]
    return None if None in inherited else next((parameters for parameters in inherited if parameters), [])


def _inherited(resolver: Resolver, base: Symbol) -> list[Parameter] | None:
    if base.kind == "class" and base.module is not None and isinstance(base.node, ast.ClassDef):
        return _constructor_parameters(resolver, base.module, base.node)
    if base.name in PYDANTIC:
        return [Parameter("data", "**", ast.arg("data"))]
    return [] if base.name in NO_INIT else None


def _method(node: ast.ClassDef, name: str) -> list[Parameter] | None:
    bound = read_names(node.body).bound.get(name, [])
    function = bound[0].node if len(bound) == 1 else None
    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and not function.decorator_list:
        return parameters_in(function.args)[1:]
    return None


def _fields(node: ast.ClassDef) -> list[Parameter] | None:
    """Return the constructor parameters of a plain dataclass without bases and options; None for any other class."""
    decorator = node.decorator_list[0]
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    keywords = {keyword.arg for keyword in decorator.keywords} if isinstance(decorator, ast.Call) else set()
    is_dataclass = getattr(name, "attr", getattr(name, "id", "")) == "dataclass"
    names = read_names(node.body).bound
    if not is_dataclass or len(node.decorator_list) > 1 or node.bases or keywords - {"frozen", "slots", "eq"}:
        return None
    fields: list[Parameter] = []
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        # Only simple fields are supported: no field(init=False), ClassVar, ….
        if isinstance(statement.value, ast.Call) or not _is_simple(statement.annotation):
            return None
        argument = ast.arg(statement.target.id, lineno=statement.lineno, col_offset=statement.col_offset)
        fields.append(Parameter(argument.arg, "either", argument, statement.value))
    return None if "__init__" in names else fields


def _is_simple(annotation: ast.expr) -> bool:
    words = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(annotation)}
    quoted = any(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in ast.walk(annotation))
    return not quoted and not words & {"ClassVar", "InitVar", "KW_ONLY"}
