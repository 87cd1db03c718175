"""The path of a value in a document, as keys and indexes, and its two text forms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""The keys and indexes that lead from the root of a document to a value; `()` is the root."""


def path_text(path: KeyPath) -> str:
    """Write a path in a config: `agents.concierge.tools[0]`, with quotes around a key that contains dots."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif "." in step or "[" in step or not step:
            text += f'."{step}"'
        else:
            text += f".{step}"
    return text.removeprefix(".")


def value_at(data: Any, path: KeyPath) -> Any:
    """Return the value at `path`, which must exist."""
    for step in path:
        data = data[step]
    return data


def show_path(path: Iterable[str | int], start: str = "") -> str:
    """Write a path in a JSON value, below `start`: `data.children[2].rows`."""
    text = start
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
