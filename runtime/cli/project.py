"""Load a project for a command, and print its diagnostics with paths relative to the working folder."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runtime.cli.display import display_path
from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.errors import ConfigError

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject


def load_project(path: Path, *, unset: Literal["warning", "error"] = "warning") -> LoadedProject:
    """Load the project in the folder or file `path`; every place in the result is relative to the working folder."""
    from runtime.config.load import load_config

    return from_here(load_config(path, unset=unset))


def from_here(loaded: LoadedProject) -> LoadedProject:
    """Return the same project with every place relative to the working folder."""
    diagnostics, sources = relative_to_here(loaded.diagnostics, loaded.sources, loaded.root, loaded.secrets)
    return replace(loaded, diagnostics=diagnostics, sources=sources)


def relative_to_here(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], root: Path, secrets: frozenset[str] = frozenset()
) -> tuple[tuple[Diagnostic, ...], dict[str, str]]:
    """Return diagnostics and their `frame_texts` with file names relative to the working folder instead of `root`."""
    texts = frame_texts(diagnostics, sources, root, secrets)
    names = {file: display_path(root / file) for file in {*texts, *(each.place.file for each in diagnostics)}}
    moved = (
        replace(each, place=Place(names[each.place.file], each.place.line, each.place.column)) for each in diagnostics
    )
    return tuple(moved), {names[file]: text for file, text in texts.items()}


def frame_texts(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, str], root: Path, secrets: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Return the texts for code frames: `sources`, and the project's Python files that have diagnostics.

    File names are relative to `root`. `sources` must be masked already; `secrets` are masked in the Python files.
    """
    from runtime.config.secrets.mask import mask_source

    texts = dict(sources)
    for file in {diagnostic.place.file for diagnostic in diagnostics} - texts.keys():
        path = (root / file).resolve()
        # A symbolic link may point outside the project: no line of that file is shown.
        if file.endswith(".py") and path.is_relative_to(root.resolve()):
            # A diagnostic can be shown without the text.
            with suppress(OSError):
                texts[file] = mask_source(path.read_bytes().decode("utf-8", "replace"), secrets)
    return texts


def print_problems(loaded: LoadedProject) -> None:
    """Print the diagnostics of a project and their number to standard error."""
    from runtime.cli.report.frames import print_diagnostics
    from runtime.cli.report.project_report import count

    if loaded.diagnostics:
        print_diagnostics(loaded.diagnostics, loaded.sources)
        print(count(loaded.diagnostics), file=sys.stderr)


@contextmanager
def building(loaded: LoadedProject) -> Iterator[None]:
    """Print the diagnostics of a build that raises ConfigError in the block; the exit code stays the error's."""
    try:
        yield
    except ConfigError as error:
        here = from_here(replace(loaded, diagnostics=tuple(error.diagnostics), sources={}))
        print_problems(replace(here, sources={**loaded.sources, **here.sources}))
        raise ConfigError(()) from error
