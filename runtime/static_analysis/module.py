"""Python modules, found by name and parsed when they are first needed; none is imported, their text is untrusted."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from runtime.diagnostics.diagnostic import Place
from runtime.project_code.sources import INIT, is_installed, list_folder
from runtime.static_analysis.bindings import ImplicitBindings, NameTable, read_implicit, read_names

MAX_MODULE_BYTES = 4 * 1024 * 1024
"""The most bytes of one module that are read."""
MAX_TOTAL_BYTES = 32 * 1024 * 1024
"""The most bytes of all modules together; further modules are opaque."""


@dataclass(frozen=True, slots=True)
class ModuleLocation:
    """The location of a module: `path` is its source, or None; `opaque` is the reason why it can't be read.

    `ours` means that it belongs to the project; `search` are the folders of its submodules.
    """

    name: str
    path: Path | None
    is_package: bool = False
    ours: bool = False
    opaque: str = ""
    search: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokenModule:
    """The reason why importing a module surely fails; `line` and `column` count from 1."""

    message: str
    line: int
    column: int = 1


@dataclass(frozen=True, eq=False)
class Module:
    """One module: its `tree`, or why there is none: it is `broken`, or `opaque`, that is, can't be analysed."""

    location: ModuleLocation
    file: str
    text: bytes = field(repr=False)
    tree: ast.Module | None = field(default=None, repr=False)
    broken: BrokenModule | None = None
    opaque: str = ""

    @property
    def name(self) -> str:
        """The module's full name."""
        return self.location.name

    @property
    def ours(self) -> bool:
        """Whether it belongs to the project."""
        return self.location.ours

    @property
    def package(self) -> str:
        """The package from which its relative imports start."""
        return self.name if self.location.is_package else self.name.rpartition(".")[0]

    @property
    def body(self) -> list[ast.stmt]:
        """Its statements; empty without a tree."""
        return [] if self.tree is None else self.tree.body

    @cached_property
    def names(self) -> NameTable:
        """The names that its statements bind."""
        return read_names(self.body, self.package)

    @cached_property
    def implicit(self) -> ImplicitBindings:
        """The bindings without a statement."""
        return ImplicitBindings() if self.tree is None else read_implicit(self.tree)

    @cached_property
    def shown(self) -> str:
        """Its text, for code frames; empty if it can't be decoded."""
        try:
            return importlib.util.decode_source(self.text)
        except (SyntaxError, UnicodeDecodeError, LookupError, ValueError):
            return ""

    def place(self, node: ast.AST) -> Place:
        """Return the place of a node of its tree; the column counts characters."""
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        rows = self.shown.split("\n")
        row = rows[line - 1] if line <= len(rows) else ""
        return Place(self.file, line, len(row.encode()[:offset].decode(errors="replace")) + 1)


@dataclass(slots=True)
class Modules:
    """The modules of a project and of the installed packages, each read and parsed once."""

    finder: ModuleFinder
    read: dict[str, Module | None] = field(default_factory=dict)
    _bytes: int = 0

    @classmethod
    def of(cls, root: Path) -> Modules:
        """Return the modules that a project in this folder can import."""
        return cls(ModuleFinder(root))

    def get(self, name: str) -> Module | None:
        """Return the module; None if there is none."""
        if name not in self.read:
            location = self.finder.find(name)
            self.read[name] = None if location is None else self._parse(location)
        return self.read[name]

    def _parse(self, location: ModuleLocation) -> Module:
        path, root = location.path, self.finder.root
        if location.opaque or path is None:
            tree = None if location.opaque else ast.Module(body=[], type_ignores=[])
            return Module(location, "", b"", tree, opaque=location.opaque)
        file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        try:
            with path.open("rb") as stream:
                text = stream.read(MAX_MODULE_BYTES + 1)
        except OSError as error:
            broken = BrokenModule(f"{file!r} can't be read: {error.strerror or error}", 0)
            return Module(location, file, b"", broken=broken)
        self._bytes += len(text)
        if len(text) > MAX_MODULE_BYTES or self._bytes > MAX_TOTAL_BYTES:
            return Module(location, file, b"", opaque="is too large to be read")
        parsed = parse(text, file)
        if isinstance(parsed, ast.Module):
            return Module(location, file, text, parsed)
        if isinstance(parsed, BrokenModule):
            return Module(location, file, text, broken=parsed)
        return Module(location, file, text, opaque=parsed)


