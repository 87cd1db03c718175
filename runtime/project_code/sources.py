"""The project's importable Python as it was at one moment, in memory: what a `ProjectCode` is made of."""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_RUNTIME_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = {"site-packages", "dist-packages"}
_STDLIB = sysconfig.get_path("stdlib")
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}
INIT = "__init__.py"


@dataclass(frozen=True, slots=True)
class Source:
    """One module: `text` are its bytes; `fault` says why they could not be read."""

    path: Path
    text: bytes
    is_package: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """All modules under one project folder, by name. The same names and bytes have the same `hash`."""

    root: Path
    modules: Mapping[str, Source] = field(repr=False)
    files: Mapping[Path, bytes] = field(repr=False)
    """The bytes of each file that was read, by its absolute path."""
    folders: frozenset[Path] = field(repr=False)
    """The folders that hold, or may come to hold, modules; absolute."""
    hash: str
    """SHA-256, in hex."""


def read_sources(root: Path) -> Sources:
    """Read every module under the folder. Never raises: what can't be read fails when it is imported."""
    root = root.resolve()
    folders: set[Path] = set()
    return _sources(root, dict(_read(root, PurePosixPath(), folders)), folders)


def sources_from(root: Path, contents: Mapping[str, bytes]) -> Sources:
    """Return what `read_sources` would, if these were the files; they are named by their paths from the folder."""
    root = root.resolve()
    found = {place: text for name, text in contents.items() if is_module_file((place := PurePosixPath(name)).name)}
    return _sources(root, found, {root, *(root / parent for place in found for parent in place.parents)})


def _read(folder: Path, place: PurePosixPath, folders: set[Path]) -> Iterator[tuple[PurePosixPath, bytes | OSError]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return  # gone since it was seen
    except OSError as error:
        yield place / INIT, error
        return
    folders.add(folder)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            if is_package_folder(Path(entry.path)):
                yield from _read(folder / entry.name, place / entry.name, folders)
        elif is_module_file(entry.name):
            content = _read_file(entry)
            if content is not None:
                yield place / entry.name, content


def _read_file(entry: os.DirEntry[str]) -> bytes | OSError | None:
    try:
        # A named pipe would keep its reader waiting.
        return Path(entry.path).read_bytes() if entry.is_file() else None
    except FileNotFoundError:
        return None
    except OSError as error:
        return error


def is_module_file(name: str) -> bool:
    """Say whether a file of this name is a module that can be imported."""
    return name.endswith(".py") and name[:-3].isidentifier()


def is_package_folder(folder: Path) -> bool:
    """Say whether a folder may hold modules of the project: a virtual environment, for one, holds those of others."""
    name = folder.name
    if not name.isidentifier() or name in _SKIPPED:
        return False
    return folder.resolve() != _RUNTIME_PACKAGE and not (folder / "pyvenv.cfg").exists()


def _sources(root: Path, found: Mapping[PurePosixPath, bytes | OSError], folders: set[Path]) -> Sources:
    read: dict[str, Source] = {}
    # A package wins over a module beside it that has the same name, as in Python.
    for place in sorted(found, key=lambda place: (place.name == INIT, place)):
        content = found[place]
        is_package = place.name == INIT
        if name := ".".join(place.parent.parts if is_package else place.with_suffix("").parts):
            text, fault = (b"", content.strerror or str(content)) if isinstance(content, OSError) else (content, "")
            read[name] = Source(root / place, text, is_package, fault)
    modules = _with_namespace_packages(root, read)
    for top in {name.partition(".")[0] for name in modules} - read.keys():
        if is_installed(top):
            # A folder without __init__.py, such as agents/ full of YAML, gives way to a package of that name.
            modules = {name: source for name, source in modules.items() if name.partition(".")[0] != top}
    read = {name: source for name, source in read.items() if name in modules}
    files = {source.path: source.text for source in read.values() if not source.fault}
    return Sources(root, modules, files, frozenset(folders), _hash(root, read))


def _with_namespace_packages(root: Path, read: Mapping[str, Source]) -> dict[str, Source]:
    modules = dict(read)
    for name in read:
        parent = name.rpartition(".")[0]
        while parent and parent not in modules:
            modules[parent] = Source(root.joinpath(*parent.split("."), INIT), b"", is_package=True)
            parent = parent.rpartition(".")[0]
    return modules


def is_installed(top: str) -> bool:
    """Say whether Python finds a package or module of this name outside of any project."""
    if top in sys.stdlib_module_names:
        return True
    installed = [entry for entry in sys.path if Path(entry).name in _INSTALLED or entry == _STDLIB]
    spec = importlib.machinery.PathFinder.find_spec(top, installed)
    return spec is not None and spec.loader is not None


def _hash(root: Path, read: Mapping[str, Source]) -> str:
    digest = hashlib.sha256()
    for source in sorted(read.values(), key=lambda source: source.path):
        place = source.path.relative_to(root).as_posix()
        digest.update(f"{place}\0{source.fault}\0{len(source.text)}\0".encode())
        digest.update(source.text)
    return digest.hexdigest()
