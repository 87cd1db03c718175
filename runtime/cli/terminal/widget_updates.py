"""Keep a streaming widget's tree up to date: the events say what changed, the last tree is what gets drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Node = dict[str, Any]


def apply_update(root: Node, update: dict[str, Any]) -> Node:
    """The tree after one `widget.…` update; an update of an unknown component or kind changes nothing."""
    kind = update.get("type")
    if kind == "widget.root.updated" and isinstance(update.get("widget"), dict):
        return dict(update["widget"])
    if kind == "widget.component.updated" and isinstance(update.get("component"), dict):
        component = dict(update["component"])
        return _change(root, update.get("component_id"), lambda node: component)
    if kind == "widget.streaming_text.value_delta":
        delta = str(update.get("delta", ""))
        return _change(
            root, update.get("component_id"), lambda node: {**node, "value": f"{node.get('value', '')}{delta}"}
        )
    return root


def _change(node: Node, component_id: Any, change: Callable[[Node], Node]) -> Node:
    if component_id is not None and node.get("id") == component_id:
        return change(node)
    children = node.get("children")
    if isinstance(children, dict):
        return {**node, "children": _change(children, component_id, change)}
    if not isinstance(children, list):
        return node
    changed = [_change(child, component_id, change) if isinstance(child, dict) else child for child in children]
    return {**node, "children": changed}
