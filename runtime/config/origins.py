"""Where each value of a resolved config comes from: a line of a file, a profile, variables, or a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.config.load import LoadedProject
from runtime.config.secrets.mask import redact
from runtime.diagnostics.diagnostic import Place
from runtime.diagnostics.key_path import KeyPath, path_text

_APART = ("include", "profiles")


@dataclass(frozen=True, slots=True)
class Origin:
    """One value, its secrets hidden; without a `place` it is the default of the language.

    `variables` are the names of the environment variables in it.
    """

    path: str
    value: Any
    place: Place | None = None
    profile: str | None = None
    variables: tuple[str, ...] = ()


def resolved(loaded: LoadedProject) -> dict[str, Any]:
    """Return the config as plain data, defaults filled in and secrets hidden. Raise ValueError where it has errors."""
    if loaded.config is None:
        raise ValueError("a config with errors can't be resolved")
    data = redact(loaded.config, loaded.secrets)
    return {key: value for key, value in data.items() if key not in _APART}


def find_origins(loaded: LoadedProject) -> Iterator[Origin]:
    """Yield every value of the config with where it comes from, in the order of `resolved`; empty defaults are none."""
    for path, value in _leaves(resolved(loaded), ()):
        at = _written_at(loaded, path, value)
        if at is not None:
            yield _origin(loaded, path, at, value)
        elif value not in ({}, []):
            yield Origin(path_text(path), value)


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not items:
        yield path, value
    for step, part in items:
        yield from _leaves(part, (*path, step))


def _written_at(loaded: LoadedProject, path: KeyPath, value: Any) -> KeyPath | None:
    """Return the path at which a value is written: its own, that of its short form, or that of `defaults`."""
    places = loaded.places
    written = places.written(path)
    if written == path:
        return path
    short = _value_at(loaded, written)
    if len(written) == len(path) - 1 and not isinstance(short, (dict, list)) and (value == short or value == "***"):
        return written
    if path[0] == "agents" and len(path) > 2:
        default = ("defaults", *path[2:])
        return default if places.written(default) == default else None
    return None


def _origin(loaded: LoadedProject, path: KeyPath, at: KeyPath, value: Any) -> Origin:
    over = ("profiles", loaded.profile, *at) if loaded.profile else ()
    profile = loaded.profile if over and loaded.places.written(over) == over else None
    found = loaded.filled.strings.get(at) if loaded.filled is not None else None
    return Origin(path_text(path), value, loaded.places.value(at), profile, found.names if found else ())


def _value_at(loaded: LoadedProject, path: KeyPath) -> Any:
    value: Any = loaded.filled.source.data if loaded.filled is not None else None
    for step in path:
        value = value[step]
    return value


def source_of(name: str, loaded: LoadedProject, environ: Mapping[str, str]) -> str:
    """Say where a variable was set: in the process's environment `environ`, in `.env`, or not at all."""
    if name in environ:
        return "environment"
    return ".env" if name in loaded.environ else "default"
