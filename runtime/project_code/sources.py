"""A snapshot of the project's importable Python in memory, from which a `ProjectCode` is made."""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

RUNTIME_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = {"site-packages", "dist-packages"}
_STDLIB = sysconfig.get_path("stdlib")
SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})
INIT = "__init__.py"


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """One module: `text` is its bytes, `fault` the reason why they could not be read."""

    path: Path
    text: bytes
    is_package: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """All modules under one project folder, by name. The same names and bytes have the same `hash`."""

    root: Path
    modules: Mapping[str, ModuleSource] = field(repr=False)
    files: Mapping[Path, bytes] = field(repr=False)
    """The bytes of each file that was read, by its absolute path."""
    folders: frozenset[Path] = field(repr=False)
    """The folders that hold modules, or may hold some later; absolute."""
    hash: str
    """SHA-256, in hex."""


def read_sources(root: Path) -> Sources:
    """Read every module under the folder. Never raises: a module that can't be read fails when it is imported."""
    root = root.resolve()
    folders: set[Path] = set()
    return _sources(root, dict(_read(root, PurePosixPath(), folders)), folders)


def sources_from(root: Path, contents: Mapping[str, bytes]) -> Sources:
    """Return the sources of a folder with these files, named by their paths from the folder."""
    root = root.resolve()
    places = {PurePosixPath(name): text for name, text in contents.items()}
    modules = {place: text for place, text in places.items() if is_module_file(place.name)}
    return _sources(root, modules, {root, *(root / parent for place in modules for parent in place.parents)})


def _read(folder: Path, place: PurePosixPath, folders: set[Path]) -> Iterator[tuple[PurePosixPath, bytes | OSError]]:
    try:
        subfolders, files = list_folder(folder)
    except (FileNotFoundError, NotADirectoryError):
        return  # deleted since it was listed
    except OSError as error:
        yield place / INIT, error
        return
    folders.add(folder)
    for name in subfolders:
        yield from _read(folder / name, place / name, folders)
    for name in files:
        try:
            yield place / name, (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            yield place / name, error


def list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the subfolders that may be packages, and of the module files. Raise OSError."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if is_package_folder(Path(entry.path)):
                    folders.append(entry.name)
            elif is_module_file(entry.name) and _is_file(entry):
                files.append(entry.name)
    return sorted(folders), sorted(files)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()  # reading a named pipe would block
    except OSError:
        return True  # reading it will fail


def is_module_file(name: str) -> bool:
    """Return whether a file of this name can be imported as a module."""
    return name.endswith(".py") and name[:-3].isidentifier()


def is_package_folder(folder: Path) -> bool:
    """Return whether a folder may hold modules of the project; a virtual environment, for example, does not."""
    name = folder.name
    if not name.isidentifier() or name in SKIPPED_FOLDERS:
        return False
    return folder.resolve() != RUNTIME_PACKAGE and not (folder / "pyvenv.cfg").exists()


def _sources(root: Path, contents: Mapping[PurePosixPath, bytes | OSError], folders: set[Path]) -> Sources:
    read: dict[str, ModuleSource] = {}
    # A package wins over a module beside it that has the same name, as in Python.
    for place in sorted(contents, key=lambda place: (place.name == INIT, place)):
        content = contents[place]
        is_package = place.name == INIT
        if name := ".".join(place.parent.parts if is_package else place.with_suffix("").parts):
            text, fault = (b"", content.strerror or str(content)) if isinstance(content, OSError) else (content, "")
            read[name] = ModuleSource(root / place, text, is_package, fault)
    modules = _with_namespace_packages(root, read)
    for top in {name.partition(".")[0] for name in modules} - read.keys():
        if is_installed(top):
            # An installed package has precedence over a folder without __init__.py, such as agents/ with YAML files.
            modules = {name: source for name, source in modules.items() if name.partition(".")[0] != top}
    read = {name: source for name, source in read.items() if name in modules}
    files = {source.path: source.text for source in read.values() if not source.fault}
    return Sources(root, modules, files, frozenset(folders), _hash(root, read))


def _with_namespace_packages(root: Path, read: Mapping[str, ModuleSource]) -> dict[str, ModuleSource]:
    modules = dict(read)
    for name in read:
        parent = name.rpartition(".")[0]
        while parent and parent not in modules:
            modules[parent] = ModuleSource(root.joinpath(*parent.split("."), INIT), b"", is_package=True)
            parent = parent.rpartition(".")[0]
    return modules


def is_installed(top: str) -> bool:
    """Return whether Python finds a package or module of this name outside of any project."""
    if top in sys.stdlib_module_names:
        return True
    installed = [entry for entry in sys.path if Path(entry).name in _INSTALLED or entry == _STDLIB]
    spec = importlib.machinery.PathFinder.find_spec(top, installed)
    return spec is not None and spec.loader is not None


def _hash(root: Path, read: Mapping[str, ModuleSource]) -> str:
    digest = hashlib.sha256()
    for source in sorted(read.values(), key=lambda source: source.path):
        place = source.path.relative_to(root).as_posix()
        digest.update(f"{place}\0{source.fault}\0{len(source.text)}\0".encode())
        digest.update(source.text)
    return digest.hexdigest()
