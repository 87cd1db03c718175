"""Interpolation of `${NAME}` in the values of a parsed file; messages never contain the value of a variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.diagnostics.diagnostic import Diagnostic, Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.documents.document import Source

VARIABLE_NAME = "[A-Za-z_][A-Za-z0-9_]*"
"""The pattern of a variable's name."""
VARIABLE = re.compile(rf"\$\{{(?P<name>{VARIABLE_NAME})(?::-(?P<default>[^}}]*))?\}}")
"""A variable, `${NAME}` or `${NAME:-default}`."""
_START = re.compile(r"\$\$\{|\$\{(?=[A-Za-z_])")
# `${env:NAME}` of editors and frameworks; `${NAME:default}`, `${NAME-default}` and `${NAME:?message}` of others.
_FOREIGN = re.compile(
    rf"\$\{{(?:(?:env|ENV|secrets|vars|var|environment)[:.](?P<prefixed>{VARIABLE_NAME})|(?P<name>{VARIABLE_NAME})[:?+=|-])"
)
_RAW = "raw"


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A string with variables: their `names`, and whether all of them were set."""

    names: tuple[str, ...]
    resolved: bool


@dataclass(frozen=True, slots=True)
class Interpolation:
    """A source with its variables interpolated, and the strings that had variables."""

    source: Source
    strings: Mapping[KeyPath, Interpolated] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()

    def is_unresolved(self, path: KeyPath) -> bool:
        """Return whether the string at `path` has a variable that is not set."""
        string = self.strings.get(path)
        return string is not None and not string.resolved

    def renamed(self, path: KeyPath, name: str | None) -> Interpolation:
        """Return this with another name for the key at `path`, whose place stays the same.

        Without a name, the entries of the mapping at `path` take its place.
        """
        steps = () if name is None else (name,)
        strings = {
            (*path[:-1], *steps, *key[len(path) :]) if key[: len(path)] == path else key: value
            for key, value in self.strings.items()
        }
        data, places = rename_key(self.source.data, path, name), self.source.places.renamed(path, name)
        return replace(self, source=replace(self.source, data=data, places=places), strings=strings)


def rename_key(data: Any, path: KeyPath, name: str | None) -> Any:
    """Return data with another name for the key at `path`, as `renamed` does; `data` is not changed."""
    first, *rest = path
    if not rest and name is None:
        return {**{key: item for key, item in data.items() if key != first}, **data[first]}
    if not rest:
        return {name if key == first else key: item for key, item in data.items()}
    renamed = rename_key(data[first], tuple(rest), name)
    if isinstance(data, list):
        return [renamed if index == first else item for index, item in enumerate(data)]
    return {key: renamed if key == first else item for key, item in data.items()}


def interpolate(source: Source, environ: Mapping[str, str], unset: Severity = "warning") -> Interpolation:
    """Interpolate every string; `unset` is the severity of a variable without value and default.

    Strings of a mapping with `raw: true`, and strings with an unset variable, are not changed.
    """
    walk = _Walk(source, environ, unset)
    data = walk.value(source.data, ())
    return Interpolation(replace(source, data=data), walk.strings, tuple(walk.diagnostics))


class _Walk:
    def __init__(self, source: Source, environ: Mapping[str, str], unset: Severity) -> None:
        self.source = source
        self.environ = environ
        self.unset: Severity = unset
        self.strings: dict[KeyPath, Interpolated] = {}
        self.diagnostics: list[Diagnostic] = []

    def value(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, str):
            return self._string(value, path) if "${" in value else value
        if isinstance(value, dict):
            if value.get(_RAW) is True and _may_be_raw(path):
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
        while start := _START.search(text, position):
            parts.append(text[position : start.start()])
            if start.group() == "$${":
                parts.append("${")
                position = start.end()
                continue
            variable = VARIABLE.match(text, start.start())
            if variable is None:
                self._malformed(text[start.start() :], path)
                return text
            position = variable.end()
            names.append(variable["name"])
            value: str | None = self.environ.get(variable["name"], variable["default"])
            if value is None:
                missing.append(variable["name"])
            parts.append(value or "")
        if names:
            self.strings[path] = Interpolated(tuple(names), resolved=not missing)
        # The variables of a profile that is not in use need not be set.
        for name in dict.fromkeys(missing if path[:1] != ("profiles",) else ()):
            message, hint = f"the variable {name!r} is not set", f"set it, or write ${{{name}:-default}}"
            self.diagnostics.append(self.source.places.diagnostic("A501", path, message, hint, self.unset))
        return text if missing else "".join(parts) + text[position:]

    def _malformed(self, text: str, path: KeyPath) -> None:
        shown = text if len(text) <= 20 else text[:20] + "…"
        foreign = _FOREIGN.match(text)
        hint = "write ${NAME} or ${NAME:-default}; $${ is a literal ${"
        if foreign is not None:
            name = foreign["name"] or foreign["prefixed"]
            hint = f"write ${{{name}}}" if foreign["prefixed"] else f"write ${{{name}:-default}}, or ${{{name}}}"
        self.diagnostics.append(self.source.places.diagnostic("A020", path, f"{shown!r} is not a variable", hint))
        self.strings[path] = Interpolated((), resolved=False)


def _may_be_raw(path: KeyPath) -> bool:
    # `raw` of an entry or of its instructions; elsewhere it is a key of the user's own data.
    return len(path) == 2 or (len(path) == 3 and path[2] == "instructions")
