"""A project's files as they were at one moment: what a generation is made of, and whether that still holds."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.config.load import CONFIG_FILE, LoadedProject, load_config
from runtime.project_code.sources import Sources, read_sources


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256, in hex: `config` over agents.yaml and every file that it names, `code` over the project's Python."""

    config: str
    code: str

    @property
    def etag(self) -> str:
        """Both in one, quoted as HTTP wants it."""
        return f'"{hashlib.sha256((self.config + self.code).encode()).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What was read: the configuration with its files, and the sources of the project's Python."""

    loaded: LoadedProject
    sources: Sources
    is_last_good: bool = False
    """Whether it was read from what is kept of the project as it last served, rather than from its files."""

    @property
    def hashes(self) -> Hashes:
        """What the files held."""
        return Hashes(self.loaded.hash, self.sources.hash)

    def still_holds(self) -> bool:
        """Read every file again; True when each one holds what it held, and none has come or gone."""
        return self.loaded.files.reread() and read_sources(self.loaded.root).hash == self.sources.hash

    def fingerprints(self) -> set[tuple[str, bytes]]:
        """Each file's name with the SHA-256 of what it holds."""
        return {(name, hashlib.sha256(content).digest()) for name, content in self.contents().items()}

    def cut_short(self, before: Reading, served: Collection[tuple[str, bytes]] = ()) -> str | None:
        """Return the file that looks half-written: what it holds is the beginning of what it held `before`.

        `served` are fingerprints of files that were whole: an edit that is taken back is no half-written one.
        """
        old, new = before.contents(), self.contents()
        for name in sorted(new.keys() & old.keys()):
            # A missing end of whitespace is no loss.
            is_cut = old[name].startswith(new[name]) and old[name][len(new[name]) :].strip()
            if is_cut and (name, hashlib.sha256(new[name]).digest()) not in served:
                return name
        return None

    def contents(self) -> dict[str, bytes]:
        """Every file that was read, by its path from the project folder."""
        root = self.loaded.root.resolve()
        code = {path.relative_to(root).as_posix(): text for path, text in self.sources.files.items()}
        return {**code, **self.loaded.files.contents}

    def watched(self) -> frozenset[Path]:
        """Every file that was read, or looked for in vain."""
        files = self.loaded.files
        names = {*files.contents, *files.missing}
        return frozenset([*(self.loaded.root / name for name in names), *self.sources.files])


def read_project(path: Path, environ: Mapping[str, str] | None) -> Reading:
    """Read the project, given by its folder or its agents.yaml: mistakes are in the result, never raised."""
    file = path / CONFIG_FILE if path.is_dir() else path
    # The sources first: what the configuration names is looked at last, and is the first to be looked at again.
    sources = read_sources(file.parent)
    return Reading(load_config(file, environ=environ, unset="error"), sources)
