"""Component trees that Python made: their texts are final, so no template in them is rendered.

A tree may use what a template's file may use: the `sections` shorthand, and the wrapper `{type: widget, widget: …}`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from runtime.json_schema.data import TreeError, show_value
from runtime.widgets.component_checks import component_faults
from runtime.widgets.forms import TemplateParts, split_template
from runtime.widgets.sections import lay_out_sections
from runtime.widgets.tree import as_json

_MAX_FAULTS = 5


@dataclass(frozen=True, slots=True)
class FinalTree:
    """Components without shorthand, and the text of the copy button if the tree came with one."""

    components: dict[str, Any]
    copy_text: str | None = None


def read_tree(written: Any) -> FinalTree:
    """Return the components of a tree. Raise TreeError that names each wrong node by its path."""
    tree = as_json(written, ())
    if not isinstance(tree, dict):
        raise TreeError((), f"expected a component, got {show_value(tree)}")
    parts = split_template(tree)
    if parts.errors:
        raise parts.errors[0]
    return FinalTree(_components(parts), _copy_text(parts))


def _components(parts: TemplateParts) -> dict[str, Any]:
    if parts.kind == "sections":
        return lay_out_sections(parts.inner, parts.inner_path)
    if parts.kind == "studio":
        hint = "declare its file in 'widgets' and show it by its name"
        raise TreeError(parts.inner_path, "expected components, got a file of ChatKit Studio", hint=hint)
    tree = _without_null_children(parts.inner)
    faults = [
        str(replace(fault, path=(*parts.inner_path, *fault.path)))
        for fault in component_faults(tree)
        if fault.kind != "missing" or fault.path[-1:] != ("children",)  # an empty card is shown as one
    ]
    if faults:
        more = f"; and {len(faults) - _MAX_FAULTS} more" if len(faults) > _MAX_FAULTS else ""
        raise TreeError((), "; ".join(faults[:_MAX_FAULTS]) + more)
    return tree


def _without_null_children(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node without `children: null`, which a dump of the SDK's classes has for every leaf."""
    children = node.get("children")
    if isinstance(children, list):
        nodes = [_without_null_children(child) if isinstance(child, dict) else child for child in children]
        return {**node, "children": nodes}
    return {key: value for key, value in node.items() if key != "children" or value is not None}


def _copy_text(parts: TemplateParts) -> str | None:
    inside = parts.inner.get("copy_text") if parts.kind == "sections" else None
    text = parts.extras.get("copy_text", inside)
    if text is not None and not isinstance(text, str):
        raise TreeError(("copy_text",), f"expected a string, got {show_value(text)}")
    return text
