"""What stands in `sys.modules` for the project's modules: doors, each of which leads to the right generation's copy.

pickle, `typing.get_type_hints`, dataclasses, pydantic, `inspect` and `importlib.import_module` all find a module by its
name in `sys.modules`, of which there is one, while several generations may be at work. A door gives whoever looks
through it the copy of the generation that it runs on; to whoever runs on none, the copy of the one that serves.
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


class Table(Protocol):
    """The modules of one generation."""

    root: Path

    def knows(self, name: str) -> bool:
        """Say whether a module of this name would be the project's."""

    def find(self, name: str) -> ModuleType | None:
        """Return the module as far as it is loaded; never wait."""

    def has(self, name: str) -> bool:
        """Say whether there is such a module to load."""

    def load(self, name: str) -> ModuleType:
        """Load it."""


# Weak: whatever was begun inside, such as a connection that is kept, must not keep a generation alive.
_pinned: ContextVar[weakref.ref[Table] | None] = ContextVar("_pinned", default=None)
_serving: list[weakref.ref[Table]] = []
_lock = threading.RLock()

# What everyone asks every module in `sys.modules`; nothing is loaded for that.
_LOADS = {"__dict__", "__path__", "__all__"}


@contextmanager
def pinned(table: Table) -> Iterator[None]:
    """While inside, and in tasks that begin inside, doors lead to this table."""
    token = _pinned.set(weakref.ref(table))
    try:
        yield
    finally:
        _pinned.reset(token)


def serve(table: Table) -> None:
    """Make doors lead to this table for whoever is not pinned to one."""
    with _lock:
        retire(table)
        _serving.append(weakref.ref(table, lambda gone: retire(None)))


def open_door(name: str, table: Table) -> None:
    """Let `sys.modules` lead to the table's module; not if an app around the project has imported the same file.

    Raise ImportError where the name is that of a module from elsewhere.
    """
    with _lock:
        there = sys.modules.get(name)
        if there is None or isinstance(getattr(there, "__loader__", None), _DoorLoader):
            there = sys.modules[name] = Door(name)
        if isinstance(there, Door):
            if all(reference() is not table for reference in _tables(there)):
                _tables(there).append(weakref.ref(table, lambda gone: _forget(name, gone)))
            return
    file = getattr(there, "__file__", None)
    if file is None or not Path(file).resolve().is_relative_to(table.root):
        raise ImportError(f"the project's {name!r} has the name of an installed module (rename it)", name=name)


def close_door(name: str, table: Table) -> None:
    """Let `sys.modules` lead to what the table's module had displaced, if anything."""
    with _lock:
        there = sys.modules.get(name)
        if isinstance(there, Door):
            for reference in [reference for reference in _tables(there) if reference() is table]:
                _forget(name, reference)


def is_door(name: str) -> bool:
    """Say whether what stands in `sys.modules` under this name leads to some project's module."""
    return isinstance(sys.modules.get(name), Door)


def retire(table: Table | None) -> None:
    """Lead nobody to this table any more who is not pinned to it, nor to those that are gone."""
    with _lock:
        _serving[:] = [kept for kept in _serving if kept() not in (None, table)]


def _forget(name: str, reference: weakref.ref[Table]) -> None:
    with _lock:
        there = sys.modules.get(name)
        if isinstance(there, Door):
            tables = _tables(there)
            tables[:] = [kept for kept in tables if kept is not reference]
            if not tables:
                del sys.modules[name]


class Door(ModuleType):
    """A module whose attributes are those of another one, which depends on who asks."""

    def __getattribute__(self, attribute: str) -> Any:
        """Look it up in the copy of whoever asks."""
        return getattr(_target(self, attribute), attribute)

    def __setattr__(self, attribute: str, value: Any) -> None:
        """Set it there. Raise ImportError for what `importlib.reload` begins with: it would mix generations."""
        if attribute == "__spec__":
            raise ImportError(f"{_own(self)['__name__']!r} is loaded anew when its file is saved, not by hand")
        # importlib sets what it has imported as an attribute of the package; there, the module itself is.
        if not isinstance(value, Door):
            setattr(_target(self, attribute), attribute, value)

    def __delattr__(self, attribute: str) -> None:
        """Delete it there."""
        delattr(_target(self, attribute), attribute)

    def __dir__(self) -> list[str]:
        """List what is there."""
        return dir(_target(self, "__dict__"))

    def __repr__(self) -> str:
        """Show the module as itself."""
        return f"<module {_own(self)['__name__']!r} of the project>"


def _own(door: Door) -> dict[str, Any]:
    own: dict[str, Any] = object.__getattribute__(door, "__dict__")
    return own


def _tables(door: Door) -> list[weakref.ref[Table]]:
    tables: list[weakref.ref[Table]] = _own(door).setdefault("tables", [])
    return tables


def _target(door: Door, attribute: str) -> ModuleType:
    name = _own(door)["__name__"]
    table = _table_for(name, _tables(door))
    module = None if table is None else table.find(name)
    if module is None:
        is_asked_of_all = attribute.startswith("__") and attribute not in _LOADS
        if table is None or is_asked_of_all or not table.has(name):
            raise AttributeError(f"module {name!r} is not loaded in this generation of the project", name=attribute)
        module = table.load(name)
    return module


def _table_for(name: str, tables: Sequence[weakref.ref[Table]]) -> Table | None:
    # The latest one that serves; before any does, the latest one that has loaded it.
    for reference in (_pinned.get(), *reversed(_serving), *reversed(tables)):
        table = None if reference is None else reference()
        if table is not None and table.knows(name):
            return table
    return None


def _pinned_table() -> Table | None:
    reference = _pinned.get()
    return None if reference is None else reference()


class _DoorFinder:
    """Finds the project's modules for importlib, for whoever is pinned to a generation."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Find nothing that Python itself would find among what is installed."""
        table = _pinned_table()
        if table is None or not table.knows(name) or not table.has(name) or is_installed(name.partition(".")[0]):
            return None
        return importlib.machinery.ModuleSpec(name, _DoorLoader(table))


class _DoorLoader(Loader):
    """Puts a door where importlib has put a module of its own."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def exec_module(self, module: ModuleType) -> None:
        """Load the table's module; importlib then takes what stands in `sys.modules`."""
        self._table.load(module.__name__)
        open_door(module.__name__, self._table)


def find_for_importlib() -> None:
    """Make `importlib.import_module` find the modules of the generation that it is called in."""
    with _lock:
        if _DoorFinder not in sys.meta_path:
            sys.meta_path.insert(0, _DoorFinder)
