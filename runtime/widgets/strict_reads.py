"""What a template reads whatever its data is: where one of these is missing, it can't be rendered.

An undefined name is an error where its value is used, and not where the template only passes it on or asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import Environment, nodes

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
