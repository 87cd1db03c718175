"""The fields that every rendering of a template reads, whatever its conditions come to: `user.name` as (user, name).

A field that is read behind an `if`, an `or` or a `default` may not be there, nor one that is only handed on; one that
is always looked into must be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import Environment, nodes

Field = tuple[str, str]

# What gives no error for a field that is missing: it provides something else, or looks later, if at all.
_LENIENT = frozenset(
    {"default", "d", "map", "select", "reject", "selectattr", "rejectattr", "items", "batch", "slice", "groupby"}
)
_CONTAINED = frozenset({"in", "notin"})


def find_reads(tree: nodes.Template) -> frozenset[Field]:
    """Return each name with the field of it that is always read; names that the template itself sets are left out."""
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
        # A test asks; the others hand a missing value on.
        case nodes.Filter() | nodes.Test() | nodes.List() | nodes.Tuple() | nodes.Dict():
            return
        case nodes.Getattr(node=nodes.Name(name=name), attr=field):
            yield name, field
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(field))):
            yield name, field
        case _:
            yield from _all(node.iter_child_nodes())


# What a template reads whatever its data is: where one of these is missing, it can't be rendered.

Read = tuple[str, ...]

_STRICT_FILTERS = frozenset(
    {"tojson", "string", "upper", "lower", "title", "capitalize", "trim", "length", "count", "join", "sort", "first"}
)
_COMPARED = frozenset({"eq", "ne", "lt", "lteq", "gt", "gteq"})


def strict_reads(text: str) -> frozenset[Read]:
    """Return each name, and each field of a name as `(name, field, …)`, that a text that parses can't do without."""
    tree = Environment().parse(text)
    # What the template itself sets may be there after all.
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
    """Yield what must be there for this value to be used."""
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
            # `text.upper()` is a method of what stands before the dot, and no field.
            called = node.node
            yield from _of_value(called.node if isinstance(called, nodes.Getattr) else called)


def _chain(node: nodes.Node) -> Read:
    """Return `a.b["c"]` as its names; empty where that is computed."""
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
