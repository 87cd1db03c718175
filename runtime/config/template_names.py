"""The names that a template needs, found without computing a thing of it.

`jinja2.meta` finds them by compiling, which computes whatever is constant: `{{ 9**(9**9) }}` would never end.
"""

from __future__ import annotations

from typing import Any

from jinja2 import nodes
from jinja2.meta import TrackingCodeGenerator


class _Names(TrackingCodeGenerator):
    """Jinja2's own introspection, with nothing optimized away."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.optimizer = None

    def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> str:
        if isinstance(node, nodes.TemplateData):
            return super()._output_child_to_const(node, frame, finalize)
        raise nodes.Impossible


def find_names(tree: nodes.Template) -> frozenset[str]:
    """Return every name that a parsed template reads and does not set; its globals are not among them."""
    found = _Names(tree.environment)
    found.visit(tree)
    return frozenset(found.undeclared_identifiers)
