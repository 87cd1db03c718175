"""The actions in a widget's components: what a click sends, where it is written, and whether it is conditional."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.key_path import KeyPath, iter_values
from runtime.documents.json_text import line_and_column
from runtime.validation.widgets.checked_widget import CheckedWidget, Part, SourceRange

_TRIGGER = re.compile(r"on[A-Z]\w*Action\Z")
_IN_TEXT = re.compile(r'"(?:on[A-Z]\w*Action|action)"\s*:\s*\{\s*"type"\s*:\s*"([^"{}]+)"')
_CLIENT = re.compile(r'"handler"\s*:\s*"client"')


@dataclass(frozen=True, slots=True)
class Trigger:
    """An action in a widget: its `type`, where that is written, and the whole `action` if it is known.

    `is_unconditional`: it is under no `$if`. A loop is not a condition, since its author expects items.
    """

    widget: CheckedWidget
    type: str
    source_range: SourceRange
    part: Part | None = None
    path: KeyPath = ()
    action: Mapping[str, Any] | None = None
    is_unconditional: bool = False


def is_open(value: Any) -> bool:
    """Return whether a value is a text with a template or a variable."""
    return isinstance(value, str) and ("{{" in value or "{%" in value or "${" in value)


def find_triggers(widget: CheckedWidget) -> Iterator[Trigger]:
    """Yield the actions that clicks in a widget send to the server, if its template contains them."""
    for part in widget.trees:
        for path, action in iter_values(part.value):
            # The payload of an action is data, with any keys.
            is_action = is_for_server(path, action) and "payload" not in path
            if is_action and isinstance(action.get("type"), str):
                source_range = part.document.value((*path, "type"))
                is_unconditional = "$if" not in _directives(part.value, path)
                yield Trigger(widget, action["type"], source_range, part, path, action, is_unconditional)
    if widget.kind == "studio":
        yield from _triggers_in_text(widget)


def is_for_server(path: KeyPath, value: Any) -> bool:
    """Return whether the value at the path is an action that a click sends to the server."""
    key = str(path[-1]) if path else ""
    is_click = bool(_TRIGGER.match(key)) or path[-2:] in (("confirm", "action"), ("cancel", "action"))
    return is_click and isinstance(value, Mapping) and value.get("handler", "server") == "server"


def _directives(tree: Any, path: KeyPath) -> set[str]:
    directives: set[str] = set()
    for step in path:
        if isinstance(tree, Mapping):
            directives |= {"$if", "$for"} & tree.keys()
        tree = tree[step]
    return directives


def _triggers_in_text(widget: CheckedWidget) -> Iterator[Trigger]:
    """Find the actions in a text, or in the parts of it, that is no tree until it is rendered."""
    text = widget.inner.value.get("template")
    for match in _IN_TEXT.finditer(text) if isinstance(text, str) else ():
        if widget.trees and not any(start <= match.start() < end for start, end in widget.open_ranges):
            continue
        if _CLIENT.search(text, match.start(), _closing(text, match.start())):
            continue
        place = widget.inner.document.inside(("template",), *line_and_column(text, match.start(1)))
        yield Trigger(widget, match[1], (place, len(match[1])))


def _closing(text: str, start: int) -> int:
    depth = 0
    for index in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text)
