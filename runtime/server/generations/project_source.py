"""The files of a project, read at one moment: the input of a generation."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.config.load import CONFIG_FILE, LoadedProject, load_config
from runtime.project_code.sources import Sources, read_sources

Fingerprint = tuple[str, bytes]
"""A file's path from the project folder, and the SHA-256 digest of its content."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 in hex: `config` covers agents.yaml and every file that it names, `code` the project's Python."""

    config: str
    code: str

    @property
    def etag(self) -> str:
        """Both hashes as one quoted HTTP entity tag."""
        return f'"{hashlib.sha256((self.config + self.code).encode()).hexdigest()[:32]}"'

    def as_json(self) -> dict[str, str]:
        """Return `{"config": …, "code": …}`."""
        return {"config": self.config, "code": self.code}


@dataclass(frozen=True, slots=True, eq=False)
class ProjectSource:
    """The loaded configuration with its files, and the project's Python."""

    loaded: LoadedProject
    code: Sources
    is_last_good: bool = False
    """Whether it was read from `.chatkit/last-good.json` instead of from the project's files."""

    @property
    def hashes(self) -> Hashes:
        """The hashes of the files."""
        return Hashes(self.loaded.hash, self.code.hash)

    def is_current(self) -> bool:
        """Read every file again; return whether all contents are the same and no file was added or removed."""
        return self.loaded.files.reread() and read_sources(self.loaded.root).hash == self.code.hash

    def fingerprints(self) -> set[Fingerprint]:
        """Return the fingerprint of each file."""
        return {_fingerprint(name, content) for name, content in self.contents().items()}

    def truncated_file(self, before: ProjectSource, served: Collection[Fingerprint] = ()) -> str | None:
        """Return the name of a file that looks half-written: its content is a prefix of its content in `before`.

        `served` has the fingerprints of complete files: an edit that is undone is not half-written. Whitespace that is
        missing at the end does not count.
        """
        old, new = before.contents(), self.contents()
        for name in sorted(new.keys() & old.keys()):
            is_prefix = old[name].startswith(new[name]) and old[name][len(new[name]) :].strip()
            if is_prefix and _fingerprint(name, new[name]) not in served:
                return name
        return None

    def contents(self) -> dict[str, bytes]:
        """Return the content of every file, by its path from the project folder."""
        return {**self.code_contents(), **self.loaded.files.contents}

    def code_contents(self) -> dict[str, bytes]:
        """Return the content of every Python file, by its path from the project folder."""
        root = self.loaded.root.resolve()
        return {path.relative_to(root).as_posix(): content for path, content in self.code.files.items()}

    def watched_files(self) -> frozenset[Path]:
        """Return every file that was read or is missing."""
        files = self.loaded.files
        names = {*files.contents, *files.missing}
        return frozenset([*(self.loaded.root / name for name in names), *self.code.files])


def read_project(path: Path, environ: Mapping[str, str] | None) -> ProjectSource:
    """Read the project in a folder, or that of an agents.yaml. Errors are diagnostics of the result, never raised."""
    file = path / CONFIG_FILE if path.is_dir() else path
    # Python before the configuration: `is_current` checks the configuration first, so an edit in between is noticed.
    code = read_sources(file.parent)
    return ProjectSource(load_config(file, environ=environ, unset="error"), code)


def _fingerprint(name: str, content: bytes) -> Fingerprint:
    return name, hashlib.sha256(content).digest()
