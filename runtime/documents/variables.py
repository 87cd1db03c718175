"""`${NAME}` in the strings of a file: one pass, after parsing, over values and never over keys.

The environment is a parameter. No message of this module or about a value's shape repeats what a variable holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.diagnostics.diagnostic import Diagnostic, Severity
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.documents.document import Source

VARIABLE_NAME = "[A-Za-z_][A-Za-z0-9_]*"
"""The pattern of a variable's name."""
VARIABLE = re.compile(rf"\$\{{(?P<name>{VARIABLE_NAME})(?::-(?P<default>[^}}]*))?\}}")
"""A variable, `${NAME}` or `${NAME:-default}`."""
_START = re.compile(r"\$\$\{|\$\{(?=[A-Za-z_])")
_RAW = "raw"


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A string that had variables in it: their `names`, and whether all of them were set."""

    names: tuple[str, ...]
    resolved: bool


@dataclass(frozen=True, slots=True)
class Interpolation:
    """A source with its variables filled in, and what was filled in where."""

    source: Source
    strings: Mapping[KeyPath, Interpolated] = field(default_factory=dict)
    raw: frozenset[KeyPath] = frozenset()
    diagnostics: tuple[Diagnostic, ...] = ()

    def is_unresolved(self, path: KeyPath) -> bool:
        """Tell whether the string at `path` still waits for a variable that isn't set."""
        found = self.strings.get(path)
        return found is not None and not found.resolved


def interpolate(source: Source, environ: Mapping[str, str], unset: Severity = "warning") -> Interpolation:
    """Fill in the variables of every string; `unset` is how bad one without value and default is.

    A mapping with `raw: true` keeps its strings as they are. A string with an unset variable stays as it is written.
    """
    walk = _Walk(source, environ, unset)
    data = walk.value(source.data, ())
    return Interpolation(replace(source, data=data), walk.strings, frozenset(walk.raw), tuple(walk.diagnostics))


class _Walk:
    def __init__(self, source: Source, environ: Mapping[str, str], unset: Severity) -> None:
        self.source = source
        self.environ = environ
        self.unset: Severity = unset
        self.strings: dict[KeyPath, Interpolated] = {}
        self.raw: set[KeyPath] = set()
        self.diagnostics: list[Diagnostic] = []

    def value(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, str):
            return self._string(value, path) if "${" in value else value
        if isinstance(value, dict):
            if value.get(_RAW) is True and _may_be_raw(path):
                self.raw.add(path)
                return value
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        return value

    def _string(self, text: str, path: KeyPath) -> str:
        parts: list[str] = []
        names: list[str] = []
        missing: list[str] = []
        position = 0
        while found := _START.search(text, position):
            parts.append(text[position : found.start()])
            if found.group() == "$${":
                parts.append("${")
                position = found.end()
                continue
            variable = VARIABLE.match(text, found.start())
            if variable is None:
                self._malformed(text[found.start() :], path)
                return text
            position = variable.end()
            names.append(variable["name"])
            value: str | None = self.environ.get(variable["name"], variable["default"])
            if value is None:
                missing.append(variable["name"])
            parts.append(value or "")
        if names:
            self.strings[path] = Interpolated(tuple(names), resolved=not missing)
        # A profile that is not in use may wait for variables that nobody has set.
        for name in dict.fromkeys(missing if path[:1] != ("profiles",) else ()):
            self._report(
                "A501", f"the variable {name!r} is not set", f"set it, or write ${{{name}:-default}}", path, self.unset
            )
        return text if missing else "".join(parts) + text[position:]

    def _malformed(self, text: str, path: KeyPath) -> None:
        shown = text if len(text) <= 20 else text[:20] + "…"
        hint = "write ${NAME} or ${NAME:-default}; $${ is a literal ${"
        self._report("A020", f"{shown!r} is not a variable", hint, path, "error")
        self.strings[path] = Interpolated((), resolved=False)

    def _report(self, code: str, message: str, hint: str, path: KeyPath, severity: Severity) -> None:
        places = self.source.places
        self.diagnostics.append(
            Diagnostic(code, message, places.value(path), severity, hint, path_text(path), places.length(path))
        )


def _may_be_raw(path: KeyPath) -> bool:
    # `raw` of an entry or of its instructions; elsewhere it is a word of the user's own data.
    return len(path) == 2 or (len(path) == 3 and path[2] == "instructions")
