"""Whether Python code may change a value, or a part of it: by a method, by an assignment, or by passing it on."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

_MUTATORS = frozenset(
    {"append", "extend", "insert", "update", "setdefault", "add", "pop", "popitem", "clear", "remove", "__setitem__"}
)
# Functions that change none of their arguments: the first group returns them, or parts of them.
_SELECTORS = frozenset({"list", "sorted", "reversed", "next", "min", "max", "enumerate", "iter", "filter", "zip"})
_READERS = _SELECTORS | {"len", "any", "all", "sum", "dumps", "isinstance", "print", "str"}


def may_change(nodes: Sequence[ast.AST], *names: str) -> bool:
    """Return whether code may change what has one of these names, or an item of it, whatever the item is called.

    A function among the names returns such a value. A value that is returned, or yielded, does not count.
    """
    return changes_anything(nodes) or _is_passed_on(nodes, _aliases(nodes, set(names)))


def changes_anything(nodes: Iterable[ast.AST]) -> bool:
    """Return whether code changes a list or a dict, whichever it is."""
    return any(
        (isinstance(node, ast.Subscript) and stores(node))
        or isinstance(node, ast.AugAssign)
        or (isinstance(node, ast.Attribute) and node.attr in _MUTATORS)
        for node in nodes
    )


def stores(node: ast.AST) -> bool:
    """Return whether a node is the target of an assignment, or deleted."""
    return isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)


def last_name(node: ast.AST) -> str:
    """Return the name, or the last part of a dotted name; empty for anything else."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _aliases(nodes: Sequence[ast.AST], names: set[str]) -> set[str]:
    """Return the names that code gives to a value, or to its items, with those that it had."""
    found: set[str] = set()
    while found != names:
        found = set(names)
        for node in nodes:
            for target, value in _bindings(node):
                if not names.isdisjoint(_referred(value)):
                    names |= {last_name(inner) for inner in ast.walk(target) if stores(inner)}
    return names


def _bindings(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((target, value) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
            yield target, value
        case ast.comprehension(target=target, iter=value):
            yield target, value


def _referred(node: ast.expr | None) -> Iterator[str]:
    """Yield the names of what an expression may be, or contain. The value of a key is taken for another value."""
    match node:
        case ast.Name() | ast.Attribute():
            yield last_name(node)
        case ast.Subscript(slice=ast.Constant(value=str())):
            return
        case ast.Subscript(value=inner) | ast.Starred(value=inner) | ast.Await(value=inner):
            yield from _referred(inner)
        case ast.NamedExpr(value=inner):
            yield from _referred(inner)
        case ast.IfExp(body=first, orelse=second):
            yield from (*_referred(first), *_referred(second))
        case ast.BoolOp(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            yield from (name for part in parts for name in _referred(part))
        case ast.Dict(values=parts):
            yield from (name for part in parts for name in _referred(part))
        case ast.ListComp(elt=inner) | ast.SetComp(elt=inner) | ast.GeneratorExp(elt=inner):
            yield from _referred(inner)
        case ast.Call(func=function, args=parts):
            yield last_name(function)
            if isinstance(function, ast.Attribute):
                yield from _referred(function.value)
            if last_name(function) in _SELECTORS:
                yield from (name for part in parts for name in _referred(part))


def _is_passed_on(nodes: Iterable[ast.AST], names: set[str]) -> bool:
    """Return whether a call gets a value, and may change it."""
    for node in nodes:
        if isinstance(node, ast.Call) and last_name(node.func) not in _READERS:
            arguments = [*node.args, *(each.value for each in node.keywords)]
            if any(not names.isdisjoint(_referred(argument)) for argument in arguments):
                return True
    return False
