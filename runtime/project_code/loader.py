"""Run the project's Python, whole and apart: one private table of modules for each `ProjectCode`.

Two loads of the same folder share no module, so a reload never mixes old code with new, and two projects in one
process may both have a package named `tools`. Sources are read once, when the table is made; what lies outside the
project folder is imported as usual and shared. This is the only module that imports the project's code.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from runtime.project_code import proxies as doors
from runtime.project_code.code_cache import CompiledModules, MemoryLoader, new_module
from runtime.project_code.import_errors import ResolveError, explain, near_miss
from runtime.project_code.sources import Source, Sources, read_sources
from runtime.sdk_internals import clear_typing_caches, mark_initializing

__all__ = ["Attempt", "ProjectCode", "ResolveError"]


# How often each module has begun to run in this process, by the hash of its name and file.
_runs: dict[int, int] = {}


class ProjectCode:
    """The importable modules under one project folder, loaded at most once each, by whichever thread needs one first.

    A thread that needs a module while another one loads it waits for that module alone, and for none in a circle of
    imports that would never end. What is loaded already is never waited for.
    """

    def __init__(self, root: Path, sources: Sources | None = None) -> None:
        self.root = root.resolve()
        self.sources = read_sources(self.root) if sources is None else sources
        self._tops = {name.partition(".")[0] for name in self.sources.modules}
        self._compiled = CompiledModules()
        self._builtins: dict[str, Any] = {"__import__": self._import}
        self._settled: dict[str, ModuleType] = {}
        self._tried: dict[str, Load] = {}
        self._loading: dict[str, Load] = {}
        self._attempts: dict[int, Attempt] = {}
        doors.find_for_importlib()

    @property
    def hash(self) -> str:
        """A hash over all sources: two tables with the same hash behave alike."""
        return self.sources.hash

    @property
    def modules(self) -> Mapping[str, ModuleType]:
        """The modules that have been loaded, by name."""
        with changed:
            return {**self._settled, **{name: loaded.module for name, loaded in self._tried.items()}}

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
                names = list(vars(value)) if hasattr(value, "__dict__") else []
                hint = near_miss(attribute, names)
                raise ResolveError(f"module {module_name!r} has no {attribute!r}", hint, code="A321") from None
        return value

    def _import_for(self, name: str) -> ModuleType:
        try:
            with self.attempt():
                return self.load(name) if self._is_ours(name) else importlib.import_module(name)
        except (Exception, SystemExit) as error:
            raise explain(error, name, self.sources, lambda module: _runs.get(self._run(module), 0) > 1) from error

    def publish(self) -> None:
        """Let `sys.modules` lead to these modules from now on, for whoever runs on no generation: this one serves."""
        doors.serve(self)

    def pinned(self) -> AbstractContextManager[None]:
        """Let `sys.modules` lead to these modules inside a `with` block, and in tasks and threads that inherit it.

        That is how pickle, `typing.get_type_hints`, pydantic, `inspect` and `importlib.import_module` find the modules
        of the generation that they run on. The `import` statements of the project's own modules need none of this.
        """
        return doors.pinned(self)

    @contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """Take back the modules that this thread loads in the block, if it raises or `fail()` is called.

        Then neither the table nor `sys.modules` shows a trace of it, other than modules that another thread has used
        meanwhile. The block is pinned, and must not await: what else ran in this thread would be taken back with it.
        """
        thread = threading.get_ident()
        outer, attempt = self._attempts.get(thread), Attempt()
        self._attempts[thread] = attempt
        try:
            with self.pinned():
                yield attempt
        except BaseException:
            attempt.fail()
            raise
        finally:
            if outer is None:
                del self._attempts[thread]
            else:
                self._attempts[thread] = outer
            if attempt.failed:
                self._take_back(attempt)
            elif outer is not None:
                outer.loaded += attempt.loaded
            else:
                with changed:
                    self._settle(thread)

    def discard(self) -> None:
        """Leave no trace in `sys.modules`: the table stays usable for whatever still runs, but nobody is led to it."""
        doors.retire(self)
        for name in self.modules:
            doors.close_door(name, self)
        # They hold on to the latest types that they were asked about, and a type to all of its generation.
        clear_typing_caches()

    def knows(self, name: str) -> bool:
        """Say whether a module of this name would be the project's."""
        return name.partition(".")[0] in self._tops

    def _is_ours(self, name: str) -> bool:
        """Say the same, also of a name whose last file has been deleted: its door leads to an older generation."""
        return self.knows(name) or doors.is_door(name.partition(".")[0])

    def has(self, name: str) -> bool:
        """Say whether there is such a module, loaded or not."""
        return name in self.sources.modules

    def find(self, name: str) -> ModuleType | None:
        """Return the module as far as it is loaded, without waiting for the rest, or None if that has not begun."""
        with changed:
            found = self._tried.get(name) or self._loading.get(name)
            return self._settled.get(name) if found is None else found.module

    def load(self, name: str) -> ModuleType:
        """Return the project's module, running it first where that has not happened yet.

        Raise ModuleNotFoundError where there is none, and whatever the module raises.
        """
        module = self._settled.get(name)
        return self._load(name) if module is None else module

    def _load(self, name: str) -> ModuleType:
        source = self.sources.modules.get(name)
        if source is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        package = name.rpartition(".")[0]
        if package:
            self.load(package)
        thread = threading.get_ident()
        with changed:
            while (module := self._ready(name, thread)) is None:
                other = self._loading.get(name)
                if other is None:
                    break
                wait_for(other)
            else:
                return module
            load = self._loading[name] = Load(name, self._new_module(name, source), thread)
        return self._run_module(load, source)

    def _ready(self, name: str, thread: int) -> ModuleType | None:
        """Return what the thread may see of the module now; None if it must wait, or load it itself."""
        loaded, loading = self._tried.get(name), self._loading.get(name)
        if loaded is not None:
            if loaded.thread != thread:
                self._settle(loaded.thread)
            return loaded.module
        if loading is not None and waits_for(loading, thread):
            return loading.module
        return self._settled.get(name)

    def _settle(self, thread: int) -> None:
        """Keep what the thread has loaded, whatever becomes of its attempt."""
        for loaded in [loaded for loaded in self._tried.values() if loaded.thread == thread]:
            self._settled[loaded.name] = loaded.module
            del self._tried[loaded.name]

    def _take_back(self, attempt: Attempt) -> None:
        for loaded in reversed(attempt.loaded):
            with changed:
                if self._tried.get(loaded.name) is not loaded:
                    continue
                del self._tried[loaded.name]
            doors.close_door(loaded.name, self)
            loaded.detach()

    def _new_module(self, name: str, source: Source) -> ModuleType:
        module = new_module(name, source, self._compiled)
        for builtin, value in vars(builtins).items():
            self._builtins.setdefault(builtin, value)
        module.__dict__["__builtins__"] = self._builtins
        return module

    def _run_module(self, load: Load, source: Source) -> ModuleType:
        good = False
        try:
            if source.fault:
                shown = source.path.relative_to(self.root).as_posix()
                raise ImportError(f"{shown!r} can't be read: {source.fault}", name=load.name)
            doors.open_door(load.name, self)
            with self.pinned():
                load.module = self._execute(load.name, load.module)
            load.attach(self.find(load.name.rpartition(".")[0]))
            good = True
        finally:
            if not good:
                doors.close_door(load.name, self)
                load.detach()
            self._finish(load, good)
        return load.module

    def _execute(self, name: str, module: ModuleType) -> ModuleType:
        spec = module.__spec__
        assert spec is not None
        assert isinstance(spec.loader, MemoryLoader)
        code = spec.loader.get_code(name)
        _runs[self._run(name)] = _runs.get(self._run(name), 0) + 1
        door = sys.modules.get(name)
        # With it, a circular import that can't work is called one in the error.
        mark_initializing(spec, True)
        try:
            exec(code, module.__dict__)
        finally:
            mark_initializing(spec, False)
            there = sys.modules.get(name)
            if door is not None:
                sys.modules[name] = door
        # A module may put something else in its own place.
        return module if there is door or there is None else there

    def _finish(self, load: Load, good: bool) -> None:
        with changed:
            del self._loading[load.name]
            load.ended = True
            attempt = self._attempts.get(load.thread)
            if good and attempt is None:
                self._settled[load.name] = load.module
            elif good and attempt is not None:
                self._tried[load.name] = load
                attempt.loaded.append(load)
            changed.notify_all()

    def _run(self, name: str) -> int:
        return hash((name, self.sources.modules[name].path))

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
        if not self._is_ours(absolute):
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.load(absolute)
        if not fromlist:
            parts = absolute.split(".")
            for count in range(2, len(parts) + 1):
                self._attach_circular(".".join(parts[:count]))
            return self.load(parts[0])
        wanted = getattr(module, "__all__", ()) if "*" in fromlist else fromlist
        for leaf in wanted:
            name = f"{absolute}.{leaf}"
            if self.has(name) and (name in self._loading or not hasattr(module, leaf)):
                self.load(name)
                self._attach_circular(name)
        return module

    def _attach_circular(self, name: str) -> None:
        """Make a module that is only half loaded, in a circle of imports, an attribute of its package already.

        Otherwise Python would take it from `sys.modules`, and the door there does not lead to this generation for ever.
        """
        load = self._loading.get(name)
        if load is not None:
            load.attach(self.find(name.rpartition(".")[0]))


