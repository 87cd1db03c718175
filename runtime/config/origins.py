"""The origin of each value of a resolved config: a line of a file, a profile, variables, or a default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.config.load import LoadedProject
from runtime.config.model.root import MAIN_ONLY
from runtime.config.secrets.mask import redact
from runtime.config.secrets.patterns import STARS
from runtime.diagnostics.diagnostic import Place
from runtime.diagnostics.key_path import KeyPath, path_text


@dataclass(frozen=True, slots=True)
class Origin:
    """One value, with secrets masked; a value without a `place` is a default of the language.

    `variables` are the names of the environment variables that it contains.
    """

    path: str
    value: Any
    place: Place | None = None
    profile: str | None = None
    variables: tuple[str, ...] = ()


def resolve_config(loaded: LoadedProject) -> dict[str, Any]:
    """Return the config as plain data with defaults and with secrets masked. Raise ValueError if it has errors."""
    if loaded.config is None:
        raise ValueError("a config with errors can't be resolved")
    data = redact(loaded.config, loaded.secrets)
    return {key: value for key, value in data.items() if key not in MAIN_ONLY}


def find_origins(loaded: LoadedProject) -> Iterator[Origin]:
    """Yield the origin of every value of the config, in the order of `resolve_config`, without empty defaults."""
    for path, value in _leaves(resolve_config(loaded), ()):
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
    """Return the key path where a value is written: its own, that of its short form, or that in `defaults`."""
    places = loaded.places
    written = places.written(path)
    if written == path:
        return path
    short = _value_at(loaded, written)
    if len(written) == len(path) - 1 and not isinstance(short, (dict, list)) and value in (short, STARS):
        return written
    if path[0] == "agents" and len(path) > 2:
        default = ("defaults", *path[2:])
        return default if places.written(default) == default else None
    return None


def _origin(loaded: LoadedProject, path: KeyPath, at: KeyPath, value: Any) -> Origin:
    over = ("profiles", loaded.profile, *at) if loaded.profile else ()
    profile = loaded.profile if over and loaded.places.written(over) == over else None
    string = loaded.filled.strings.get(at) if loaded.filled is not None else None
    return Origin(path_text(path), value, loaded.places.value(at), profile, string.names if string else ())


def _value_at(loaded: LoadedProject, path: KeyPath) -> Any:
    value: Any = loaded.filled.source.data if loaded.filled is not None else None
    for step in path:
        value = value[step]
    return value


def variable_source(name: str, loaded: LoadedProject, environ: Mapping[str, str]) -> str:
    """Return where a variable is set: `environment` (the process's, `environ`), `.env`, or `default`."""
    if name in environ:
        return "environment"
    return ".env" if name in loaded.environ else "default"
