"""The attributes of objects, read from their classes, and the classes that functions return.

Each answer is certain or None: a class with `__getattr__`, an unknown base or computed names may have any attribute.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from pydantic import BaseModel

from runtime.static_analysis.bindings import Function, read_names
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import BUILTINS, Resolver, Symbol
from runtime.static_analysis.signatures import own_nodes, unquoted

TYPED_DICTS = {"typing.TypedDict", "typing_extensions.TypedDict"}
BASES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys((BUILTINS + "object", "abc.ABC", "typing.Generic", "typing.Protocol"), frozenset(dir(object))),
    "pydantic.BaseModel": frozenset(dir(BaseModel)),
    "typing.NamedTuple": frozenset(dir(tuple)) | {"_asdict", "_replace", "_fields", "_make"},
    **dict.fromkeys(TYPED_DICTS, frozenset(dir(dict))),
}
_ABSTRACT = {"abc.ABC", "typing.Protocol", "typing_extensions.Protocol"}
_ANY_ATTRIBUTE = {"__getattr__", "__getattribute__"}
_MAX_DEPTH = 20


def attributes_of(
    resolver: Resolver, symbol: Symbol, bases: Mapping[str, frozenset[str]] = BASES
) -> frozenset[str] | None:
    """Return the names of all attributes that an instance may have; None where others are possible.

    `bases` are the attributes of classes that other packages define. A name that any module of the project assigns to
    some object counts, too.
    """
    if symbol.module is None or not isinstance(symbol.node, ast.ClassDef):
        return None
    names = _names_of(resolver, symbol.module, symbol.node, bases, 0)
    if names is None:
        return None
    modules = [module for module in resolver.modules.read.values() if module is not None and module.ours]
    if any(module.implicit.sets_any for module in modules):
        return None
    return names.union(*(module.implicit.attributes for module in modules))


def _names_of(
    resolver: Resolver, module: Module, node: ast.ClassDef, bases: Mapping[str, frozenset[str]], depth: int
) -> frozenset[str] | None:
    bound = read_names(node.body).bound
    is_typed_dict = any(resolver.value(module, base).name in TYPED_DICTS for base in node.bases)
    if depth > _MAX_DEPTH or (node.keywords and not is_typed_dict) or _ANY_ATTRIBUTE & bound.keys():
        return None
    if module.implicit.sets_self or module.implicit.dynamic or _allows_more(bound, node):
        return None
    names = {*bound, *_declared(node), *_set_on_self(node), *dir(object)}
    for base in resolver.bases(module, node):
        inherited = bases.get(base.name)
        if base.kind == "class" and base.module is not None and isinstance(base.node, ast.ClassDef):
            inherited = _names_of(resolver, base.module, base.node, bases, depth + 1)
        if inherited is None:
            return None
        names |= inherited
    return frozenset(names)


def _allows_more(bound: Mapping[str, object], node: ast.ClassDef) -> bool:
    """Return whether a pydantic model may take fields that it does not declare."""
    if not {"model_config", "Config"} & bound.keys():
        return False
    return any(isinstance(inner, ast.Constant) and inner.value == "allow" for inner in ast.walk(node))


def _declared(node: ast.ClassDef) -> set[str]:
    """Return the names with a type and no value, such as the fields of a dataclass."""
    statements = [statement for statement in node.body if isinstance(statement, ast.AnnAssign)]
    return {statement.target.id for statement in statements if isinstance(statement.target, ast.Name)}


def _set_on_self(node: ast.ClassDef) -> set[str]:
    return {
        inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store)
    }


def required_fields(resolver: Resolver, symbol: Symbol) -> list[str]:
    """Return the fields of a pydantic model, or of a dataclass, that are declared with a type and without a value."""
    node, module = symbol.node, symbol.module
    if not isinstance(node, ast.ClassDef) or module is None:
        return []
    inherited: list[str] = []
    for base in resolver.bases(module, node):
        inherited += required_fields(resolver, base) if base.kind == "class" else []
    bound = read_names(node.body).bound
    own = [
        statement.target.id
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
        and statement.value is None
        and isinstance(statement.target, ast.Name)
        and not statement.target.id.startswith("_")
        and "ClassVar" not in ast.dump(statement.annotation)
    ]
    return [*dict.fromkeys([*(name for name in inherited if name not in bound), *own])]


def returned_by(resolver: Resolver, symbol: Symbol) -> Symbol | ast.Dict | None:
    """Return an instance of the class that a function returns, by its type hint or by its `return` statements.

    A dict with constant keys is returned as its node. None where that is not certain.
    """
    node, module = symbol.node, symbol.module
    if symbol.kind != "function" or module is None or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    if node.returns is not None:
        return _of_hint(resolver, module, node.returns)
    return _of_returns(resolver, module, node)


def _of_hint(resolver: Resolver, module: Module, written: ast.expr) -> Symbol | None:
    hint = unquoted(written)
    if not isinstance(hint, ast.Name | ast.Attribute):
        return None
    symbol = resolver.value(module, hint)
    if symbol.kind != "class" or symbol.module is None or _is_a_base(resolver, symbol):
        return None
    return Symbol("instance", symbol.module, symbol.node)


def _is_a_base(resolver: Resolver, symbol: Symbol) -> bool:
    """Return whether a function with this type hint may return an object of another class, with more attributes."""
    node, module = symbol.node, symbol.module
    if not isinstance(node, ast.ClassDef) or module is None:
        return True
    if any(resolver.value(module, base).name in _ABSTRACT for base in node.bases):
        return True
    trees = [other.tree for other in resolver.modules.read.values() if other is not None and other.ours and other.tree]
    classes = [inner for tree in trees for inner in ast.walk(tree) if isinstance(inner, ast.ClassDef)]
    bases = [base for each in classes for base in each.bases]
    names = {getattr(base, "id", getattr(base, "attr", "")) for base in bases}
    return node.name in names


def _of_returns(resolver: Resolver, module: Module, node: Function) -> Symbol | ast.Dict | None:
    inside = list(own_nodes(node))
    if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in inside):
        return None
    values = [inner.value for inner in inside if isinstance(inner, ast.Return)]
    if len(values) != 1 or values[0] is None:
        return None
    value = values[0]
    if isinstance(value, ast.Dict):
        constant = all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in value.keys)
        return value if constant else None
    local = {inner.id for inner in inside if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}
    local |= {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
    imported = {
        alias.asname or alias.name for inner in inside if isinstance(inner, ast.ImportFrom) for alias in inner.names
    }
    maker = value.func if isinstance(value, ast.Call) else None
    if not isinstance(maker, ast.Name) or maker.id in local | imported:
        return None
    symbol = resolver.value(module, maker)
    return Symbol("instance", symbol.module, symbol.node) if symbol.kind == "class" else None
