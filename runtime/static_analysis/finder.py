"""Find a module by its name without reading any other: in the project by the rules of `read_sources`, then outside.

Nothing is imported, not even a package on the way to its module, and of a large folder only the listings are read
that lie on the way.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.project_code.sources import INIT, is_installed, is_module_file, is_package_folder


@dataclass(frozen=True, slots=True)
class ModuleLocation:
    """Where a module is: `path` is its source, None where there is none to read and `opaque` says why.

    `ours` says that it is the project's; `search` are the folders that its submodules are looked for in.
    """

    name: str
    path: Path | None
    is_package: bool = False
    ours: bool = False
    opaque: str = ""
    search: tuple[str, ...] = ()


@dataclass(slots=True)
class _Listing:
    """What one folder of the project holds: modules, and folders that may be packages; `fault` is why it can't say.

    `regular` says that there is an __init__.py, or that there may be one.
    """

    modules: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    regular: bool = False
    fault: str = ""


@dataclass(slots=True)
class ModuleFinder:
    """Looks modules up for one project, and remembers what it has seen."""

    root: Path
    _listings: dict[Path, _Listing] = field(default_factory=dict)
    _holds: dict[Path, bool] = field(default_factory=dict)
    _tops: dict[str, bool] = field(default_factory=dict)
    _found: dict[str, ModuleLocation | None] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        """Say whether a module of this name would be the project's, whether or not there is one."""
        top = name.partition(".")[0]
        if top not in self._tops:
            listing = self._list(self.root)
            self._tops[top] = (
                top in listing.modules
                or (top in listing.folders and self._list(self.root / top).regular)
                or (self.gives_way(top) is False)
            )
        return self._tops[top]

    def gives_way(self, top: str) -> bool | None:
        """Say whether a folder without __init__.py gives way to an installed package; None if it holds none."""
        if top not in self._list(self.root).folders or not self._holds_modules(self.root / top):
            return None
        return not self._list(self.root / top).regular and is_installed(top)

    def find(self, name: str) -> ModuleLocation | None:
        """Return where the module is, or None where there is none."""
        if name not in self._found:
            self._found[name] = self._in_project(name) if self.knows(name) else self._outside(name)
        return self._found[name]

    def names_in(self, package: str) -> list[str]:
        """Return the full names of the project's modules directly inside a package; of the top ones for ''."""
        folder = self.root.joinpath(*package.split(".")) if package else self.root
        listing = self._list(folder)
        leaves = listing.modules | {leaf for leaf in listing.folders if self._holds_modules(folder / leaf)}
        names = [f"{package}.{leaf}" if package else leaf for leaf in sorted(leaves)]
        return [name for name in names if self.knows(name)]

    def _in_project(self, name: str) -> ModuleLocation | None:
        *parents, leaf = name.split(".")
        folder = self.root
        for parent in parents:
            if parent not in self._list(folder).folders:
                return None
            folder /= parent
        listing = self._list(folder)
        if leaf in listing.folders and self._list(folder / leaf).regular:
            return ModuleLocation(name, folder / leaf / INIT, is_package=True, ours=True)
        if leaf in listing.modules:
            return ModuleLocation(name, folder / f"{leaf}.py", ours=True)
        if leaf in listing.folders and self._holds_modules(folder / leaf):
            return ModuleLocation(name, None, is_package=True, ours=True)
        return None

    def _holds_modules(self, folder: Path) -> bool:
        """Say whether there is a module anywhere below the folder, which makes it a package without __init__.py."""
        if folder not in self._holds:
            listing = self._list(folder)
            self._holds[folder] = (
                listing.regular
                or bool(listing.modules)
                or any(self._holds_modules(folder / leaf) for leaf in sorted(listing.folders))
            )
        return self._holds[folder]

    def _list(self, folder: Path) -> _Listing:
        if folder not in self._listings:
            self._listings[folder] = _read_listing(folder)
        return self._listings[folder]

    def _outside(self, name: str) -> ModuleLocation | None:
        parent, _, leaf = name.rpartition(".")
        if not parent:
            return _find_top(name)
        package = self.find(parent)
        if package is None or not package.is_package:
            return None
        return _find_below(name, leaf, package.search)


def _read_listing(folder: Path) -> _Listing:
    modules: set[str] = set()
    folders: set[str] = set()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if is_package_folder(Path(entry.path)):
                        folders.add(entry.name)
                elif is_module_file(entry.name) and _is_file(entry):
                    modules.add(entry.name.removesuffix(".py"))
    except (FileNotFoundError, NotADirectoryError):
        return _Listing()
    except OSError as error:
        return _Listing(regular=True, fault=error.strerror or str(error))
    return _Listing(frozenset(modules - {"__init__"}), frozenset(folders), "__init__" in modules)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except FileNotFoundError:
        return False
    except OSError:
        return True  # it is there, and reading it will fail


def _find_top(name: str) -> ModuleLocation | None:
    for finder in sys.meta_path:
        # The runtime's own finder leads to modules that run, of whichever project this process serves.
        if getattr(finder, "__module__", "").partition(".")[0] == __name__.partition(".")[0]:
            continue
        try:
            spec = finder.find_spec(name, None)
        except Exception:
            continue
        if spec is not None:
            return _located(name, spec)
    return None


def _find_below(name: str, leaf: str, search: Sequence[str]) -> ModuleLocation | None:
    try:
        spec = importlib.machinery.PathFinder.find_spec(name, list(search))
    except KeyError:
        # A namespace package asks for the parent that nobody has imported.
        folders = tuple(folder for folder in (os.path.join(place, leaf) for place in search) if os.path.isdir(folder))
        return ModuleLocation(name, None, is_package=True, search=folders)
    return None if spec is None else _located(name, spec)


def _located(name: str, spec: importlib.machinery.ModuleSpec) -> ModuleLocation:
    locations = spec.submodule_search_locations
    search = () if locations is None else tuple(_folders(locations))
    is_package = locations is not None
    if spec.loader is None or (spec.origin is None and is_package):
        return ModuleLocation(name, None, is_package, search=search)
    if spec.has_location and spec.origin and spec.origin.endswith(".py") and os.path.isfile(spec.origin):
        return ModuleLocation(name, Path(spec.origin), is_package, search=search)
    return ModuleLocation(name, None, is_package, opaque="is compiled", search=search)


def _folders(locations: Iterable[str]) -> list[str]:
    # Iterating over those of a namespace package looks its parent up in sys.modules.
    return list(getattr(locations, "_path", locations))
