"""What a tool sees as `ctx.context`: ChatKit's AgentContext, and the conveniences of the runtime on top.

Tools written for the plain SDKs run unedited: everything that they use of AgentContext works here as there.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Literal

from chatkit.agents import AgentContext, ClientToolCall
from chatkit.server import stream_widget
from chatkit.types import (
    ActiveStatus,
    Annotation,
    AssistantMessageContent,
    AssistantMessageItem,
    ClientEffectEvent,
    ClosedStatus,
    EntitySource,
    FileSource,
    HiddenContextItem,
    LockedStatus,
    NoticeEvent,
    ProgressUpdateEvent,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadStreamEvent,
    URLSource,
)
from chatkit.widgets import WidgetRoot
from pydantic import ConfigDict, PrivateAttr

from runtime.assemble.widgets import BuiltWidget
from runtime.config.model import Config
from runtime.templates.template import Template

current_call_id: ContextVar[str | None] = ContextVar("current_call_id", default=None)
"""The id of the tool call that runs now, so that a client tool call is bound to the call that made it."""


@dataclass(frozen=True, slots=True)
class User:
    """Who is talking; `id` is what owns the threads."""

    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A client tool call that a turn asked for, and the id of the function call it answers."""

    call: ClientToolCall
    call_id: str | None


Source = URLSource | FileSource | EntitySource


class Outbox:
    """Events that tools emit, in order; `wake` is told of each so that it is sent at once."""

    __slots__ = ("events", "wake")

    def __init__(self) -> None:
        self.events: deque[ThreadStreamEvent] = deque()
        self.wake: Callable[[], None] | None = None

    def put(self, event: ThreadStreamEvent) -> None:
        """Add an event; never blocks."""
        self.events.append(event)
        if self.wake is not None:
            self.wake()


@dataclass(slots=True)
class Surroundings:
    """What one turn gives its context besides the fields of AgentContext; `failed` are the ids of calls that failed."""

    widgets: Mapping[str, BuiltWidget]
    state: Mapping[str, Any]
    outbox: Outbox = field(default_factory=Outbox)
    asked: list[Asked] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    answer: bool = False
    said: str | None = None
    step: int | None = None
    errors: Mapping[str, Template] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)


