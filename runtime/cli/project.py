"""Load a project for a command: the diagnostics carry paths that make sense where the user stands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.errors import ConfigError

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject


def load_project(path: Path, *, unset: Literal["warning", "error"] = "warning") -> LoadedProject:
    """Load the project in the folder or file `path`; every place in the result is relative to the working folder."""
    from runtime.config.load import load_config

    return from_here(load_config(path, unset=unset))


def from_here(loaded: LoadedProject) -> LoadedProject:
    """Return the same, with every place relative to the working folder."""
    diagnostics = tuple(diagnostic_from_here(diagnostic, loaded.root) for diagnostic in loaded.diagnostics)
    texts = texts_of(loaded.diagnostics, loaded.sources, loaded.root, loaded.secrets)
    sources = {display(file, loaded.root): text for file, text in texts.items()}
    return replace(loaded, diagnostics=diagnostics, sources=sources)


def texts_of(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], root: Path, secrets: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return `sources`, which may be printed as they are, with the project's Python that the diagnostics stand in.

    Every file is relative to `root`; the `secrets` in the Python are masked.
    """
    from runtime.config.secrets.mask import mask_source

    texts = dict(sources)
    for file in {diagnostic.place.file for diagnostic in diagnostics} - texts.keys():
        path = (root / file).resolve()
        # A link may lead to a file of somebody else, of which no line is to be shown.
        if file.endswith(".py") and path.is_relative_to(root.resolve()):
            # Without the text there is a diagnostic all the same.
            with suppress(OSError):
                texts[file] = mask_source(path.read_bytes().decode("utf-8", "replace"), secrets)
    return texts


def report(loaded: LoadedProject) -> None:
    """Print what is wrong with a project to standard error, with a line that sums it up."""
    from runtime.cli.report.frames import count, print_diagnostics

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
def building(loaded: LoadedProject) -> Iterator[None]:
    """Show the mistakes that only building a project finds, as those of its file; the exit code stays the error's."""
    try:
        yield
    except ConfigError as error:
        here = from_here(replace(loaded, diagnostics=tuple(error.diagnostics), sources={}))
        report(replace(here, sources={**loaded.sources, **here.sources}))
        raise ConfigError(()) from error
