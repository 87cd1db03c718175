"""The names and fields that a template reads, found in Jinja2's syntax tree, and the language's change to that tree.

A field that is read behind an `if`, an `or` or a `default` may be missing, as may one that is only passed on; a field
that every rendering reads must be there. Imports Jinja2: only templates beyond `{{ name.field }}` need this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import Environment, nodes

from runtime.sdk_internals import names_visitor

Field = tuple[str, str]

# Filters that accept a missing field: they replace it, or read it later, if at all.
_LENIENT = frozenset(
    {"default", "d", "map", "select", "reject", "selectattr", "rejectattr", "items", "batch", "slice", "groupby"}
)
_CONTAINED = frozenset({"in", "notin"})
Read = tuple[str, ...]

_STRICT_FILTERS = frozenset(
    {"tojson", "string", "upper", "lower", "title", "capitalize", "trim", "length", "count", "join", "sort", "first"}
)
_COMPARED = frozenset({"eq", "ne", "lt", "lteq", "gt", "gteq"})


def prefer_fields(tree: nodes.Template) -> nodes.Template:
    """Change a parsed template in place: `a.b` looks up the key first; in a call, `text.upper()`, it stays a method."""
    called = {id(call.node) for call in tree.find_all(nodes.Call)}
    _prefer(tree, called)
    return tree


def _prefer(parent: nodes.Node, called: set[int]) -> None:
    for child in parent.iter_child_nodes():
        _prefer(child, called)
    for name, value in parent.iter_fields():
        if isinstance(value, list):
            setattr(parent, name, [_as_field(item, called) for item in value])
        else:
            setattr(parent, name, _as_field(value, called))


def _as_field(node: Any, called: set[int]) -> Any:
    if isinstance(node, nodes.Getattr) and node.ctx == "load" and id(node) not in called:
        return nodes.Getitem(node.node, nodes.Const(node.attr), "load", lineno=node.lineno)
    return node


def find_names(tree: nodes.Template) -> frozenset[str]:
    """Return every name that a parsed template reads and does not set, without its globals."""
    visitor = names_visitor(tree.environment)
    visitor.visit(tree)
    return frozenset(visitor.undeclared_identifiers)


def find_reads(tree: nodes.Template) -> frozenset[Field]:
    """Return `(name, field)` for each field that every rendering reads, except of names the template sets."""
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    return frozenset(field for field in _statements(tree.body) if field[0] not in own)


def _statements(body: Iterable[nodes.Node]) -> Iterator[Field]:
    for node in body:
        match node:
            case nodes.Output():
                yield from _all(node.nodes)
            case nodes.If():
                yield from _expression(node.test)
            case nodes.For():
                yield from _expression(node.iter)


def _all(expressions: Iterable[nodes.Node | None]) -> Iterator[Field]:
    for expression in expressions:
        if expression is not None:
            yield from _expression(expression)


def _expression(node: nodes.Node) -> Iterator[Field]:
    match node:
        case nodes.CondExpr():
            yield from _expression(node.test)
        case nodes.And() | nodes.Or():
            yield from _expression(node.left)
        case nodes.Compare():
            if node.ops[0].op not in _CONTAINED:
                yield from _expression(node.expr)
            yield from _expression(node.ops[0].expr)
        case nodes.Filter() if node.name not in _LENIENT:
            yield from _all([node.node])
        case nodes.Call():
            yield from _expression(node.node)
        # A test accepts a missing value; the others pass it on.
        case nodes.Filter() | nodes.Test() | nodes.List() | nodes.Tuple() | nodes.Dict():
            return
        case nodes.Getattr(node=nodes.Name(name=name), attr=field):
            yield name, field
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(field))):
            yield name, field
        case _:
            yield from _all(node.iter_child_nodes())


def strict_reads(text: str) -> frozenset[Read]:
    """Return each name, and each field as `(name, field, …)`, without which a text that parses can't be rendered."""
    tree = Environment().parse(text)
    # A name that the template itself sets may have a value after all.
    set_here = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    return frozenset(read for read in _of_body(tree.body) if read[0] not in set_here)


def _of_body(body: list[nodes.Node]) -> Iterator[Read]:
    for node in body:
        match node:
            case nodes.Output():
                for part in node.nodes:
                    yield from _of_value(part)
            case nodes.If():
                yield from _of_value(node.test)
            case nodes.For():
                yield from _of_value(node.iter)


def _of_value(node: nodes.Node) -> Iterator[Read]:
    """Yield the reads that must succeed when this value is used."""
    match node:
        case nodes.Name():
            yield (node.name,)
        case nodes.Getattr() | nodes.Getitem():
            if read := _chain(node):
                yield read
            yield from _of_value(node.node)
        case nodes.Filter() if node.name in _STRICT_FILTERS and node.node is not None:
            yield from _of_value(node.node)
        case nodes.CondExpr():
            yield from _of_value(node.test)
        case nodes.And() | nodes.Or():
            yield from _of_value(node.left)
        case nodes.BinExpr():
            yield from _of_value(node.left)
            yield from _of_value(node.right)
        case nodes.UnaryExpr():
            yield from _of_value(node.node)
        case nodes.Concat():
            for part in node.nodes:
                yield from _of_value(part)
        case nodes.Compare() if node.ops and node.ops[0].op in _COMPARED:
            yield from _of_value(node.expr)
        case nodes.Call():
            # `text.upper()` calls a method and reads no field.
            called = node.node
            yield from _of_value(called.node if isinstance(called, nodes.Getattr) else called)


def _chain(node: nodes.Node) -> Read:
    """Return the names of `a.b["c"]`; empty where one is computed."""
    match node:
        case nodes.Name():
            return (node.name,)
        case nodes.Getattr():
            before = _chain(node.node)
            return (*before, node.attr) if before else ()
        case nodes.Getitem(arg=nodes.Const(value=str() as key)):
            before = _chain(node.node)
            return (*before, key) if before else ()
    return ()
