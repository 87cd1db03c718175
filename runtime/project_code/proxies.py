"""Proxies in `sys.modules` that forward to the current generation's copy of a project module.

pickle, `typing.get_type_hints`, dataclasses, pydantic, `inspect` and `importlib.import_module` all look a module up by
its name in `sys.modules`, which has one entry for it, while several generations may be running. A proxy forwards each
attribute access to the copy of the generation that the caller is pinned to, else to that of the serving generation.
"""

from __future__ import annotations

import importlib.machinery
import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.abc import Loader
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from runtime.project_code.sources import is_installed


class ModuleTable(Protocol):
    """The modules of one generation."""

    root: Path

    def knows(self, name: str) -> bool:
        """Return whether a module of this name would belong to the project."""

    def find(self, name: str) -> ModuleType | None:
        """Return the module, also when it is only partly loaded; never wait."""

    def has(self, name: str) -> bool:
        """Return whether there is such a module to load."""

    def load(self, name: str) -> ModuleType:
        """Load the module."""


# Weak: a connection or task that starts inside must not keep a generation alive.
_pinned: ContextVar[weakref.ref[ModuleTable] | None] = ContextVar("_pinned", default=None)
_serving: list[weakref.ref[ModuleTable]] = []
_lock = threading.RLock()

# Dunder attributes that load a module; any other one is read from every module in `sys.modules`, and loads nothing.
_LOADS = {"__dict__", "__path__", "__all__"}


@contextmanager
def pinned(table: ModuleTable) -> Iterator[None]:
    """Make proxies forward to this table inside the block, and in tasks that start inside it."""
    token = _pinned.set(weakref.ref(table))
    try:
        yield
    finally:
        _pinned.reset(token)


def pinned_table() -> ModuleTable | None:
    """Return the table that the current context is pinned to."""
    reference = _pinned.get()
    return None if reference is None else reference()


def serving_tables() -> list[weakref.ref[ModuleTable]]:
    """Return references to the tables that serve callers without a pin, the latest last."""
    return list(_serving)


def start_serving(table: ModuleTable) -> None:
    """Make proxies forward callers without a pin to this table."""
    with _lock:
        stop_serving(table)
        _serving.append(weakref.ref(table, lambda _: stop_serving(None)))


def stop_serving(table: ModuleTable | None) -> None:
    """Forward callers without a pin no longer to this table, nor to tables that were collected."""
    with _lock:
        _serving[:] = [reference for reference in _serving if reference() not in (None, table)]


def add_proxy(name: str, table: ModuleTable) -> None:
    """Put a proxy for the table's module into `sys.modules`, unless a host application has imported the same file.

    Raise ImportError where a module from elsewhere has the name.
    """
    with _lock:
        module = sys.modules.get(name)
        if module is None or isinstance(getattr(module, "__loader__", None), _ProxyLoader):
            module = sys.modules[name] = ModuleProxy(name)
        if isinstance(module, ModuleProxy):
            if all(reference() is not table for reference in _tables(module)):
                _tables(module).append(weakref.ref(table, lambda reference: _remove_table(name, reference)))
            return
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).resolve().is_relative_to(table.root):
        raise ImportError(f"the project's {name!r} has the name of an installed module (rename it)", name=name)


def remove_proxy(name: str, table: ModuleTable) -> None:
    """Remove the table from the proxy of this name, and the proxy once it has no table."""
    with _lock:
        module = sys.modules.get(name)
        if isinstance(module, ModuleProxy):
            for reference in [reference for reference in _tables(module) if reference() is table]:
                _remove_table(name, reference)


def _remove_table(name: str, removed: weakref.ref[ModuleTable]) -> None:
    with _lock:
        module = sys.modules.get(name)
        if isinstance(module, ModuleProxy):
            tables = _tables(module)
            tables[:] = [reference for reference in tables if reference is not removed]
            if not tables:
                del sys.modules[name]


def is_proxy(name: str) -> bool:
    """Return whether the module of this name in `sys.modules` is a proxy."""
    return isinstance(sys.modules.get(name), ModuleProxy)


class ModuleProxy(ModuleType):
    """A module that forwards every attribute to the copy of one generation, chosen at each access."""

    def __getattribute__(self, attribute: str) -> Any:
        return getattr(_target(self, attribute), attribute)

    def __setattr__(self, attribute: str, value: Any) -> None:
        # `importlib.reload` sets it, and would mix generations.
        if attribute == "__spec__":
            raise ImportError(f"{_own(self)['__name__']!r} is loaded anew when its file is saved, not by hand")
        # importlib sets an imported submodule on its package: the copy already has the module itself.
        if not isinstance(value, ModuleProxy):
            setattr(_target(self, attribute), attribute, value)

    def __delattr__(self, attribute: str) -> None:
        delattr(_target(self, attribute), attribute)

    def __dir__(self) -> list[str]:
        return dir(_target(self, "__dict__"))

    def __repr__(self) -> str:
        return f"<module {_own(self)['__name__']!r} of the project>"


def _own(proxy: ModuleProxy) -> dict[str, Any]:
    own: dict[str, Any] = object.__getattribute__(proxy, "__dict__")
    return own


def _tables(proxy: ModuleProxy) -> list[weakref.ref[ModuleTable]]:
    tables: list[weakref.ref[ModuleTable]] = _own(proxy).setdefault("tables", [])
    return tables


def _target(proxy: ModuleProxy, attribute: str) -> ModuleType:
    name = _own(proxy)["__name__"]
    table = _table_for(name, _tables(proxy))
    module = None if table is None else table.find(name)
    if module is None:
        loads_nothing = attribute.startswith("__") and attribute not in _LOADS
        if table is None or loads_nothing or not table.has(name):
            raise AttributeError(f"module {name!r} is not loaded in this generation of the project", name=attribute)
        module = table.load(name)
    return module


def _table_for(name: str, tables: Sequence[weakref.ref[ModuleTable]]) -> ModuleTable | None:
    # The latest one that serves; before any does, the latest one that has loaded it.
    for reference in (_pinned.get(), *reversed(_serving), *reversed(tables)):
        table = None if reference is None else reference()
        if table is not None and table.knows(name):
            return table
    return None


class _ProxyFinder:
    """Finds the modules of the pinned generation for importlib."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Find the project's modules only; an installed package of the same name has precedence."""
        table = pinned_table()
        if table is None or not table.knows(name) or not table.has(name) or is_installed(name.partition(".")[0]):
            return None
        return importlib.machinery.ModuleSpec(name, _ProxyLoader(table))


class _ProxyLoader(Loader):
    """Replaces the module that importlib has created by a proxy."""

    def __init__(self, table: ModuleTable) -> None:
        self._table = table

    def exec_module(self, module: ModuleType) -> None:
        """Load the table's module; importlib then returns the entry in `sys.modules`."""
        self._table.load(module.__name__)
        add_proxy(module.__name__, self._table)


def install_finder() -> None:
    """Make `importlib.import_module` find the modules of the generation that calls it."""
    with _lock:
        if _ProxyFinder not in sys.meta_path:
            sys.meta_path.insert(0, _ProxyFinder)
