"""Objects of the project's own Python that the file names: context, converter, routers, and the shared objects.

Shared objects (those of `state`, and a store) outlive a generation: while their declaration and the project's Python
are unchanged, the next generation uses the same objects. After an edit of the Python they are made again, and only
JSON is carried over: the new object's `load()` gets what the old one's `dump()` returned, where the class has both.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatkit.agents import AgentContext, ResponseStreamConverter, ThreadItemConverter
from chatkit.store import Store
from fastapi import APIRouter

from runtime.assemble.context import RuntimeContext, context_type
from runtime.assemble.functions import AsyncFunction, ProjectFunctions, refuse_coroutine
from runtime.assemble.problems import BuildError, Problems
from runtime.config.model import Config
from runtime.config.model.server import PythonStore
from runtime.config.model.types import MadeObject
from runtime.project_code.loader import ProjectCode
from runtime.resources.interrupts import is_interrupt
from runtime.resources.pool import Share

OwnConverter = type[ThreadItemConverter] | ThreadItemConverter | None
MixConverter = Callable[[OwnConverter, Mapping[str, Any]], ThreadItemConverter]


def build_context(config: Config, functions: ProjectFunctions, problems: Problems) -> AsyncFunction | None:
    """Return the function of `context`; None where there is none."""
    with problems.record("A310", "context"):
        return functions.resolve(config.context, "a function of the request") if config.context else None
    return None


def build_context_class(config: Config, code: ProjectCode, problems: Problems) -> type[RuntimeContext]:
    """Return RuntimeContext, with the class of `context_class` mixed in where there is one."""
    if config.context_class is not None:
        with problems.record("A311", "context_class"):
            value = code.resolve(config.context_class)
            if not isinstance(value, type) or not issubclass(value, AgentContext):
                message = f"{config.context_class!r} is no subclass of chatkit.agents.AgentContext"
                raise BuildError(message, "derive it from runtime.RuntimeContext", code="A324")
            _refuse_empty_fields(config, value)
            return context_type(value)
    return RuntimeContext


def _refuse_empty_fields(config: Config, kind: type[AgentContext[Any]]) -> None:
    """Raise BuildError for a required field that nothing fills: the context is made without validation."""
    if kind.model_post_init not in (RuntimeContext.model_post_init, AgentContext.model_post_init):
        return
    filled = {*RuntimeContext.model_fields, *config.state}
    for name, field_info in kind.model_fields.items():
        if field_info.is_required() and name not in filled:
            message = f"the field {name!r} of {config.context_class!r} is never filled"
            raise BuildError(message, "declare it in 'state', or give it a value", code="A331")


def build_converter(config: Config, code: ProjectCode, mix: MixConverter, problems: Problems) -> ThreadItemConverter:
    """Return the converter that `mix` makes of the project's own and its arguments, or of none."""
    if config.converter is not None:
        with problems.record("A312", "converter"):
            return _own_converter(config.converter, code, mix)
    return mix(None, {})


def build_stream_converter(config: Config, code: ProjectCode, problems: Problems) -> ResponseStreamConverter | None:
    """Return the project's own converter of what models stream, or None; its class is called once."""
    if config.stream_converter is not None:
        with problems.record("A312", "stream_converter"):
            return _own_stream_converter(config.stream_converter, code)
    return None


def _own_stream_converter(entry: MadeObject, code: ProjectCode) -> ResponseStreamConverter:
    value, arguments = code.resolve(entry.python), entry.with_
    if isinstance(value, type) and issubclass(value, ResponseStreamConverter):
        return value(**arguments)
    if not isinstance(value, ResponseStreamConverter):
        raise BuildError(f"{entry.python!r} is no chatkit.agents.ResponseStreamConverter", code="A324")
    if arguments:
        raise _takes_no_arguments(entry)
    return value


def _own_converter(entry: MadeObject, code: ProjectCode, mix: MixConverter) -> ThreadItemConverter:
    value, arguments = code.resolve(entry.python), entry.with_
    if isinstance(value, type) and issubclass(value, ThreadItemConverter):
        return mix(value, arguments)
    if not isinstance(value, ThreadItemConverter):
        raise BuildError(f"{entry.python!r} is no chatkit.agents.ThreadItemConverter", code="A324")
    if arguments:
        raise _takes_no_arguments(entry)
    return mix(value, {})


def _takes_no_arguments(entry: MadeObject) -> BuildError:
    hint = "name its class, or remove 'with'"
    return BuildError(f"{entry.python!r} is an object and takes no arguments", hint, code="A325", inside=("with",))


@dataclass(frozen=True, slots=True)
class BuiltRouter:
    """A router of the project, and who may use its routes."""

    router: APIRouter
    public: bool = False
    roles: Sequence[str] = ()


def build_routers(config: Config, code: ProjectCode, problems: Problems) -> tuple[BuiltRouter, ...]:
    """Return the routers of `routes`, in the order of the file."""
    routers: list[BuiltRouter] = []
    for index, entry in enumerate(config.routes):
        path = entry.python
        with problems.record("A313", "routes", index):
            value = code.resolve(path)
            if not isinstance(value, APIRouter):
                raise BuildError(f"{path!r} is {type(value).__name__}, not a fastapi.APIRouter", code="A324")
            routers.append(BuiltRouter(value, entry.public, entry.roles or ()))
    return tuple(routers)


