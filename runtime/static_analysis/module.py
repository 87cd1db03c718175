"""A Python module as untrusted text: parsed when it is first needed, to a tree or an error, and never run."""

from __future__ import annotations

import ast
import importlib.util
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from runtime.diagnostics.diagnostic import Place
from runtime.static_analysis.bindings import ImplicitBindings, NameTable, read_implicit, read_names
from runtime.static_analysis.finder import ModuleFinder, ModuleLocation

MAX_MODULE_BYTES = 4 * 1024 * 1024
"""The most bytes of one module that are read."""
MAX_TOTAL_BYTES = 32 * 1024 * 1024
"""The most bytes of all modules together; further modules are opaque."""


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
