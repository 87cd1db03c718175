"""Check every node of a component tree against the schema that the ChatKit SDK has for its `type`.

The SDK's own root classes accept any properties, so a misspelt one would reach the browser, which ignores it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runtime.diagnostics.key_path import KeyPath, show_path
from runtime.diagnostics.wording import join_or, nearest
from runtime.json_schema.data import DataCheck, Fault, show_value
from runtime.widgets.components import is_page_component, load_components, roots
from runtime.widgets.tree import is_directive


@functools.cache
def component_checks() -> dict[str, DataCheck]:
    """Return a check for each component by its `type`; none of them looks into `children`."""
    known = load_components()
    return {
        kind: DataCheck({**schema, "$defs": known["definitions"]}, trusted=True)
        for kind, schema in known["components"].items()
    }


_BRANCHES = ("$do", "$then", "$else")
_ITEMS_ONLY = {"ListView": "ListViewItem"}


@dataclass(frozen=True, slots=True)
class ComponentFault:
    """A fault of one component, whose type is `component`: `path` is that of the wrong key or value in the tree.

    `kind` is an unknown component or property, a wrong value or a missing key; `part` is the path in the component.
    """

    path: KeyPath
    message: str
    kind: Literal["component", "property", "value", "missing"]
    component: str = ""
    meant: str | None = None
    part: KeyPath = ()

    def __str__(self) -> str:
        message = f"{self.message} (did you mean {self.meant!r}?)" if self.meant else self.message
        # The path of a widget as a whole says nothing.
        is_root = not self.path or self.path == ("type",)
        return message if is_root else f"{show_path(self.path)}: {message}"


def check_components(tree: Any, *, templated: bool = False) -> list[str]:
    """Return the faults of a tree as texts, each with its path; see `component_faults`."""
    return [str(fault) for fault in component_faults(tree, templated=templated)]


def component_faults(tree: Any, *, templated: bool = False) -> Iterator[ComponentFault]:
    """Yield the faults of a tree; in a `templated` one, templates, `$for` and `$if` match any schema."""
    return _check(tree, (), templated)


def page_components(tree: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield the path of the `type` of each component of the page's own below a root, templated or not, and the type."""
    if not isinstance(tree, Mapping):
        return
    kind = tree.get("type")
    if path and isinstance(kind, str) and not is_template(kind) and is_page_component(kind):
        yield (*path, "type"), kind
    for key in ("children", *_BRANCHES):
        for node, where in _items(tree, key, path):
            yield from page_components(node, where)


def root_problem(tree: Any) -> str:
    """Return why a tree can't be the root of a widget; empty if it can."""
    fault = _root_fault(tree)
    return str(fault) if fault is not None else ""


def _root_fault(tree: Any) -> ComponentFault | None:
    if not isinstance(tree, Mapping):
        return ComponentFault((), f"expected a component, got {show_value(tree)}", "value")
    known = f" (use {join_or(roots())})"
    if "type" not in tree:
        return ComponentFault((), f"'type' is missing{known}", "missing")
    kind = tree["type"]
    if kind in roots():
        return None
    meant = nearest(kind, roots()) if isinstance(kind, str) else None
    message = f"{show_value(kind)} can't be the root of a widget{'' if meant else known}"
    is_known = not isinstance(kind, str) or kind in component_checks()
    return ComponentFault(("type",), message, "value" if is_known else "component", meant=meant)


def shape_problem(tree: Any) -> str:
    """Return why the SDK's root classes do not accept the nodes of a tree; empty if they do."""
    return next((f"{show_path(path)}: {message}" for path, message in _shape(tree, ())), "")