# Modules on their way into a table: which thread loads each, who waits for whom, and how to take one back.

_MISSING = object()


@dataclass(eq=False, slots=True)
class Load:
    """A module that a thread loads, or has loaded inside an attempt; and what its package had under its name before."""

    name: str
    module: ModuleType
    thread: int
    ended: bool = False
    package: ModuleType | None = None
    before: Any = _MISSING

    def attach(self, package: ModuleType | None) -> None:
        """Make the module an attribute of its package."""
        leaf = self.name.rpartition(".")[2]
        if self.package is None and package is not None:
            self.package, self.before = package, getattr(package, "__dict__", {}).get(leaf, _MISSING)
        if self.package is not None:
            setattr(self.package, leaf, self.module)

    def detach(self) -> None:
        """Give the package back what it had."""
        leaf = self.name.rpartition(".")[2]
        if self.package is None or getattr(self.package, "__dict__", {}).get(leaf) is not self.module:
            return
        if self.before is _MISSING:
            delattr(self.package, leaf)
        else:
            setattr(self.package, leaf, self.before)


@dataclass(eq=False, slots=True)
class Attempt:
    """What a `with code.attempt()` block has loaded so far."""

    loaded: list[Load] = field(default_factory=list)
    failed: bool = False

    def fail(self) -> None:
        """Let the end of the block take back whatever was loaded in it, although nothing is raised."""
        self.failed = True


# Guards every table, never while the project's code runs. One for all: a circle of waiting threads may cross tables.
changed = threading.Condition()
_waiting: dict[int, Load] = {}


def wait_for(load: Load) -> None:
    """Wait, with `changed` held, until something has changed: that module, or another one."""
    thread = threading.get_ident()
    _waiting[thread] = load
    try:
        changed.wait()
    finally:
        del _waiting[thread]


def waits_for(load: Load, thread: int) -> bool:
    """Say whether that module would wait for ever if this thread, which may be the one that loads it, waited for it."""
    seen: set[int] = set()
    blocked: Load | None = load
    while blocked is not None and not blocked.ended and blocked.thread not in seen:
        if blocked.thread == thread:
            return True
        seen.add(blocked.thread)
        blocked = _waiting.get(blocked.thread)
    return False
