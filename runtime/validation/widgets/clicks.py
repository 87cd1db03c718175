"""The actions in a widget's components: what a click sends, where it stands, and whether it is always there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.diagnostics.key_path import KeyPath
from runtime.validation.widgets.places import Spot
from runtime.validation.widgets.views import Part, View

_TRIGGER = re.compile(r"on[A-Z]\w*Action\Z")
_IN_TEXT = re.compile(r'"(?:on[A-Z]\w*Action|action)"\s*:\s*\{\s*"type"\s*:\s*"([^"{}]+)"')
_CLIENT = re.compile(r'"handler"\s*:\s*"client"')


@dataclass(frozen=True, slots=True)
class Trigger:
    """An action as a widget has it: its `type`, where that stands, and the whole of it where it is known.

    `is_always_there` says that no condition decides about it; a loop is none, whoever writes one means to show it.
    """

    view: View
    type: str
    spot: Spot
    part: Part | None = None
    path: KeyPath = ()
    action: Mapping[str, Any] | None = None
    is_always_there: bool = False


def is_open(value: Any) -> bool:
    """Tell whether a value is a text that something is filled into."""
    return isinstance(value, str) and ("{{" in value or "{%" in value or "${" in value)


def find_triggers(view: View) -> Iterator[Trigger]:
    """Yield what the clicks in a widget send to the server, as far as its template shows it."""
    for part in view.triggers:
        for path, action in _actions(part.value, ()):
            if isinstance(action.get("type"), str):
                spot, is_always_there = part.document.value((*path, "type")), "$if" not in _directives(part.value, path)
                yield Trigger(view, action["type"], spot, part, path, action, is_always_there)
    if view.kind == "studio":
        yield from _triggers_in_text(view)


def is_for_server(path: KeyPath, value: Any) -> bool:
    """Tell whether what stands at the path is an action that a click sends to the server."""
    is_click = bool(path) and isinstance(path[-1], str) and _is_action(path[-1], path[:-1])
    return is_click and isinstance(value, Mapping) and value.get("handler", "server") == "server"


def _is_action(key: str, path: Sequence[str | int]) -> bool:
    return bool(_TRIGGER.match(key)) or (key == "action" and path[-1:] in (("confirm",), ("cancel",)))


def _actions(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Yield every action of the server's that stands in a tree of components, with its path."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _actions(item, (*path, index))
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if not _is_action(key, path):
                yield from _actions(value, (*path, key))
            elif is_for_server((*path, key), value):
                yield (*path, key), value


def _directives(tree: Any, path: KeyPath) -> set[str]:
    """Return the directives that a path leads through."""
    found: set[str] = set()
    for step in path:
        if isinstance(tree, Mapping):
            found |= {"$if", "$for"} & tree.keys()
        tree = tree[step]
    return found


def _triggers_in_text(view: View) -> Iterator[Trigger]:
    """Find the actions in a text, or in those parts of it, that are no tree before they are filled in."""
    text = view.inner.value.get("template")
    for found in _IN_TEXT.finditer(text) if isinstance(text, str) else ():
        if view.triggers and not any(start <= found.start() < end for start, end in view.open):
            continue
        if _CLIENT.search(text, found.start(), _closing(text, found.start())):
            continue
        start = found.start(1)
        line, column = text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
        place = view.inner.document.inside(("template",), line, column)
        yield Trigger(view, found[1], (place, len(found[1])))


def _closing(text: str, start: int) -> int:
    depth = 0
    for index in range(text.index("{", start), len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text)