def certain_faults(tree: Any) -> Iterator[ComponentFault]:
    """Yield the faults of a templated tree that no data can repair: no rendering of it is a widget."""
    if not is_template(tree) and not is_template(_type_of(tree)) and (root_fault := _root_fault(tree)):
        yield root_fault
    for path, message in _shape(tree, (), templated=True):
        if path == ("type",) or not path:
            continue  # reported as the fault of the root
        if path[-1] == "type" and message == "is missing":
            yield ComponentFault(path[:-1], "'type' is missing", "missing")
        else:
            yield ComponentFault(path, message, "value", part=path[-1:] if isinstance(path[-1], str) else ())


def _shape(node: Any, path: KeyPath, *, templated: bool = False) -> Iterator[tuple[KeyPath, str]]:
    if templated and is_template(node):
        return
    if not isinstance(node, Mapping):
        yield path, f"expected a component, got {show_value(node)}"
        return
    for key in ("type", "key", "id"):
        if not isinstance(node.get(key), str) and (key == "type" or node.get(key) is not None):
            message = f"expected a string, got {show_value(node[key])}" if key in node else "is missing"
            yield (*path, key), message
    for child, where in _items(node, "children", path):
        yield from _shape(child, where, templated=templated)


def _check(tree: Any, path: KeyPath, templated: bool) -> Iterator[ComponentFault]:
    if templated and is_directive(tree):
        for branch in _BRANCHES:
            for node, where in _items(tree, branch, path):
                yield from _check(node, where, templated)
        return
    if templated and (tree is None or is_template(tree)):
        return
    if not path and (root_fault := _root_fault(tree)) and not is_template(_type_of(tree)):
        yield root_fault
        return
    yield from _check_node(tree, path, templated)


def _items(node: Mapping[str, Any], key: str, path: KeyPath) -> Iterator[tuple[Any, KeyPath]]:
    """Yield the nodes at a key, which has one or a list of them, each with its path."""
    nodes = node.get(key)
    if isinstance(nodes, list):
        yield from ((item, (*path, key, index)) for index, item in enumerate(nodes))
    elif nodes is not None:
        yield nodes, (*path, key)


def _check_node(node: Any, path: KeyPath, templated: bool) -> Iterator[ComponentFault]:
    kind = _type_of(node)
    if not isinstance(kind, str):
        if isinstance(node, Mapping):
            yield ComponentFault(path, "'type' is missing", "missing")
        else:
            yield ComponentFault(path, f"expected a component, got {show_value(node)}", "value")
        return
    if templated and is_template(kind):
        return
    check = component_checks().get(kind)
    if check is None and is_page_component(kind):
        pass  # the page alone knows its properties
    elif check is None:
        meant = nearest(kind, component_checks())
        yield ComponentFault((*path, "type"), f"unknown component {kind!r}", "component", kind, meant)
    else:
        written = {key: value for key, value in node.items() if value is not None or key == "children"}
        for fault in check.faults(written):
            if not (templated and is_open(node, fault)):
                what: Any = {"unknown": "property"}.get(fault.kind, fault.kind)
                yield ComponentFault((*path, *fault.path), fault.message, what, kind, fault.meant, fault.path)
    for child, where in _items(node, "children", path):
        yield from _check_child(kind, child, where, templated)


def _check_child(parent: str, child: Any, path: KeyPath, templated: bool) -> Iterator[ComponentFault]:
    only = _ITEMS_ONLY.get(parent)
    kind = _type_of(child)
    if only and isinstance(kind, str) and kind != only and not (templated and is_template(kind)):
        message = f"the children of a {parent} must be {only} components, got {kind!r}"
        yield ComponentFault(path, message, "value", parent)
        return
    yield from _check(child, path, templated)


def _type_of(node: Any) -> Any:
    return node.get("type") if isinstance(node, Mapping) else None


def is_template(value: Any) -> bool:
    """Return whether a value is a string with a template in it."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def is_open(node: Any, fault: Fault) -> bool:
    """Return whether the value of a fault, or one around it, is known only when the template is rendered."""
    for step in fault.path if fault.kind == "value" else fault.path[:-1]:
        node = node[step]
        if is_template(node) or is_directive(node):
            return True
    return False