class RuntimeContext(AgentContext[Any]):
    """The context of one turn; shared by every tool and agent that takes part in it."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="allow")

    user: User | None = None
    """Who is talking."""
    locale: str = "en"
    """The user's first language, from the request's Accept-Language header."""
    config: Config | None = None
    """The configuration that this turn runs on, read-only."""

    _around: Surroundings = PrivateAttr()
    # The base class has a queue as its default, which pydantic would copy deeply for every turn.
    _events: asyncio.Queue[Any] = PrivateAttr(default_factory=asyncio.Queue)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "client_tool_call" and value is not None:
            self._around.asked.append(Asked(value, current_call_id.get()))
        super().__setattr__(name, value)

    async def stream(self, event: ThreadStreamEvent) -> None:
        """Send an event to the user; items that are done are stored first."""
        self._around.outbox.put(event)

    async def stream_widget(
        self, widget: WidgetRoot | AsyncGenerator[WidgetRoot, None], copy_text: str | None = None
    ) -> None:
        """Show a widget, or a widget that grows: an async generator of its states."""
        async for event in stream_widget(self.thread, widget, copy_text, self.generate_id):
            await self.stream(_aware(event))

    async def show_widget(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Render a declared widget and show it; raise WidgetError when the data does not fit its schema."""
        values = dict(data or {})
        await self.stream_widget(await self.render(name, values), self._widget(name).copy_text(values))

    async def render(self, name: str, data: Mapping[str, Any] | None = None) -> WidgetRoot:
        """Render a declared widget without showing it, to replace another one with it."""
        return await self._widget(name).arender(dict(data or {}))

    def _widget(self, name: str) -> BuiltWidget:
        if name not in self._around.widgets:
            known = ", ".join(sorted(self._around.widgets)) or "none"
            raise LookupError(f"no widget is named {name!r} (declared: {known})")
        return self._around.widgets[name]

    async def effect(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Send a client effect to the browser."""
        await self.stream(ClientEffectEvent(name=name, data=dict(data or {})))

    async def progress(self, text: str, icon: Any = None) -> None:
        """Say what is going on while the user waits."""
        await self.stream(ProgressUpdateEvent(text=text, icon=icon))

    async def notice(self, level: Literal["info", "warning", "danger"], text: str, title: str | None = None) -> None:
        """Show a notice above the composer; `text` may be Markdown."""
        await self.stream(NoticeEvent(level=level, message=text, title=title))

    async def remember(self, text: str) -> None:
        """Tell the model something for the rest of the thread; the user never sees it."""
        item = HiddenContextItem(
            id=self.generate_id("message"), thread_id=self.thread.id, created_at=datetime.now(UTC), content=text
        )
        await self.stream(ThreadItemDoneEvent(item=item))

    async def say(self, text: str, sources: Sequence[Source | tuple[Source, int]] = ()) -> None:
        """Send an assistant message of your own words, with the sources that it rests on.

        A source stands at the end of the text, or, as `(source, index)`, behind so many characters of it.
        """
        placed = [source if isinstance(source, tuple) else (source, len(text)) for source in sources]
        cited = [Annotation(source=source, index=index) for source, index in placed]
        item = AssistantMessageItem(
            id=self.generate_id("message"),
            thread_id=self.thread.id,
            created_at=datetime.now(UTC),
            content=[AssistantMessageContent(text=text, annotations=cited)],
        )
        await self.stream(ThreadItemDoneEvent(item=item))

    def cite(self, *sources: Source) -> None:
        """Show sources with the model's next message: URLs, files or entities, as `chatkit.types` has them."""
        self._around.sources += sources

    async def next_step(self) -> bool:
        """Go on to the next of the tool's declared `steps`; false where there is none."""
        at, workflow = self._around.step, self.workflow_item
        if at is None or workflow is None:
            return False
        tasks = workflow.workflow.tasks
        await self.update_workflow_task(tasks[at].model_copy(update={"status_indicator": "complete"}), at)
        if at + 1 == len(tasks):
            self._around.step = None
            return False
        await self.update_workflow_task(tasks[at + 1].model_copy(update={"status_indicator": "loading"}), at + 1)
        self._around.step = at + 1
        return True

    def lock_thread(self, reason: str | None = None) -> None:
        """Let nobody write in the thread once this turn has ended, until it is opened; `reason` is for the user."""
        self.thread.status = LockedStatus(reason=reason)

    def close_thread(self, reason: str | None = None) -> None:
        """End the thread once this turn has ended; `reason` is for the user."""
        self.thread.status = ClosedStatus(reason=reason)

    def open_thread(self) -> None:
        """Let the user write in the thread."""
        self.thread.status = ActiveStatus()

    async def answer(self) -> None:
        """Let the agents answer once this action's handler is done, as if the user had written something."""
        self._around.answer = True

    async def call_client(self, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Call a tool in the browser: the turn ends here and goes on with the tool's result."""
        self.client_tool_call = ClientToolCall(name=name, arguments=dict(arguments or {}))


def _aware(event: ThreadStreamEvent) -> ThreadStreamEvent:
    """Give the SDK's naive local times their zone."""
    if isinstance(event, ThreadItemDoneEvent | ThreadItemAddedEvent) and event.item.created_at.tzinfo is None:
        event.item.created_at = event.item.created_at.astimezone(UTC)
    return event


def context_type(base: type[AgentContext[Any]] | None) -> type[RuntimeContext]:
    """Mix a context class of the user's own into RuntimeContext; its fields and methods win."""
    if base is None:
        return RuntimeContext
    if issubclass(base, RuntimeContext):
        return base
    with warnings.catch_warnings():
        # A field of theirs may bear the name of one of ours; theirs is meant.
        warnings.simplefilter("ignore", UserWarning)
        return type(base.__name__, (base, RuntimeContext), {"__module__": base.__module__})


def new_context(kind: type[RuntimeContext], around: Surroundings, **fields: Any) -> RuntimeContext:
    """Make a turn's context; `state:` objects become attributes of it, under the names they were declared with."""
    # Not validated: a context class may name its own store type where ours stands.
    context = kind.model_construct(**{**fields, **around.state})
    context._around = around
    return context


def scope_of(context: RuntimeContext) -> dict[str, Any]:
    """The names that instructions and other templates of a turn may use."""
    return {
        "user": context.user,
        "locale": context.locale,
        "thread": context.thread,
        "context": context.request_context,
        "state": SimpleNamespace(**context._around.state),
        "now": datetime.now(UTC),
    }
