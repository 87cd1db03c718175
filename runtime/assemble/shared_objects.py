"""Objects of the project's own that outlive a generation: those of `state`, and a store.

As long as their declaration and the project's Python stay the same, the next generation has the same objects. After
an edit of the Python they are made anew, and only JSON crosses over: what `dump()` of the old one gives goes to
`load()` of the new one, where the class has both.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from chatkit.store import Store

from runtime.assemble.context import RuntimeContext
from runtime.assemble.problems import BuildError, Problems, refuse_coroutine
from runtime.config.model import Config
from runtime.config.model.server import PythonStore
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Share

if TYPE_CHECKING:
    from runtime.assemble.project import Snapshot


class Kept:
    """Makes these objects, or takes them from the generation before."""

    def __init__(self, code: ProjectCode, share: Share, found: Problems) -> None:
        self.code, self.share, self.found = code, share, found

    def state(self, config: Config) -> dict[str, Any]:
        """Return the objects of `state`: classes and functions are called, anything else is taken as it is."""
        state: dict[str, Any] = {}
        for name, path in config.state.items():
            with self.found.at("A314", "state", name):
                if hasattr(RuntimeContext, name) or name in RuntimeContext.model_fields:
                    raise BuildError(f"{name!r} would hide what ctx.context.{name} is already", "choose another name")
                state[name] = self._get(name, path)
        return state

    def store(self, config: Config) -> Store[Any] | None:
        """Return the project's own store, or None where a URL says where threads are kept."""
        if not isinstance(config.store, PythonStore):
            return None
        path, arguments = config.store.python, config.store.with_
        with self.found.at("A315", "store"):
            key = ("store", path, json.dumps(arguments, sort_keys=True, default=str), self.code)
            # Not closed by itself: whoever opens it closes it.
            return self.share.get(key, lambda: _make_store(self.code.resolve(path), path, arguments))
        return None

    def _get(self, name: str, path: str) -> Any:
        value = self.code.resolve(path)
        makes = isinstance(value, type) or inspect.isfunction(value)
        key = _state_key(self.code, name, path)
        # An object that a module holds is the module's: another generation may use it as long as there is the module.
        return self.share.get(key, lambda: value() if makes else value, close_object if makes else None)


def _state_key(code: ProjectCode, name: str, path: str) -> tuple[Any, ...]:
    return ("state", name, path, code)


def _make_store(value: Any, path: str, arguments: Mapping[str, Any]) -> Store[Any]:
    if not isinstance(value, Store):
        value = value(**arguments)
        refuse_coroutine(value, path)
    if not isinstance(value, Store):
        raise BuildError(f"{path!r} gave {type(value).__name__}, not a chatkit.store.Store", code="A324")
    return value


def close_object(value: Any) -> Awaitable[None] | None:
    """Call the object's `aclose()` or `close()`, where it has one that wants no arguments."""
    for name in ("aclose", "close"):
        method = getattr(value, name, None)
        if callable(method) and _wants_nothing(method):
            closing = method()
            return closing if inspect.isawaitable(closing) else None
    return None


def _wants_nothing(method: Callable[..., Any]) -> bool:
    try:
        inspect.signature(method).bind()
    except (TypeError, ValueError):
        return False
    return True


def take_over(old: Snapshot, new: Snapshot, share: Share, found: Problems) -> list[str]:
    """Hand what the old objects hold to the new ones of the same declaration; return those that began empty.

    Called in the event loop, right before the swap: between a `dump()` and the swap nothing else runs.
    """
    empty: list[str] = []
    for name, made in new.state.items():
        before = old.state.get(name)
        if before is not None and before is not made and old.config.state[name] == new.config.state[name]:
            with found.at("A316", "state", name):
                filled = _hand_over(before, made)
                if filled is None:
                    empty.append(f"state.{name}")
                elif filled is not made:
                    new.state[name] = filled
                    share.replace(_state_key(new.code, name, new.config.state[name]), filled)
    if new.own_store is not None and old.own_store is not None and new.own_store is not old.own_store:
        with found.at("A316", "store"):
            if _hand_over(old.own_store, new.own_store) is not new.own_store:
                empty.append("store")
    return empty


def _hand_over(before: Any, made: Any) -> Any:
    """Return the object that holds what the old one held: `made`, or what its `load()` made; None if that can't be."""
    dump, load = getattr(before, "dump", None), getattr(made, "load", None)
    if not callable(dump) or not callable(load):
        return None
    try:
        loaded = load(json.loads(json.dumps(dump())))
    except (Exception, SystemExit) as error:
        raise BuildError(
            f"dump() and load() of {type(made).__name__!r} raised {type(error).__name__}: {error}", about=error
        ) from error
    if inspect.isawaitable(loaded):
        raise BuildError(f"load() of {type(made).__name__!r} is async", "make it a plain method that fills the object")
    return loaded if isinstance(loaded, type(made)) else made
