"""What can be told of a template in a script, or in instructions, without rendering it."""

from __future__ import annotations

import re

from runtime.templates.template import Template, TemplateError, always_read

# Without an operator, a filter or a condition: whatever such a text says needs the name.
_ALONE = re.compile(r"\{\{-?\s*(?P<name>[A-Za-z_]\w*)(?:\.\w+|\[\w+\])*\s*-?\}\}")


def needed_names(text: str) -> set[str]:
    """Return names that every rendering of a text needs; there may be more of them."""
    return set() if "{%" in text or "{#" in text else {found["name"] for found in _ALONE.finditer(text)}


def needed_fields(text: str, name: str) -> set[str]:
    """Return the fields of the dict `name` that every rendering of a text needs."""
    if is_constant(text):
        return set()
    # A dict without the key still has the methods of a dict.
    return {field for owner, field in always_read(text) if owner == name and not hasattr(dict, field)}


def is_constant(text: str) -> bool:
    """Say whether a text has nothing to fill in."""
    try:
        return Template.parse(text).is_constant
    except TemplateError:
        return False


def says_only_words(text: str) -> bool:
    """Say whether all that a template can come to is written in it: it fills in nothing, and may choose."""
    if is_constant(text):
        return True
    from jinja2 import Environment, TemplateError, nodes

    def is_word(node: nodes.Node) -> bool:
        match node:
            case nodes.CondExpr(expr1=nodes.Expr() as first, expr2=nodes.Expr() as second):
                return is_word(first) and is_word(second)
            case nodes.TemplateData() | nodes.Const(value=str()):
                return True
        return False

    try:
        # Parsed only: nothing is rendered, nor compiled.
        tree = Environment(autoescape=False).parse(text)
    except (TemplateError, RecursionError, ValueError):
        return False
    return all(is_word(part) for output in tree.find_all(nodes.Output) for part in output.nodes)