def parse(text: bytes, file: str) -> ast.Module | BrokenModule | str:
    """Return a source's tree, the error with which Python fails to compile it, or why it can't be analysed."""
    if b"\0" in text:
        return BrokenModule("source code cannot contain null bytes", text.count(b"\n", 0, text.index(b"\0")) + 1)
    try:
        with warnings.catch_warnings():
            # Warnings, such as for an invalid escape, are not about the configuration.
            warnings.simplefilter("ignore")
            tree = compile(text, file, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        return BrokenModule(f"{type(error).__name__}: {error.msg}", error.lineno or 1, max(error.offset or 1, 1))
    except (RecursionError, MemoryError):
        return "is nested too deep to be read"
    except ValueError as error:
        return BrokenModule(f"SyntaxError: {error}", 1)
    assert isinstance(tree, ast.Module)
    return _misplaced(tree) or tree


def _misplaced(tree: ast.Module) -> BrokenModule | None:
    """Return the error of a `return` outside a function, which parses but can't be compiled, as after half an edit."""
    for statement in tree.body:
        if isinstance(statement, ast.Return):
            return BrokenModule("SyntaxError: 'return' outside function", statement.lineno, statement.col_offset + 1)
    return None


# Finding modules by name: in the project by the rules of `read_sources`, then outside.


@dataclass(slots=True)
class _Listing:
    """The modules in one folder, and the folders that may be packages; `regular`: it has, or may have, __init__.py."""

    modules: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    regular: bool = False


@dataclass(slots=True)
class ModuleFinder:
    """Finds modules for one project, and caches listings and results."""

    root: Path
    _listings: dict[Path, _Listing] = field(default_factory=dict)
    _holds: dict[Path, bool] = field(default_factory=dict)
    _tops: dict[str, bool] = field(default_factory=dict)
    _locations: dict[str, ModuleLocation | None] = field(default_factory=dict)

    def knows(self, name: str) -> bool:
        """Return whether a module of this name would belong to the project, also if it does not exist."""
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
        """Return whether an installed package shadows a folder without __init__.py; None if it has no module."""
        if top not in self._list(self.root).folders or not self._holds_modules(self.root / top):
            return None
        return not self._list(self.root / top).regular and is_installed(top)

    def find(self, name: str) -> ModuleLocation | None:
        """Return the location of the module, or None if there is none."""
        if name not in self._locations:
            self._locations[name] = self._in_project(name) if self.knows(name) else self._outside(name)
        return self._locations[name]

    def names_in(self, package: str) -> list[str]:
        """Return the full names of the project's modules directly in a package; `''` is the root."""
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
        """Return whether there is a module anywhere below the folder, which makes it a namespace package."""
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
    try:
        folders, files = list_folder(folder)
    except (FileNotFoundError, NotADirectoryError):
        return _Listing()
    except OSError:
        return _Listing(regular=True)
    modules = frozenset(name.removesuffix(".py") for name in files if name != INIT)
    return _Listing(modules, frozenset(folders), INIT in files)


def _find_top(name: str) -> ModuleLocation | None:
    for finder in sys.meta_path:
        # The runtime's own finder returns modules of the project that this process serves.
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
        # The path of a namespace package needs its parent, which is not imported.
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
    # Iterating over those of a namespace package looks up its parent in sys.modules.
    return list(getattr(locations, "_path", locations))
