"""Load the project's Python modules: each `ProjectCode` has a private table of modules.

Two tables of the same folder share no module, so a reload never mixes old code with new, and two projects in one
process may both have a package named `tools`. Sources are read once, when the table is made; modules outside the
project folder are imported as usual and shared. This is the only module that imports the project's code.
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

from runtime.diagnostics.wording import suggest
from runtime.project_code import proxies
from runtime.project_code.code_cache import CompiledModules, MemoryLoader, new_module
from runtime.project_code.import_errors import ResolveError, explain_import_error
from runtime.project_code.sources import ModuleSource, Sources, read_sources
from runtime.resources.interrupts import is_interrupt
from runtime.sdk_internals import clear_typing_caches, mark_initializing

__all__ = ["Attempt", "ProjectCode", "ResolveError"]

# How often each module has started to run in this process, by the hash of its name and file.
_runs: dict[int, int] = {}


class ProjectCode:
    """The importable modules under one project folder; the first thread that needs a module loads it, once.

    A thread that needs a module while another thread loads it waits for that module only, and never where waiting
    would be a deadlock, in a circle of imports. A loaded module is returned without waiting.
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
        proxies.install_finder()

    @property
    def hash(self) -> str:
        """The hash of all sources: two tables with the same hash behave alike."""
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
                hint = suggest(attribute, names)
                raise ResolveError(f"module {module_name!r} has no {attribute!r}", hint, code="A321") from None
        return value

    def _import_for(self, name: str) -> ModuleType:
        try:
            with self.attempt():
                return self.load(name) if self._is_ours(name) else importlib.import_module(name)
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise explain_import_error(error, name, self.sources, self._has_run_before) from error

    def publish(self) -> None:
        """Make the proxies in `sys.modules` forward to these modules, for callers that are pinned to no generation."""
        proxies.start_serving(self)

    def pinned(self) -> AbstractContextManager[None]:
        """Make the proxies forward to these modules inside a `with` block, and in tasks and threads that inherit it.

        So pickle, `typing.get_type_hints`, pydantic, `inspect` and `importlib.import_module` find the modules of the
        generation that they run on. The `import` statements of the project's own modules do not depend on it.
        """
        return proxies.pinned(self)

    @contextmanager
    def attempt(self) -> Iterator[Attempt]:
        """Unload the modules that this thread loads in the block, if it raises or `fail()` is called.

        Afterwards neither the table nor `sys.modules` holds them, except modules that another thread has used
        meanwhile. The block is pinned, and must not await: other tasks of the thread would lose their modules, too.
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
                self._unload(attempt)
            elif outer is not None:
                outer.loaded += attempt.loaded
            else:
                with changed:
                    self._settle(thread)

    def discard(self) -> None:
        """Remove the modules' proxies from `sys.modules`; code that is pinned to the table can still use it."""
        proxies.stop_serving(self)
        for name in self.modules:
            proxies.remove_proxy(name, self)
        # The caches of `typing` hold the latest types that were looked up, and a type holds its whole generation.
        clear_typing_caches()

    def knows(self, name: str) -> bool:
        """Return whether a module of this name would belong to the project."""
        return name.partition(".")[0] in self._tops

    def _is_ours(self, name: str) -> bool:
        """Return the same, and True for a name whose last file was deleted: an older generation still has its proxy."""
        return self.knows(name) or proxies.is_proxy(name.partition(".")[0])

    def has(self, name: str) -> bool:
        """Return whether there is such a module, loaded or not."""
        return name in self.sources.modules

    def find(self, name: str) -> ModuleType | None:
        """Return the module, also when it is only partly loaded, without waiting; None before its load starts."""
        with changed:
            load = self._tried.get(name) or self._loading.get(name)
            return self._settled.get(name) if load is None else load.module

    def is_awaited(self, name: str) -> bool:
        """Return whether a thread waits for another one that loads this module."""
        with changed:
            load = self._loading.get(name)
            return load is not None and any(awaited is load for awaited in _waiting.values())

    def load(self, name: str) -> ModuleType:
        """Return the project's module, and run it first if it is not loaded yet.

        Raise ModuleNotFoundError where there is none, or the module's own exception.
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
        """Return the module if the thread may use it now; None if it must wait for it, or load it."""
        loaded, loading = self._tried.get(name), self._loading.get(name)
        if loaded is not None:
            if loaded.thread != thread:
                self._settle(loaded.thread)
            return loaded.module
        if loading is not None and would_deadlock(loading, thread):
            return loading.module
        return self._settled.get(name)

    def _settle(self, thread: int) -> None:
        """Keep the modules that the thread has loaded, also if its attempt fails later."""
        for loaded in [loaded for loaded in self._tried.values() if loaded.thread == thread]:
            self._settled[loaded.name] = loaded.module
            del self._tried[loaded.name]

    def _unload(self, attempt: Attempt) -> None:
        for loaded in reversed(attempt.loaded):
            with changed:
                if self._tried.get(loaded.name) is not loaded:
                    continue
                del self._tried[loaded.name]
            proxies.remove_proxy(loaded.name, self)
            loaded.detach()

    def _new_module(self, name: str, source: ModuleSource) -> ModuleType:
        module = new_module(name, source, self._compiled)
        for builtin, value in vars(builtins).items():
            self._builtins.setdefault(builtin, value)
        module.__dict__["__builtins__"] = self._builtins
        return module

    def _run_module(self, load: Load, source: ModuleSource) -> ModuleType:
        good = False
        try:
            if source.fault:
                shown = source.path.relative_to(self.root).as_posix()
                raise ImportError(f"{shown!r} can't be read: {source.fault}", name=load.name)
            proxies.add_proxy(load.name, self)
            with self.pinned():
                load.module = self._execute(load.name, load.module)
            load.attach(self.find(load.name.rpartition(".")[0]))
            good = True
        finally:
            if not good:
                proxies.remove_proxy(load.name, self)
                load.detach()
            self._finish(load, good)
        return load.module

    def _execute(self, name: str, module: ModuleType) -> ModuleType:
        spec = module.__spec__
        assert spec is not None
        assert isinstance(spec.loader, MemoryLoader)
        code = spec.loader.get_code(name)
        _runs[self._run(name)] = _runs.get(self._run(name), 0) + 1
        proxy = sys.modules.get(name)
        # Python then names a circular import as the cause of an error.
        mark_initializing(spec, True)
        try:
            exec(code, module.__dict__)
        finally:
            mark_initializing(spec, False)
            entry = sys.modules.get(name)
            if proxy is not None:
                sys.modules[name] = proxy
        # A module may replace its own entry in `sys.modules`.
        return module if entry is proxy or entry is None else entry

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

    def _has_run_before(self, name: str) -> bool:
        return _runs.get(self._run(name), 0) > 1

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Replace `__import__` inside project modules: a name of the project is looked up in this table only."""
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
        """Set a partly loaded module on its package: else Python takes its proxy, which changes with the generation."""
        load = self._loading.get(name)
        if load is not None:
            load.attach(self.find(name.rpartition(".")[0]))


