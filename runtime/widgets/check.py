"""Hold every node of a component tree against the class that the installed ChatKit SDK has for its `type`.

The SDK's own root classes accept anything, so a misspelt property would reach the browser and be ignored there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.config.wording import join_or
from runtime.widgets.components import component_checks, roots
from runtime.widgets.data import Fault, Path, hint, show_path, show_value
from runtime.widgets.tree import is_directive

_BRANCHES = ("$do", "$then", "$else")
_ITEMS_ONLY = {"ListView": "ListViewItem"}


def check_components(tree: Any, *, templated: bool = False) -> list[str]:
    """Return what the SDK's classes don't know or accept in a tree, each with its JSON path; empty when all is well.

    In a `templated` tree, strings with templates and the directives `$for` and `$if` stand for any value.
    """
    return [f"{where}: {message}" if where else message for where, message in _check(tree, (), templated)]


def root_problem(tree: Any) -> str:
    """Say why a tree can't be the root of a widget; empty when it can."""
    if not isinstance(tree, Mapping):
        return f"expected a component, got {show_value(tree)}"
    if "type" not in tree:
        return f"'type' is missing (use {join_or(roots())})"
    if tree["type"] not in roots():
        kind = tree["type"]
        near = hint(kind, roots()) if isinstance(kind, str) else ""
        return f"{show_value(kind)} can't be the root of a widget{near or f' (use {join_or(roots())})'}"
    return ""


def shape_problem(tree: Any) -> str:
    """Say what keeps a tree from being components at all, as every root class of the SDK demands."""
    return next((f"{show_path(path)}: {message}" for path, message in _shape(tree, ())), "the widget is malformed")


def _shape(node: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(node, Mapping):
        yield path, f"expected a component, got {show_value(node)}"
        return
    for key in ("type", "key", "id"):
        if not isinstance(node.get(key), str) and (key == "type" or node.get(key) is not None):
            found = f"expected a string, got {show_value(node[key])}" if key in node else "is missing"
            yield (*path, key), found
    for child, where in _children(node, path):
        yield from _shape(child, where)


def _children(node: Mapping[str, Any], path: Path) -> Iterator[tuple[Any, Path]]:
    children = node.get("children")
    if isinstance(children, list):
        yield from ((child, (*path, "children", index)) for index, child in enumerate(children))
    elif children is not None:
        yield children, (*path, "children")


def _check(tree: Any, path: Path, templated: bool) -> Iterator[tuple[str, str]]:
    if templated and is_directive(tree):
        for branch in _BRANCHES:
            several = tree.get(branch)
            for node, where in _branch(several, (*path, branch)):
                yield from _check(node, where, templated)
        return
    if templated and (tree is None or _is_template(tree)):
        return
    if not path and (problem := root_problem(tree)) and not _is_template(_type_of(tree)):
        yield "", problem
        return
    yield from _check_node(tree, path, templated)


def _branch(several: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    if isinstance(several, list):
        yield from ((node, (*path, index)) for index, node in enumerate(several))
    elif several is not None:
        yield several, path


def _check_node(node: Any, path: Path, templated: bool) -> Iterator[tuple[str, str]]:
    kind = _type_of(node)
    if not isinstance(kind, str):
        said = "'type' is missing" if isinstance(node, Mapping) else f"expected a component, got {show_value(node)}"
        yield show_path(path), said
        return
    if templated and _is_template(kind):
        return
    check = component_checks().get(kind)
    if check is None:
        yield show_path((*path, "type")), f"unknown component {kind!r}{hint(kind, component_checks())}"
    else:
        written = {key: value for key, value in node.items() if value is not None or key == "children"}
        for fault in check.faults(written):
            if not (templated and _is_open(node, fault)):
                yield show_path((*path, *fault.path)), fault.message
    for child, where in _children(node, path):
        yield from _check_child(kind, child, where, templated)


def _check_child(parent: str, child: Any, path: Path, templated: bool) -> Iterator[tuple[str, str]]:
    only = _ITEMS_ONLY.get(parent)
    kind = _type_of(child)
    if only and isinstance(kind, str) and kind != only and not (templated and _is_template(kind)):
        yield show_path(path), f"only a {only} can stand in a {parent}, got {kind!r}"
        return
    yield from _check(child, path, templated)


def _type_of(node: Any) -> Any:
    return node.get("type") if isinstance(node, Mapping) else None


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _is_open(node: Any, fault: Fault) -> bool:
    """Tell whether what stands at a fault, or around it, is only known once the template is filled in."""
    about_key = fault.message.startswith(("unknown", "is missing"))
    for step in fault.path[:-1] if about_key else fault.path:
        node = node[step]
        if _is_template(node) or is_directive(node):
            return True
    return False
