"""What the YAML or the environment gave the wrong type, put right: `"${PORT}"` for a number, `1.10` for a string."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from runtime.config.interpolate import Interpolation
from runtime.config.scalars import parse_bool, parse_number
from runtime.config.source import Path

_PARSED: dict[str, Callable[[str], Any]] = {
    "int_type": parse_number,
    "float_type": parse_number,
    "bool_type": parse_bool,
}


def plain_repairs(filled: Interpolation, data: Any, error: ValidationError) -> dict[Path, Any]:
    """Find the numbers and booleans that variables hold, where these are all that is wrong: that needs no schema."""
    repairs: dict[Path, Any] = {}
    for problem in error.errors(include_url=False, include_context=False):
        parse = _PARSED.get(problem["type"])
        # Between the steps of a path, pydantic names the kinds of entries that it went through.
        paths = [
            path for path in filled.strings if _leads_to(path, problem["loc"]) and isinstance(_at(data, path), str)
        ]
        if parse is None or len(paths) != 1 or not filled.strings[paths[0]].resolved:
            return {}
        value = parse(_at(data, paths[0]))
        if value is None:
            return {}
        repairs[paths[0]] = value
    return repairs


def _leads_to(path: Path, location: tuple[str | int, ...]) -> bool:
    steps = iter(location)
    return bool(path) and path[-1] == location[-1] and all(step in steps for step in path)


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def repaired(data: Any, repairs: Mapping[Path, Any]) -> Any:
    """Return the data with other values at these paths; what it was made of stays as it was."""
    for path, value in repairs.items():
        data = _replace(data, path, value)
    return data


def _replace(data: Any, path: Path, value: Any) -> Any:
    # Aliases share their values: copy what leads to the one that changes.
    if not path:
        return value
    copy: Any = list(data) if isinstance(data, list) else dict(data)
    copy[path[0]] = _replace(data[path[0]], path[1:], value)
    return copy
