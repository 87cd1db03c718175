"""Check one project as deep as was asked for, and hand out what may be printed of it.

Every diagnostic and every line of a file that `validate` prints, in whatever format, leaves through `_report`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.cli.project import display, display_path, texts_of
from runtime.cli.report.frames import line_of
from runtime.diagnostics.diagnostic import Diagnostic, Place, has_errors, sort_diagnostics

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject

_DECIDED_BY_A_BUILD = {"A339"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How far to look: `build` runs the project's Python, `connect` the network too, for at most `timeout_s` seconds.

    `base` is an earlier agents.yaml, to compare with.
    """

    build: bool = False
    connect: bool = False
    timeout_s: float = 60.0
    base: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in one project, ready to print: no secret, every path from where the user stands.

    `sizes` counts what agents.yaml declares, by its word for one (`agent`); empty when it has errors. `is_built` tells
    whether the project's Python ran; `files` is every file that counts, or was looked for in vain; absolute.
    `patterns` is what else would count, were there a file that fits.
    """

    file: str
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, str] = field(repr=False)
    sizes: Mapping[str, int]
    is_built: bool
    files: frozenset[Path] = field(repr=False)
    patterns: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def is_valid(self) -> bool:
        """Tell whether no diagnostic is an error."""
        return not has_errors(self.diagnostics)

    def fails(self, *, strict: bool) -> bool:
        """Tell whether this fails the run: for an error, and for a warning where these are fatal."""
        return any(is_fatal(diagnostic, strict=strict) for diagnostic in self.diagnostics)


def is_fatal(diagnostic: Diagnostic, *, strict: bool) -> bool:
    """Tell whether this one fails the run; a note never does."""
    return diagnostic.severity == "error" or (strict and diagnostic.severity == "warning")


def check_path(path: Path, depth: Depth) -> Report:
    """Check the project in the folder or file `path`; its mistakes are in the report, never raised."""
    from runtime.config.load import load_config
    from runtime.validation.project import check_project

    loaded = load_config(path, unset="error" if depth.build else "warning")
    found = check_project(loaded)
    builds = depth.build and not has_errors(loaded.diagnostics)
    if builds:
        found = _with_build(found, path, loaded, depth)
    if depth.base is not None and loaded.config is not None:
        from runtime.validation.breaking_changes import check_changes

        found = [*found, *check_changes(loaded, depth.base)]
    return _report(loaded, found, is_built=builds, files=_files(loaded, depth))


def _with_build(found: list[Diagnostic], path: Path, loaded: LoadedProject, depth: Depth) -> list[Diagnostic]:
    """Add what building the project finds, and drop what it has decided.

    What can be built is served: what else would fail, a turn or a click, is a warning then.
    """
    from runtime.cli.build_process.check import check_build

    built = check_build(path, loaded, timeout_s=depth.timeout_s, connect=depth.connect)
    if not has_errors(built):
        left = [_weaker(diagnostic) for diagnostic in found if diagnostic.code not in _DECIDED_BY_A_BUILD]
        return [*left, *built]
    errors = {(diagnostic.code, diagnostic.place) for diagnostic in built if diagnostic.severity == "error"}
    told = {_entry(diagnostic) for diagnostic in found if diagnostic.severity == "error"}
    left = [each for each in found if each.severity == "error" or (each.code, each.place) not in errors]
    # The build knows of an entry that is wrong, where the files say why.
    return [*left, *(each for each in built if each.severity != "error" or _entry(each) not in told)]


def _entry(diagnostic: Diagnostic) -> tuple[str, ...]:
    """The entry of agents.yaml that a mistake is in, such as `widgets.order`."""
    return tuple(diagnostic.path.replace("[", ".").split(".")[:2])


def _weaker(diagnostic: Diagnostic) -> Diagnostic:
    return replace(diagnostic, severity="warning") if diagnostic.severity == "error" else diagnostic


def _files(loaded: LoadedProject, depth: Depth) -> frozenset[Path]:
    read = (loaded.files.root / name for name in (*loaded.files.contents, *loaded.files.missing))
    return frozenset([*read, *([depth.base.absolute()] if depth.base is not None else [])])


def _report(loaded: LoadedProject, found: Iterable[Diagnostic], *, is_built: bool, files: frozenset[Path]) -> Report:
    from runtime.config.secrets.mask import mask_diagnostics

    diagnostics = mask_diagnostics(sort_diagnostics(found), loaded.secrets)
    texts = _texts(loaded, diagnostics)
    names = {file: display(file, loaded.root) for file in {each.place.file for each in diagnostics}}
    return Report(
        file=display_path(loaded.file),
        diagnostics=tuple(_from_here(each, names, texts) for each in diagnostics),
        sources={names[file]: text for file, text in texts.items()},
        sizes={} if has_errors(diagnostics) else _sizes(loaded),
        is_built=is_built,
        files=files,
        patterns=frozenset(loaded.files.patterns),
    )


def _texts(loaded: LoadedProject, found: Sequence[Diagnostic]) -> dict[str, str]:
    """The files that the diagnostics stand in, secrets masked: they are as long as before, and columns stay."""
    from runtime.config.secrets.mask import mask_source

    known = {file: loaded.sources[file] for file in {each.place.file for each in found} if file in loaded.sources}
    more = texts_of(found, known, loaded.root)
    return {**{file: mask_source(text, loaded.secrets) for file, text in more.items() if file not in known}, **known}


def _from_here(diagnostic: Diagnostic, names: Mapping[str, str], texts: Mapping[str, str]) -> Diagnostic:
    """The same, where the user stands; it ends with its line, whatever the value went on to."""
    place = diagnostic.place
    row = line_of(texts[place.file], place.line) if place.file in texts else None
    length = diagnostic.length if row is None else max(1, min(diagnostic.length, len(row) - place.column + 1))
    return replace(diagnostic, place=Place(names[place.file], place.line, place.column), length=length)


def _sizes(loaded: LoadedProject) -> dict[str, int]:
    config = loaded.config
    if config is None:
        return {}
    return {"agent": len(config.agents), "tool": len(config.tools), "widget": len(config.widgets)}
