"""The path of a value in a document, as keys and indexes, its two text forms, and the values at paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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


def iter_values(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield a JSON value and every value inside it, each with its path; an object or list comes before its items."""
    yield path, value
    if isinstance(value, Mapping | list):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from iter_values(item, (*path, key))
