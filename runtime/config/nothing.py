"""A key with nothing behind it: what was meant to follow is a comment to YAML, or was never written.

Where the value may be left out, the rest of the checks see no difference between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from runtime.config.findings import Findings
from runtime.config.model import Config
from runtime.config.source import Path

_COMMENT = "put a text that begins with '#' in quotes"


def check_nothing(config: Config, data: Any, found: Findings) -> None:
    """Warn of each key of the language that has no value in `data`, not even a `null`."""
    places = found.filled.source.places
    for path in _nothings(data, ()):
        if places.text(path) == "" and _is_field(config, path):
            place = places.value(path)
            lines = places.lines.get(place.file, ())
            line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
            comment = line[place.column - 1 :].lstrip().startswith("#")
            hint = _COMMENT if comment else "leave the key out where there is nothing"
            message = f"nothing stands behind '{path[-1]}:'"
            found.report("A108", path, message, hint, severity="warning", at_key=True)


def _nothings(value: Any, path: Path) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in items:
        if part is None:
            yield (*path, step)
        elif isinstance(part, (dict, list)):
            yield from _nothings(part, (*path, step))


def _is_field(config: Config, path: Path) -> bool:
    """Tell whether a path leads to a key of the language, and not into data of the user's own."""
    value: Any = config
    for step in path[:-1]:
        if isinstance(value, BaseModel):
            value = getattr(value, str(step), None)
        elif isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return isinstance(value, BaseModel) and path[-1] in type(value).model_fields