@dataclass(slots=True)
class SharedObjects:
    """The objects of `state` by name, and the store of `store.python`; `declared` are the entries of `state`."""

    code: ProjectCode
    share: Share
    declared: Mapping[str, MadeObject]
    state: dict[str, Any] = field(default_factory=dict)
    store: Store[Any] | None = None

    def get(self, name: str) -> Any:
        """Return the object of that name in `state`, or what its class or function makes once with its arguments."""
        entry = self.declared[name]
        value = self.code.resolve(entry.python)
        if isinstance(value, type) or inspect.isfunction(value):
            return self.share.get(self._key(name), lambda: value(**entry.with_), close_object)
        if entry.with_:
            raise _takes_no_arguments(entry)
        # An object that a module holds belongs to the module, so it is not closed with the generation.
        return self.share.get(self._key(name), lambda: value, None)

    def maker_of_owner(self, path: str) -> Callable[[], Any]:
        """Return a function that returns the object of the class at `path`: that of `state`, or one made now.

        Raise what the class raises.
        """
        named = next((name for name, entry in self.declared.items() if entry.python == path), None)
        if named is not None:
            # Read for each call: a reload may replace the object by one that `load()` made.
            return lambda: self.state[named]
        kind: Callable[[], Any] = self.code.resolve(path)
        made = self.share.get(("owner", path, self.code), kind, close_object)
        return lambda: made

    def replace(self, name: str, value: Any) -> None:
        """Use another object under that name from now on."""
        self.state[name] = value
        self.share.replace(self._key(name), value)

    def _key(self, name: str) -> tuple[Any, ...]:
        entry = self.declared[name]
        return ("state", name, entry.python, json.dumps(entry.with_, sort_keys=True, default=str), self.code)


def build_shared_objects(config: Config, code: ProjectCode, share: Share, problems: Problems) -> SharedObjects:
    """Make the shared objects, or take them from the previous generation; failures are recorded in `problems`."""
    shared = SharedObjects(code, share, config.state)
    for name in config.state:
        with problems.record("A314", "state", name):
            if hasattr(RuntimeContext, name) or name in RuntimeContext.model_fields:
                raise BuildError(f"{name!r} would hide what ctx.context.{name} is already", "choose another name")
            shared.state[name] = shared.get(name)
    if isinstance(config.store, PythonStore):
        path, arguments = config.store.python, config.store.with_
        with problems.record("A315", "store"):
            key = ("store", path, json.dumps(arguments, sort_keys=True, default=str), code)
            # No close function: the adapter that opens the store closes it.
            shared.store = share.get(key, lambda: _make_store(code.resolve(path), path, arguments))
    return shared


def _make_store(value: Any, path: str, arguments: Mapping[str, Any]) -> Store[Any]:
    if not isinstance(value, Store):
        value = value(**arguments)
        refuse_coroutine(value, path)
    if not isinstance(value, Store):
        raise BuildError(f"{path!r} returned {type(value).__name__}, not a chatkit.store.Store", code="A324")
    return value


def close_object(value: Any) -> Awaitable[None] | None:
    """Call the object's `aclose()` or `close()`, where it has one that needs no arguments."""
    for name in ("aclose", "close"):
        method = getattr(value, name, None)
        if callable(method) and _needs_no_arguments(method):
            closing = method()
            return closing if inspect.isawaitable(closing) else None
    return None


def _needs_no_arguments(method: Callable[..., Any]) -> bool:
    try:
        inspect.signature(method).bind()
    except (TypeError, ValueError):
        return False
    return True


def take_over(old: SharedObjects, new: SharedObjects, problems: Problems) -> list[str]:
    """Carry the contents of the old objects over to new ones of the same declaration.

    Return the key paths of the objects that start empty. Call it in the event loop right before the swap: nothing else
    may run between a `dump()` and the swap.
    """
    empty: list[str] = []
    for name, made in new.state.items():
        before = old.state.get(name)
        if before is not None and before is not made and old.declared[name] == new.declared[name]:
            with problems.record("A316", "state", name):
                filled = _carry_over(before, made)
                if filled is None:
                    empty.append(f"state.{name}")
                elif filled is not made:
                    new.replace(name, filled)
    if new.store is not None and old.store is not None and new.store is not old.store:
        with problems.record("A316", "store"):
            if _carry_over(old.store, new.store) is not new.store:
                empty.append("store")
    return empty


def _carry_over(old: Any, new: Any) -> Any:
    """Return the object with the old one's contents: `new`, or what its `load()` made; None without dump and load."""
    dump, load = getattr(old, "dump", None), getattr(new, "load", None)
    if not callable(dump) or not callable(load):
        return None
    try:
        loaded = load(json.loads(json.dumps(dump())))
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise BuildError(
            f"dump() and load() of {type(new).__name__!r} raised {type(error).__name__}: {error}", about=error
        ) from error
    if inspect.isawaitable(loaded):
        raise BuildError(f"load() of {type(new).__name__!r} is async", "make it a plain method that fills the object")
    return loaded if isinstance(loaded, type(new)) else new
