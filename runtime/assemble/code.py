"""Run the project's Python, whole and apart: one private table of modules for each `ProjectCode`.

Two loads of the same folder share no module, so a reload never mixes old code with new, and two projects in one
process may both have a package named `tools`. Sources are read once, when the table is made; what lies outside the
project folder is imported as usual and shared. This is the only module that imports the project's code.
"""

from __future__ import annotations

import builtins
import difflib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import sysconfig
import threading
import traceback
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

_PROJECT_MODULES: weakref.WeakSet[ModuleType] = weakref.WeakSet()
_RUNTIME_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = {"site-packages", "dist-packages"}
_STDLIB = sysconfig.get_path("stdlib")
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


class ResolveError(Exception):
    """An import path that leads nowhere, or to a module that raises; `hint` is the way out."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} ({hint})" if hint else message)


@dataclass(frozen=True, slots=True)
class _Source:
    path: Path
    text: bytes
    is_package: bool


class ProjectCode:
    """The importable modules under one project folder, loaded at most once each."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._sources = _read_sources(self.root)
        self._tops = {name.partition(".")[0] for name in self._sources}
        self._lock = threading.RLock()
        self.modules: dict[str, ModuleType] = {}
        self._replaced: dict[str, weakref.ref[ModuleType] | None] = {}

    @property
    def hash(self) -> str:
        """A hash over all sources: two tables with the same hash behave alike."""
        digest = hashlib.sha256()
        for name, source in sorted(self._sources.items()):
            digest.update(name.encode() + b"\0" + source.text + b"\0")
        return digest.hexdigest()

    def resolve(self, path: str) -> Any:
        """Return the object that `package.module:name` names; raise ResolveError where there is none."""
        module_name, _, attributes = path.partition(":")
        if not module_name or not attributes:
            raise ResolveError(f"{path!r} must look like 'package.module:name'")
        value: Any = self._import_for(module_name)
        for attribute in attributes.split("."):
            try:
                value = getattr(value, attribute)
            except AttributeError:
                near = difflib.get_close_matches(
                    attribute, list(vars(value)) if hasattr(value, "__dict__") else [], n=1
                )
                hint = f"did you mean {near[0]!r}?" if near else ""
                raise ResolveError(f"module {module_name!r} has no {attribute!r}", hint) from None
        return value

    def _import_for(self, name: str) -> ModuleType:
        known = set(self.modules)
        try:
            return self.load(name) if self._is_project(name) else importlib.import_module(name)
        except Exception as error:
            for loaded in set(self.modules) - known:
                self._take_back(loaded)
            if isinstance(error, ModuleNotFoundError) and _is_parent(error.name, name):
                raise ResolveError(f"no module named {error.name!r}", self._near_module(name)) from error
            # The path is right and the user's module is broken: show their error, not ours.
            where = self._place_of(error)
            message = f"importing {name!r} raised {type(error).__name__}: {error}{where}"
            raise ResolveError(message) from error
        except SystemExit as error:
            raise ResolveError(f"importing {name!r} called sys.exit({error.code!r})") from error

    def _near_module(self, name: str) -> str:
        near = difflib.get_close_matches(name, list(self._sources), n=1)
        return f"did you mean {near[0]!r}?" if near else f"modules are looked up in {self.root.name}/ first"

    def _place_of(self, error: Exception) -> str:
        if isinstance(error, SyntaxError) and error.filename:
            return f" at {self._shown(error.filename)}:{error.lineno}"
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(self.root)]
        frames = [f for f in frames if not Path(f.filename).is_relative_to(_RUNTIME_PACKAGE)]
        return f" at {self._shown(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""

    def _shown(self, filename: str) -> str:
        path = Path(filename)
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else filename

    def _is_project(self, name: str) -> bool:
        return name.partition(".")[0] in self._tops

    def load(self, name: str) -> ModuleType:
        """Return the project's module, running it first where that has not happened yet."""
        with self._lock:
            if name in self.modules:
                return self.modules[name]
            source = self._sources.get(name)
            if source is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            parent, _, leaf = name.rpartition(".")
            if parent:
                self.load(parent)
                if name in self.modules:  # the parent's own code imported it
                    return self.modules[name]
            module = self._execute(name, source)
            if parent:
                setattr(self.modules[parent], leaf, module)
            return module

    def _execute(self, name: str, source: _Source) -> ModuleType:
        module = _new_module(name, source)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        self.modules[name] = module
        self._publish(name, module)
        try:
            exec(compile(source.text, str(source.path), "exec", dont_inherit=True), module.__dict__)
        except BaseException:
            self._take_back(name)
            raise
        return module

    def discard(self) -> None:
        """Leave no trace in `sys.modules`: what this table put there gives way to what was there before."""
        with self._lock:
            for name in list(self.modules):
                self._take_back(name)

    def _publish(self, name: str, module: ModuleType) -> None:
        """Let `sys.modules` name the newest copy, unless the module is somebody else's in this process."""
        before = sys.modules.get(name)
        if before is not None and before not in _PROJECT_MODULES:
            file = getattr(before, "__file__", None)
            if file is None or not Path(file).resolve().is_relative_to(self.root):
                raise ImportError(f"the project's {name!r} has the name of an installed module (rename it)", name=name)
            return  # the app around us has imported the same file, and keeps its copy
        # Not held: a table must not keep the one before it alive.
        self._replaced[name] = None if before is None else weakref.ref(before)
        _PROJECT_MODULES.add(module)
        sys.modules[name] = module

    def _take_back(self, name: str) -> None:
        module, reference = self.modules.pop(name), self._replaced.pop(name, None)
        if sys.modules.get(name) is not module:
            return
        before = None if reference is None else reference()
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Stand in for `__import__` inside project modules: a project name is looked up in this table alone."""
        absolute = name
        if level:
            package = str((globals or {}).get("__package__") or "")
            absolute = importlib.util.resolve_name("." * level + name, package)
        if not self._is_project(absolute):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.load(absolute)
        if not fromlist:
            return self.modules[absolute.partition(".")[0]]
        wanted = getattr(module, "__all__", ()) if "*" in fromlist else fromlist
        for leaf in wanted:
            if not hasattr(module, leaf) and f"{absolute}.{leaf}" in self._sources:
                self.load(f"{absolute}.{leaf}")
        return module


def _new_module(name: str, source: _Source) -> ModuleType:
    locations = [str(source.path.parent)] if source.is_package else None
    spec = importlib.util.spec_from_file_location(name, source.path, submodule_search_locations=locations)
    assert spec is not None
    return importlib.util.module_from_spec(spec)


def _is_parent(missing: str | None, name: str) -> bool:
    return missing is not None and (name == missing or name.startswith(missing + "."))


def _read_sources(root: Path) -> dict[str, _Source]:
    sources: dict[str, _Source] = {}
    for folder, names, files in os.walk(root):
        here = Path(folder)
        names[:] = sorted(n for n in names if _is_package_folder(here / n))
        parts = here.relative_to(root).parts
        for file in sorted(files):
            if not file.endswith(".py") or not file[:-3].isidentifier():
                continue
            is_package = file == "__init__.py"
            if is_package and not parts:
                continue
            name = ".".join(parts if is_package else (*parts, file[:-3]))
            sources[name] = _Source(here / file, (here / file).read_bytes(), is_package)
    for name in list(sources):
        _add_namespace_packages(sources, root, name)
    for top in {name.partition(".")[0] for name in sources}:
        if top in sources and not sources[top].path.exists() and _is_installed(top):
            # A folder without __init__.py, such as agents/ full of YAML, gives way to a package of that name.
            sources = {name: source for name, source in sources.items() if name.partition(".")[0] != top}
    return sources


def _is_installed(top: str) -> bool:
    installed = [entry for entry in sys.path if Path(entry).name in _INSTALLED or entry == _STDLIB]
    spec = importlib.machinery.PathFinder.find_spec(top, installed)
    return spec is not None and spec.loader is not None


def _add_namespace_packages(sources: dict[str, _Source], root: Path, name: str) -> None:
    parent = name.rpartition(".")[0]
    while parent and parent not in sources:
        sources[parent] = _Source(root.joinpath(*parent.split("."), "__init__.py"), b"", is_package=True)
        parent = parent.rpartition(".")[0]


def _is_package_folder(folder: Path) -> bool:
    name = folder.name
    if not name.isidentifier() or name in _SKIPPED:
        return False
    return folder.resolve() != _RUNTIME_PACKAGE and not (folder / "pyvenv.cfg").exists()