# Loads in progress: which thread loads each module, which thread waits for which load, and how to undo a load.

_MISSING = object()


@dataclass(eq=False, slots=True)
class Load:
    """A module that a thread loads, or has loaded in an attempt; `before` is the former attribute of its package."""

    name: str
    module: ModuleType
    thread: int
    ended: bool = False
    package: ModuleType | None = None
    before: Any = _MISSING

    def attach(self, package: ModuleType | None) -> None:
        """Set the module as an attribute of its package."""
        leaf = self.name.rpartition(".")[2]
        if self.package is None and package is not None:
            self.package, self.before = package, getattr(package, "__dict__", {}).get(leaf, _MISSING)
        if self.package is not None:
            setattr(self.package, leaf, self.module)

    def detach(self) -> None:
        """Restore the former attribute of the package."""
        leaf = self.name.rpartition(".")[2]
        if self.package is None or getattr(self.package, "__dict__", {}).get(leaf) is not self.module:
            return
        if self.before is _MISSING:
            delattr(self.package, leaf)
        else:
            setattr(self.package, leaf, self.before)


@dataclass(eq=False, slots=True)
class Attempt:
    """The modules that a `with code.attempt()` block has loaded so far."""

    loaded: list[Load] = field(default_factory=list)
    failed: bool = False

    def fail(self) -> None:
        """Unload the modules at the end of the block, although nothing is raised."""
        self.failed = True


# Guards all tables, and is never held while the project's code runs. A deadlock may involve several tables.
changed = threading.Condition()
_waiting: dict[int, Load] = {}


def wait_for(load: Load) -> None:
    """Wait, with `changed` held, until this load or another one has changed."""
    thread = threading.get_ident()
    _waiting[thread] = load
    try:
        changed.wait()
    finally:
        del _waiting[thread]


def would_deadlock(load: Load, thread: int) -> bool:
    """Return whether the load would never end if this thread waited for it; the thread may be its own."""
    seen: set[int] = set()
    blocked: Load | None = load
    while blocked is not None and not blocked.ended and blocked.thread not in seen:
        if blocked.thread == thread:
            return True
        seen.add(blocked.thread)
        blocked = _waiting.get(blocked.thread)
    return False
