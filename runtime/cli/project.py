"""Load a project for a command: the diagnostics carry paths that make sense where the user stands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runtime.diagnostics import Diagnostic, Place
from runtime.errors import ConfigError

if TYPE_CHECKING:
    from runtime.config.load import Loaded


def load_project(path: Path, *, unset: Literal["warning", "error"] = "warning") -> Loaded:
    """Load the project in the folder or file `path`; every place in the result is relative to the working folder."""
    from runtime.config.load import load_config

    return from_here(load_config(path, unset=unset))


def from_here(loaded: Loaded) -> Loaded:
    """Return the same, with every place relative to the working folder."""
    diagnostics = tuple(diagnostic_from_here(diagnostic, loaded.root) for diagnostic in loaded.diagnostics)
    sources = {display(file, loaded.root): text for file, text in loaded.sources.items()}
    return replace(loaded, diagnostics=diagnostics, sources=sources)


def report(loaded: Loaded) -> None:
    """Print what is wrong with a project to standard error, with a line that sums it up."""
    from runtime.cli.frames import count, print_diagnostics

    if loaded.diagnostics:
        print_diagnostics(loaded.diagnostics, loaded.sources)
        print(count(loaded.diagnostics), file=sys.stderr)


def display_path(path: Path) -> str:
    """Write a path the short way: relative to the working folder where it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def diagnostic_from_here(diagnostic: Diagnostic, root: Path) -> Diagnostic:
    """Return the same mistake, its place relative to the working folder instead of `root`."""
    place = diagnostic.place
    return replace(diagnostic, place=Place(display(place.file, root), place.line, place.column))


def display(file: str, root: Path) -> str:
    """Write the path of a project's file the short way."""
    return display_path(root / file)


@contextmanager
def building(loaded: Loaded) -> Iterator[None]:
    """Show the mistakes that only building a project finds, as those of its file; the exit code stays the error's."""
    try:
        yield
    except ConfigError as error:
        diagnostics = tuple(diagnostic_from_here(diagnostic, loaded.root) for diagnostic in error.diagnostics)
        report(replace(loaded, diagnostics=diagnostics))
        raise ConfigError(()) from error
