"""Component trees that the project's Python writes as dicts: `stream_widget({…})`, and what renderers return.

A value that is no literal matches any schema, so a fault is certain, and has the place of its key or value.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.static_analysis.bindings import Function
from runtime.static_analysis.module import Module
from runtime.static_analysis.receivers import AttributeRead
from runtime.validation.python.import_paths import ImportPath, PythonDiagnostics

TREE_METHODS = {"stream_widget": 0, "update_widget": 1, "render": 0}
"""The methods of the context that take a tree, each with the position of the argument `widget`."""
# A template matches any schema, as does what is not known.
_UNKNOWN = "{{ unknown }}"
_MORE_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def check_tree_argument(
    diagnostics: PythonDiagnostics, module: Module, path: ImportPath, function: Function, read: AttributeRead
) -> None:
    """Report the certain faults of a tree that a call of the context's method passes (A410, A412 to A415)."""
    position = TREE_METHODS.get(read.name)
    if position is None or read.call is None:
        return
    arguments = [each.value for each in read.call.keywords if each.arg == "widget"]
    if len(read.call.args) > position and not any(isinstance(each, ast.Starred) for each in read.call.args):
        arguments = [read.call.args[position]]
    for argument in arguments:
        _check(diagnostics, module, path, _value_of(function, argument))


def check_returned_trees(diagnostics: PythonDiagnostics, module: Module, path: ImportPath, function: Function) -> None:
    """Warn of the certain faults of the trees that a renderer returns; the rest of the turn works."""
    for node in _own_nodes(function):
        if isinstance(node, ast.Return) and node.value is not None:
            _check(diagnostics, module, path, _value_of(function, node.value), "warning")


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, _MORE_SCOPES):
            waiting[:0] = ast.iter_child_nodes(node)


def _value_of(function: Function, node: ast.expr) -> ast.expr:
    """Return a dict instead of the variable that is bound to it once and read nowhere else."""
    if not isinstance(node, ast.Name):
        return node
    uses = [each for each in ast.walk(function) if isinstance(each, ast.Name) and each.id == node.id]
    for each in _own_nodes(function):
        match each:
            case ast.Assign(targets=[ast.Name() as target], value=ast.Dict() as value) if target in uses:
                return value if len(uses) == 2 else node
    return node


def _check(
    diagnostics: PythonDiagnostics, module: Module, path: ImportPath, node: ast.expr, severity: Severity = "error"
) -> None:
    if not isinstance(node, ast.Dict):
        return
    # Few projects write trees in Python: the others do not import the schemas of the components.
    from runtime.validation.widgets.page_components import find_undeclared
    from runtime.validation.widgets.templates import COMPONENT_CODES, describe_component
    from runtime.widgets.component_checks import component_faults, page_components
    from runtime.widgets.forms import split_template
    from runtime.widgets.sections import sections_faults, with_pairs

    tree = _LiteralTree()
    written = tree.read(node, ())
    if not isinstance(written, dict):
        return
    parts = split_template(written)
    for error in parts.errors:
        if not tree.is_open(error.path):
            diagnostics.at_node(path, "A410", module, tree.node(error.path), error.message, error.hint, severity)
    if parts.errors or parts.kind == "studio":
        return
    if parts.kind == "sections":
        for fault in sections_faults(with_pairs(parts.inner)):
            where, is_key = (*parts.inner_path, *fault.path), fault.kind == "unknown"
            if not tree.is_open(where[:-1] if is_key else where):
                message = f"{fault.kind} key {fault.path[-1]!r}" if fault.kind != "value" else fault.message
                place = tree.node(where, at_key=is_key)
                diagnostics.at_node(path, "A410", module, place, message, fault.hint, severity)
        return
    for wrong in component_faults(parts.inner, templated=True):
        where, is_key = (*parts.inner_path, *wrong.path), wrong.kind == "property"
        # The runtime shows a card without children as an empty one.
        is_empty = wrong.kind == "missing" and wrong.path[-1:] == ("children",)
        if not is_empty and not tree.is_open(where[:-1] if is_key else where):
            place = tree.node(where, at_key=is_key)
            described = describe_component(diagnostics.project, wrong)
            diagnostics.at_node(path, COMPONENT_CODES[wrong.kind], module, place, *described, severity)
    for at, kind in page_components(parts.inner):
        if (missing := find_undeclared(diagnostics.project, kind)) is not None:
            place = tree.node((*parts.inner_path, *at))
            diagnostics.at_node(path, "A412", module, place, missing.message, missing.hint, missing.severity)


@dataclass(slots=True)
class _LiteralTree:
    """A dict of the source as data, with the nodes of its `keys` and `values` by their paths."""

    keys: dict[KeyPath, ast.expr] = field(default_factory=dict)
    values: dict[KeyPath, ast.expr] = field(default_factory=dict)
    unknown: set[KeyPath] = field(default_factory=set)

    def read(self, node: ast.expr, path: KeyPath) -> Any:
        """Return the data of a node; what is not written literally is a template."""
        self.values[path] = node
        match node:
            case ast.Dict(keys=keys, values=values) if all(_text(key) is not None for key in keys):
                names = [_text(key) or "" for key in keys]
                self.keys |= {(*path, name): key for name, key in zip(names, keys, strict=True) if key is not None}
                return {name: self.read(value, (*path, name)) for name, value in zip(names, values, strict=True)}
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.read(item, (*path, index)) for index, item in enumerate(items)]
            case ast.Constant(value=None | str() | int() | float() as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
        self.unknown.add(path)
        return _UNKNOWN

    def is_open(self, path: KeyPath) -> bool:
        """Return whether the value at a path, or one around it, is not known."""
        return any(path[:length] in self.unknown for length in range(len(path) + 1))

    def node(self, path: KeyPath, *, at_key: bool = False) -> ast.expr:
        """Return the node at a path, or the nearest one around it."""
        if at_key and path in self.keys:
            return self.keys[path]
        return next(self.values[path[:length]] for length in range(len(path), -1, -1) if path[:length] in self.values)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
