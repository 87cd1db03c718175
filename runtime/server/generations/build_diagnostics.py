"""What could not be built, as diagnostics: in agents.yaml where it is declared, or at the line of the project's Python.

A broken module is one mistake, however many paths of agents.yaml lead to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runtime.assemble.problems import Problem
from runtime.config.secrets.mask import mask_diagnostics
from runtime.diagnostics.diagnostic import Diagnostic, Place, sort_diagnostics
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.server.generations.project_source import Reading

# Mistakes of an import path, rather than of the entry that has it.
_OF_THE_PATH = {"A320", "A321", "A324"}
_PATH_KEYS = ("python", "factory")


def diagnostics_of(problems: Iterable[Problem], reading: Reading) -> list[Diagnostic]:
    """Return one diagnostic for each mistake, sorted by place."""
    found: list[Diagnostic] = []
    in_code: dict[tuple[str, Place], list[Problem]] = {}
    for problem in problems:
        if problem.place is None:
            found.append(_in_config(problem, reading))
        else:
            in_code.setdefault((problem.code, problem.place), []).append(problem)
    found += [_in_code(place, same, reading) for (_, place), same in in_code.items()]
    return sort_diagnostics(mask_diagnostics(found, reading.loaded.secrets))


def _in_config(problem: Problem, reading: Reading) -> Diagnostic:
    places, path = reading.loaded.places, problem.path
    if problem.code in _OF_THE_PATH:
        path = _to_import_path(path, reading)
    place, length = places.value(path), places.length(path)
    return Diagnostic(problem.code, problem.message, place, hint=problem.hint, path=path_text(path), length=length)


def _in_code(place: Place, same: Sequence[Problem], reading: Reading) -> Diagnostic:
    first, others = same[0], len(same) - 1
    needed_by = str(reading.loaded.places.value(first.path))
    if others:
        hint = f"{needed_by} and {others} other place{'s' if others > 1 else ''} need it"
    else:
        hint = f"{needed_by} needs it"
    hint = f"{first.hint}; {hint}" if first.hint else hint
    return Diagnostic(first.code, first.message, place, hint=hint, path=path_text(first.path), length=first.length)


def _to_import_path(path: KeyPath, reading: Reading) -> KeyPath:
    """Go on from an entry to the value in it that names Python."""
    filled = reading.loaded.filled
    value: Any = filled.source.data if filled is not None else None
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return path
    if isinstance(value, Mapping):
        return next(((*path, key) for key in _PATH_KEYS if key in value), path)
    return path
