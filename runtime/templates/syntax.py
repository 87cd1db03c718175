"""What the language changes in Jinja2's syntax tree, and the names that a template needs, read from it."""

from __future__ import annotations

from typing import Any

from jinja2 import nodes

from runtime.sdk_internals import names_visitor


def prefer_fields(tree: nodes.Template) -> nodes.Template:
    """Change a parsed template in place: a dot looks for a key first; a call, `text.upper()`, stays a method's."""
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
    """Return every name that a parsed template reads and does not set; its globals are not among them."""
    visitor = names_visitor(tree.environment)
    visitor.visit(tree)
    return frozenset(visitor.undeclared_identifiers)
