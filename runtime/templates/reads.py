"""The names and fields that a template reads, found in Jinja2's syntax tree, and the language's change to that tree.

A field that is read behind an `if`, an `or` or a `default` may be missing, as may one that is only passed on; a field
that every rendering reads must be there. Imports Jinja2: only templates beyond `{{ name.field }}` need this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import Environment, nodes

from runtime.sdk_internals import names_visitor
from runtime.templates.steps import CALL, ITEM

Field = tuple[str, str]

Read = tuple[str, ...]

# Filters that accept a missing field: they replace it, or read it later, if at all.
_LENIENT = {"default", "d", "map", "select", "reject", "selectattr", "rejectattr", "items", "batch", "slice", "groupby"}
_LENIENT |= {"unique", "pprint"}
_CONTAINED = frozenset({"in", "notin"})


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
    return frozenset((read[0], read[1]) for read in _find(tree) if len(read) > 1 and read[1] != ITEM)


def fixed_text(tree: nodes.Template) -> str | None:
    """Return a text that is part of every rendering, which makes it true as a condition; None if there may be none.

    An expression that is not alone counts as text: `{{ a }}{{ b }}` renders `FalseFalse`.
    """
    if not all(isinstance(node, nodes.Output) for node in tree.body):
        return None  # a block may render nothing
    parts = [part for node in tree.body if isinstance(node, nodes.Output) for part in node.nodes]
    texts = [part.data for part in parts if isinstance(part, nodes.TemplateData) and part.data.strip()]
    if len(parts) == 1 and isinstance(parts[0], nodes.Const):
        return parts[0].value if isinstance(parts[0].value, str) else None
    if len(parts) == 1 and not texts:
        return None
    return "".join(texts) or ("…" if parts else "")


def strict_reads(text: str) -> frozenset[Read]:
    """Return each name, and each field as `(name, field, …)`, without which a text that parses can't be rendered."""
    return frozenset(read for read in _find(Environment().parse(text)) if read[-1] != CALL and ITEM not in read)


def strict_paths(text: str) -> frozenset[Read]:
    """Return what `strict_reads` returns, methods that are called as if they were fields, and reads into lists."""
    reads = _find(Environment().parse(text))
    return frozenset(read[:-1] if read[-1] == CALL else read for read in reads)


def _find(tree: nodes.Template) -> Iterator[Read]:
    # A name that the template itself sets may have a value after all.
    own = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    for node in tree.body:
        match node:
            case nodes.Output():
                values: list[nodes.Node] = [*node.nodes]
            case nodes.If():
                values = [node.test]
            case nodes.For():
                values = [node.iter]
            case _:
                values = []
        for value in values:
            yield from (read for read in _reads(value) if read[0] not in own)


def _reads(node: nodes.Node) -> Iterator[Read]:
    """Yield the reads that must succeed when this value is used."""
    match node:
        case nodes.Name():
            yield (node.name,)
        case nodes.CondExpr():
            yield from _reads(node.test)
        case nodes.And() | nodes.Or():
            yield from _reads(node.left)
        case nodes.Compare():
            if node.ops[0].op not in _CONTAINED:
                yield from _reads(node.expr)
            yield from _reads(node.ops[0].expr)
        case nodes.Filter() if node.node is not None and node.name not in _LENIENT:
            yield from _reads(node.node)
        case nodes.Call(node=nodes.Getattr() as method):
            if read := _chain(method):
                yield (*read, CALL)
            yield from _reads(method.node)
        case nodes.Call():
            yield from _reads(node.node)
        # A test accepts a missing value; the others pass it on.
        case nodes.Filter() | nodes.Test() | nodes.List() | nodes.Tuple() | nodes.Dict():
            return
        case _:
            if read := _chain(node):
                yield read
            for child in node.iter_child_nodes():
                yield from _reads(child)


def _chain(node: nodes.Node) -> Read:
    """Return the names of `a.b["c"]`, with `ITEM` for an index; empty where one is computed."""
    match node:
        case nodes.Name():
            return (node.name,)
        case nodes.Getattr():
            before = _chain(node.node)
            return (*before, node.attr) if before else ()
        case nodes.Getitem(arg=nodes.Const(value=str() as key)):
            before = _chain(node.node)
            return (*before, key) if before else ()
        case nodes.Getitem(arg=nodes.Const(value=int())) | nodes.Getitem(arg=nodes.Neg(node=nodes.Const(value=int()))):
            before = _chain(node.node)
            return (*before, ITEM) if before else ()
    return ()
