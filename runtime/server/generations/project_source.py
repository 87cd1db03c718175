"""The files of a project, read at one moment: the input of a generation; and how two such readings differ."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from runtime.config.load import CONFIG_FILE, LoadedProject, load_config
from runtime.config.model import Config
from runtime.config.watched_files import data_digest
from runtime.project_code.sources import Sources, read_sources

Fingerprint = tuple[str, bytes]
"""A file's path from the project folder, and the SHA-256 digest of its content."""
_NAMED_SECTIONS = ("agents", "tools", "widgets", "models", "actions")
_MOST_SHOWN = 5


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

    def data_digest(self) -> str:
        """Return a hash of the files of `reload.watch`, which the project's Python reads."""
        config = self.loaded.config
        return "" if config is None else data_digest(config, self.loaded.files)

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


@dataclass(frozen=True, slots=True)
class SectionChanges:
    """The names of one section that were added, removed or changed."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        signed = (("+", self.added), ("-", self.removed), ("~", self.changed))
        return _shortened([sign + name for sign, group in signed for name in group], " ")


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reload changed.

    `named` has the changes of the sections whose entries have names, `sections` the names of other sections that
    changed; `files` are paths from the project folder.
    """

    named: Mapping[str, SectionChanges] = field(default_factory=dict)
    sections: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{section} {changes}" for section, changes in self.named.items()]
        text = ", ".join([*parts, *self.sections])
        if self.files:
            text = f"{text} ({_shortened(self.files, ', ')})".lstrip()
        return text or "no declaration"

    def as_json(self) -> dict[str, Any]:
        """Return the changes as JSON data: `{section: {"added": [], …}, …, "sections": [], "files": []}`."""
        named = {
            section: {kind: list(names) for kind, names in asdict(changes).items()}
            for section, changes in self.named.items()
        }
        return {**named, "sections": list(self.sections), "files": list(self.files)}


def compare_sources(old: ProjectSource, new: ProjectSource) -> Changes:
    """Compare two sources that both have a configuration."""
    before, after = old.loaded.config, new.loaded.config
    assert before is not None
    assert after is not None
    old_contents, new_contents = old.contents(), new.contents()
    names = old_contents.keys() | new_contents.keys()
    files = tuple(sorted(name for name in names if old_contents.get(name) != new_contents.get(name)))
    touched = frozenset(name for file in files for name in (file, _module_name(file)))
    named = {
        section: _compare(getattr(before, section), getattr(after, section), touched) for section in _NAMED_SECTIONS
    }
    others = [name for name in Config.model_fields if name not in _NAMED_SECTIONS]
    return Changes(
        {section: changes for section, changes in named.items() if changes},
        tuple(name for name in others if getattr(before, name) != getattr(after, name)),
        files,
    )


def _compare(old: Mapping[str, Any], new: Mapping[str, Any], touched: frozenset[str]) -> SectionChanges:
    both = [name for name in new if name in old]
    return SectionChanges(
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(name for name in both if old[name] != new[name] or _refers_to(new[name], touched)),
    )


def _refers_to(entry: Any, touched: frozenset[str]) -> bool:
    """Return whether an entry names one of these files or modules."""
    if not touched:
        return False
    return any(text.partition(":")[0] in touched for text in _texts(entry.model_dump(mode="json")))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _module_name(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") if file.endswith(".py") else file


def _shortened(names: Sequence[str], separator: str) -> str:
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return separator.join(names[:_MOST_SHOWN]) + more
