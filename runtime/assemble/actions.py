"""The `actions` section -> handlers of clicks in widgets: functions from an action to events."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

from agents import RunContextWrapper
from chatkit import types as chat
from chatkit.actions import Action
from pydantic import BaseModel

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import AsyncFunction, ProjectFunctions, is_async_function, resolve_function
from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.project_objects import SharedObjects
from runtime.assemble.schemas import compile_schema, mismatches
from runtime.assemble.widgets import BuiltWidget, draw_tree, redrawn, with_drawn_widget
from runtime.config.model import Config
from runtime.config.model import widgets as declared
from runtime.project_code.loader import ProjectCode
from runtime.resources.containment import contained, contained_items
from runtime.templates.template import Template

ClickAction = Action[str, Any]
Sender = chat.WidgetItem | None
Events = AsyncIterator[chat.ThreadStreamEvent]
Handler = Callable[[RuntimeContext, ClickAction, Sender], Events]
SyncHandler = Callable[[RuntimeContext, ClickAction, Sender], Awaitable[Any]]
Message = Callable[[RuntimeContext, ClickAction], str]


@dataclass(frozen=True, slots=True)
class BuiltAction:
    """One declared action: either `handle` or `message` is set, and `sync` if it may be called synchronously.

    `check` returns what is wrong with a payload, or an empty text.
    """

    type: str
    check: Callable[[Any], str]
    handle: Handler | None = None
    message: Message | None = None
    sync: SyncHandler | None = None
    is_exclusive: bool = False
    """Whether a click is refused while the same click in the same widget is handled."""
    roles: Sequence[str] = ()
    """The roles of which a user needs one."""


def build_actions(
    config: Config,
    functions: ProjectFunctions,
    shared: SharedObjects,
    widgets: Callable[[str], BuiltWidget],
    problems: Problems,
) -> dict[str, BuiltAction]:
    """Return the declared actions by type; failures are recorded in `problems`. `shared` has the objects of methods."""
    built: dict[str, BuiltAction] = {}
    for name, entry in config.actions.items():
        with problems.record("A303", "actions", name):
            built[name] = replace(_build(name, entry, functions, shared, widgets), roles=entry.roles or ())
    return built


def _build(
    name: str,
    entry: declared.Action,
    functions: ProjectFunctions,
    shared: SharedObjects,
    widgets: Callable[[str], BuiltWidget],
) -> BuiltAction:
    check = _checker(entry.payload)
    match entry:
        case declared.PythonAction():
            function, is_async = _handler(shared, entry.python)
            # A streamed answer ends with its turn; only its sync part has the limit of a function.
            limited = functions.limited(function, entry.python, is_async)
            begin = functions.begun(function, is_async) if is_async else limited
            sync = _call_sync(limited) if entry.sync else None
            return BuiltAction(name, check, handle=_call(begin), sync=sync, is_exclusive=True)
        case declared.MessageAction():
            return BuiltAction(name, check, message=_message(Template.parse(entry.message)))
        case declared.EffectAction():
            return BuiltAction(name, check, handle=_effect(entry))
        case declared.WidgetAction():
            return BuiltAction(name, check, handle=_rerender(widgets(entry.widget)))


def _checker(schema: Mapping[str, Any] | None) -> Callable[[Any], str]:
    if schema is None:
        return lambda payload: ""
    validator = compile_schema(schema, "payload")
    return lambda payload: mismatches(validator, {} if payload is None else payload)


def _handler(shared: SharedObjects, path: str) -> tuple[Callable[..., Any], bool]:
    """Return the function at a path, and whether it is async."""
    function = resolve_function(shared.code, path, "`async def handler(ctx, action, sender)`")
    owner = _class_of_method(shared.code, path)
    try:
        inspect.signature(function).bind(*([None] * (3 if owner is None else 4)))
    except TypeError as error:
        hint = "an action's handler is called as `handler(ctx, action, sender)`"
        raise BuildError(
            f"{path!r} can't be called with three arguments: {error}", hint, code="A331", about=function
        ) from None
    is_async = is_async_function(function)
    if owner is None:
        return function, is_async
    owner_of = shared.maker_of_owner(owner)
    name = path.rpartition(".")[2]
    return lambda ctx, action, sender: getattr(owner_of(), name)(ctx, action, sender), is_async


def _class_of_method(code: ProjectCode, path: str) -> str | None:
    """Return the import path of the class whose method `path` names; None for anything that needs no object."""
    owner, _, name = path.rpartition(".")
    if ":" not in owner:
        return None
    kind = code.resolve(owner)
    is_method = isinstance(kind, type) and inspect.isfunction(inspect.getattr_static(kind, name, None))
    return owner if is_method else None


def _call(begin: AsyncFunction) -> Handler:
    async def handle(context: RuntimeContext, action: ClickAction, sender: Sender) -> Events:
        with contained():
            result = await begin(RunContextWrapper(context), action, sender)
            answer = await result if inspect.isawaitable(result) else result
        if inspect.isasyncgen(result):
            async with aclosing(contained_items(result)) as events:
                async for event in events:
                    yield cast(chat.ThreadStreamEvent, event)
        elif (item := replacement(answer, sender)) is not None:
            yield chat.ThreadItemReplacedEvent(item=item)

    return handle


def replacement(answer: Any, sender: Sender) -> chat.ThreadItem | None:
    """Return the item that replaces the sender, from what a handler returned: a widget, its tree, an item, or None.

    Raise WidgetError for anything else.
    """
    if answer is None:
        return None
    if isinstance(answer, chat.SyncCustomActionResponse):
        return None if answer.updated_item is None else with_drawn_widget(answer.updated_item)
    if isinstance(answer, BaseModel) and hasattr(answer, "thread_id"):
        return with_drawn_widget(cast(chat.ThreadItem, answer))
    drawn = draw_tree(answer)
    return None if sender is None else redrawn(sender, drawn)


def _call_sync(call: AsyncFunction) -> SyncHandler:
    async def handle(context: RuntimeContext, action: ClickAction, sender: Sender) -> Any:
        return await call(RunContextWrapper(context), action, sender)

    return handle


def _scope(context: RuntimeContext, action: ClickAction) -> dict[str, Any]:
    return {**scope_of(context), "payload": action.payload if action.payload is not None else {}}


def _message(template: Template) -> Message:
    return lambda context, action: str(template.render(_scope(context, action)))


def _effect(entry: declared.EffectAction) -> Handler:
    async def handle(context: RuntimeContext, action: ClickAction, sender: Sender) -> Events:
        yield chat.ClientEffectEvent(name=entry.effect, data=_render(entry.data, _scope(context, action)))

    return handle


def _render(value: Any, scope: Mapping[str, Any]) -> Any:
    """Render every template in a value."""
    if isinstance(value, str):
        return Template.parse(value).render(scope)
    if isinstance(value, Mapping):
        return {key: _render(inner, scope) for key, inner in value.items()}
    return [_render(inner, scope) for inner in value] if isinstance(value, list) else value


def _rerender(widget: BuiltWidget) -> Handler:
    async def handle(context: RuntimeContext, action: ClickAction, sender: Sender) -> Events:
        if sender is None:
            return
        drawn = await widget.draw(dict(action.payload or {}))
        update = {"widget": drawn.root, "copy_text": drawn.copy_text}
        yield chat.ThreadItemReplacedEvent(item=sender.model_copy(update=update))

    return handle
