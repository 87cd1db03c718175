"""The fields that every rendering of a template reads, whatever its conditions come to: `user.name` as (user, name).

A field that is read behind an `if`, an `or` or a `default` may not be there, nor one that is only handed on; one that
is always looked into must be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jinja2 import nodes

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
