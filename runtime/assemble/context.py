"""`ctx.context` of a tool: ChatKit's AgentContext, which tools for the plain SDKs expect, with our own methods."""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Literal

from agents import Agent
from chatkit import types as chat
from chatkit.agents import AgentContext, ClientToolCall
from chatkit.server import stream_widget
from chatkit.store import NotFoundError
from chatkit.widgets import WidgetRoot
from pydantic import ConfigDict, PrivateAttr

from runtime.assemble.widgets import BuiltWidget, DrawnStates, Tree, draw_tree, redrawn
from runtime.auth.user import User
from runtime.config.model import Config
from runtime.documents.untrusted import one_line
from runtime.resources.containment import ProjectCodeError
from runtime.templates.template import Template

current_call_id: ContextVar[str | None] = ContextVar("current_call_id", default=None)
"""The id of the running tool call. A client tool call is bound to the function call that made it."""


BESIDE_WORKFLOWS = frozenset({"client_tool_call", "hidden_context_item", "sdk_hidden_context"})
"""The types of items that do not end the workflow before them."""


@dataclass(frozen=True, slots=True)
class ClientCall:
    """A client tool call that a turn requested, and the id of the function call that made it."""

    call: ClientToolCall
    call_id: str | None


CitationSource = chat.URLSource | chat.FileSource | chat.EntitySource


@dataclass(slots=True, eq=False)
class EventQueue:
    """Events that tools emit, in order; `wake` is called after each, so that it is sent at once."""

    events: deque[chat.ThreadStreamEvent] = field(default_factory=deque)
    wake: Callable[[], None] | None = None

    def put(self, event: chat.ThreadStreamEvent) -> None:
        """Add an event; never blocks."""
        self.events.append(event)
        if self.wake is not None:
            self.wake()


@dataclass(slots=True, eq=False)
class Steps:
    """The `steps` of one call of a tool: their workflow, and the index of the current one."""

    workflow: chat.WorkflowItem
    at: int = 0


@dataclass(slots=True)
class TurnState:
    """The private state of one turn's context."""

    widgets: Mapping[str, BuiltWidget]
    objects: Mapping[str, Any]
    """The shared objects of `state`, by name."""
    tool_errors: Mapping[str, Template] = field(default_factory=dict)
    """The texts that replace the errors of tools for the model, by the tool's name."""
    queue: EventQueue = field(default_factory=EventQueue)
    client_calls: list[ClientCall] = field(default_factory=list)
    failed_calls: set[str] = field(default_factory=set)
    """The ids of the tool calls that failed."""
    answer_requested: bool = False
    """Whether an action's handler asked for an answer of the agents."""
    user_text: str | None = None
    """The user's new message; None where the turn continues without one."""
    steps: dict[str | None, Steps] = field(default_factory=dict)
    """The `steps` of the tools that run, by the id of their call."""
    running: dict[str, str] = field(default_factory=dict)
    """The tools that run, by the id of their call, as text for the log."""
    fault: ProjectCodeError | None = None
    """What a tool raised that ends the turn."""
    asked_agent: Agent[Any] | None = None
    """The agent whose model was asked last."""
    citations: list[CitationSource] = field(default_factory=list)
    """The sources to attach to the model's next message."""


class RuntimeContext(AgentContext[Any]):
    """The context of one turn, shared by all its tools and agents."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="allow")

    user: User | None = None
    """The user who sent the request."""
    locale: str = "en"
    """The user's first language, from the request's Accept-Language header."""
    config: Config | None = None
    """The configuration of this turn, read-only."""

    _turn_state: TurnState = PrivateAttr()
    # Without a factory, pydantic would deep-copy the base class's default queue for every turn.
    _events: asyncio.Queue[Any] = PrivateAttr(default_factory=asyncio.Queue)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "client_tool_call" and value is not None:
            self._turn_state.client_calls.append(ClientCall(value, current_call_id.get()))
        super().__setattr__(name, value)

    async def stream(self, event: chat.ThreadStreamEvent) -> None:
        """Send an event to the user; completed items are stored first. An item ends the workflow before it."""
        if isinstance(event, chat.ThreadItemAddedEvent | chat.ThreadItemDoneEvent):
            item, workflow = event.item, self.workflow_item
            if workflow is not None and workflow.id != item.id and item.type not in BESIDE_WORKFLOWS:
                self._end_workflow_before()
            if isinstance(item, chat.WorkflowItem):
                self.workflow_item = item if event.type == "thread.item.added" else None
        self._turn_state.queue.put(event)

    async def start_workflow(self, workflow: chat.Workflow) -> None:
        """Begin a new workflow, which ends the one before. It is shown once it has a task."""
        self._end_workflow_before()
        self.workflow_item = self._new_workflow(workflow)
        if workflow.type == "reasoning" or workflow.tasks:
            await self.stream(chat.ThreadItemAddedEvent(item=self.workflow_item))

    def _new_workflow(self, workflow: chat.Workflow) -> chat.WorkflowItem:
        return chat.WorkflowItem(
            id=self.generate_id("workflow"),
            thread_id=self.thread.id,
            created_at=datetime.now(UTC),
            workflow=workflow,
        )

    async def add_workflow_task(self, task: chat.Task) -> None:
        """Add a task to the workflow, or begin a new workflow with it."""
        item = self.workflow_item
        if item is None:
            self.workflow_item = item = self._new_workflow(chat.Workflow(type="custom", tasks=[]))
        tasks = item.workflow.tasks
        tasks.append(task)
        if item.workflow.type != "reasoning" and len(tasks) == 1:
            await self.stream(chat.ThreadItemAddedEvent(item=item))
        else:
            added = chat.WorkflowTaskAdded(task=task, task_index=len(tasks) - 1)
            await self.stream(chat.ThreadItemUpdatedEvent(item_id=item.id, update=added))

    async def end_workflow(self, summary: chat.WorkflowSummary | None = None, expanded: bool = False) -> None:
        """End the workflow, with the given summary, its own, or its duration. Without a workflow, do nothing."""
        item, steps = self.workflow_item, self._turn_state.steps
        if item is None:
            return
        for call_id in [call_id for call_id, each in steps.items() if each.workflow is item]:
            del steps[call_id]
        end_workflow(item, summary, expanded)
        await self.stream(chat.ThreadItemDoneEvent(item=item))

    def _end_workflow_before(self) -> None:
        item, self.workflow_item = self.workflow_item, None
        if item is not None and (item.workflow.type == "reasoning" or item.workflow.tasks):
            end_workflow(item)
            self._turn_state.queue.put(chat.ThreadItemDoneEvent(item=item))

    async def stream_widget(
        self, widget: WidgetRoot | Tree | AsyncGenerator[WidgetRoot | Tree, None], copy_text: str | None = None
    ) -> None:
        """Show a widget, or, from an async generator of its states, one that is updated as it streams.

        A widget is a class of `chatkit.widgets`, or a component tree as a dict, in which `sections` may be used. Raise
        WidgetError that names each wrong node of a tree.
        """
        states = DrawnStates(widget, copy_text)
        async for event in stream_widget(self.thread, states.source, states.copy_text, self.generate_id):
            await self.stream(_with_time_zone(states.complete(event)))

    async def update_widget(
        self, item: chat.WidgetItem | str, widget: WidgetRoot | Tree, copy_text: str | None = None
    ) -> None:
        """Replace the content of a widget that was shown before; `item` is it, or its id.

        `widget` is as in `stream_widget`. Raise LookupError if the thread has no such widget, and WidgetError.
        """
        drawn = draw_tree(widget)
        shown = await self._shown_widget(item) if isinstance(item, str) else item
        drawn = drawn if copy_text is None else replace(drawn, copy_text=copy_text)
        await self.stream(chat.ThreadItemReplacedEvent(item=redrawn(shown, drawn)))

    async def _shown_widget(self, item_id: str) -> chat.WidgetItem:
        try:
            item = await self.store.load_item(self.thread.id, item_id, self.request_context)
        except NotFoundError:
            item = None
        if not isinstance(item, chat.WidgetItem):
            raise LookupError(f"the thread has no widget with the id {item_id!r}")
        return item

    async def show_widget(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Render a declared widget and show it. Raise WidgetError if the data does not match its schema."""
        drawn = await self._widget(name).draw(dict(data or {}))
        await self.stream_widget(drawn.root, drawn.copy_text)

    async def render(self, widget: str | Tree, data: Mapping[str, Any] | None = None) -> WidgetRoot:
        """Return a declared widget by its name, or a component tree, without showing it. Raise WidgetError."""
        if not isinstance(widget, str):
            return draw_tree(widget).root
        return await self._widget(widget).arender(dict(data or {}))

    def _widget(self, name: str) -> BuiltWidget:
        if name not in self._turn_state.widgets:
            known = ", ".join(sorted(self._turn_state.widgets)) or "none"
            raise LookupError(f"no widget is named {name!r} (declared: {known})")
        return self._turn_state.widgets[name]

    async def effect(self, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Send a client effect to the browser."""
        await self.stream(chat.ClientEffectEvent(name=name, data=dict(data or {})))

    async def progress(self, text: str, icon: Any = None) -> None:
        """Show a progress text while the user waits."""
        await self.stream(chat.ProgressUpdateEvent(text=text, icon=icon))

    async def notice(self, level: Literal["info", "warning", "danger"], text: str, title: str | None = None) -> None:
        """Show a notice above the composer; `text` may be Markdown."""
        await self.stream(chat.NoticeEvent(level=level, message=text, title=title))

    async def remember(self, text: str) -> None:
        """Add hidden context for the model to the thread; the user never sees it."""
        await self._add_item(chat.HiddenContextItem, content=text)

    async def say(self, text: str, sources: Sequence[CitationSource | tuple[CitationSource, int]] = ()) -> None:
        """Send an assistant message with the given text and sources.

        A source is cited at the end of the text, or, as `(source, index)`, after that many characters of it.
        """
        placed = [source if isinstance(source, tuple) else (source, len(text)) for source in sources]
        cited = [chat.Annotation(source=source, index=index) for source, index in placed]
        content = [chat.AssistantMessageContent(text=text, annotations=cited)]
        await self._add_item(chat.AssistantMessageItem, content=content)

    async def _add_item(self, kind: Callable[..., chat.ThreadItem], **fields: Any) -> None:
        item_id, now = self.generate_id("message"), datetime.now(UTC)
        item = kind(id=item_id, thread_id=self.thread.id, created_at=now, **fields)
        await self.stream(chat.ThreadItemDoneEvent(item=item))

    def cite(self, *sources: CitationSource) -> None:
        """Attach sources to the model's next message: URLSource, FileSource or EntitySource of `chatkit.types`."""
        self._turn_state.citations += sources

    async def next_step(self) -> bool:
        """Start the next of the tool's declared `steps`; after the last one, end their workflow and return False."""
        steps = self._turn_state.steps.get(current_call_id.get())
        if steps is None:
            return False
        await self._mark_step(steps, "complete")
        if steps.at + 1 == len(steps.workflow.workflow.tasks):
            del self._turn_state.steps[current_call_id.get()]
            if self.workflow_item is steps.workflow:
                await self.end_workflow()
            return False
        steps.at += 1
        await self._mark_step(steps, "loading")
        return True

    async def _mark_step(self, steps: Steps, status: Literal["loading", "complete"]) -> None:
        tasks = steps.workflow.workflow.tasks
        tasks[steps.at] = task = tasks[steps.at].model_copy(update={"status_indicator": status})
        updated = chat.WorkflowTaskUpdated(task=task, task_index=steps.at)
        await self.stream(chat.ThreadItemUpdatedEvent(item_id=steps.workflow.id, update=updated))

    def lock_thread(self, reason: str | None = None) -> None:
        """Lock the thread when this turn ends, until `open_thread`; `reason` is shown to the user."""
        self.thread.status = chat.LockedStatus(reason=reason)

    def close_thread(self, reason: str | None = None) -> None:
        """Close the thread when this turn ends; `reason` is shown to the user."""
        self.thread.status = chat.ClosedStatus(reason=reason)

    def open_thread(self) -> None:
        """Unlock or reopen the thread."""
        self.thread.status = chat.ActiveStatus()

    async def answer(self) -> None:
        """Have the agents answer after this action's handler, as if the user had sent a message."""
        self._turn_state.answer_requested = True

    async def call_client(self, name: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Call a tool in the browser: the turn ends, and its result starts the next one."""
        self.client_tool_call = ClientToolCall(name=name, arguments=dict(arguments or {}))


def end_workflow(item: chat.WorkflowItem, summary: chat.WorkflowSummary | None = None, expanded: bool = False) -> None:
    """Mark a workflow as ended, with the given summary, its own, or its duration."""
    began = item.created_at if item.created_at.tzinfo else item.created_at.astimezone(UTC)
    if summary is not None:
        item.workflow.summary = summary
    elif item.workflow.summary is None:
        item.workflow.summary = chat.DurationSummary(duration=int((datetime.now(UTC) - began).total_seconds()))
    item.workflow.expanded = expanded


def _with_time_zone(event: chat.ThreadStreamEvent) -> chat.ThreadStreamEvent:
    """Make the SDK's naive local times time zone aware."""
    if isinstance(event, chat.ThreadItemDoneEvent | chat.ThreadItemAddedEvent) and event.item.created_at.tzinfo is None:
        event.item.created_at = event.item.created_at.astimezone(UTC)
    return event


def context_type(base: type[AgentContext[Any]]) -> type[RuntimeContext]:
    """Return a subclass of both the project's context class and RuntimeContext; the project's members win."""
    if issubclass(base, RuntimeContext):
        return base
    with warnings.catch_warnings():
        # pydantic warns of fields that shadow ours, which is intended.
        warnings.simplefilter("ignore", UserWarning)
        return type(base.__name__, (base, RuntimeContext), {"__module__": base.__module__})


def new_context(kind: type[RuntimeContext], state: TurnState, **fields: Any) -> RuntimeContext:
    """Make a turn's context; the objects of `state:` become attributes of it, under their declared names."""
    # Not validated: a context class may annotate `store` with a type of its own.
    context = kind.model_construct(**{**fields, **state.objects})
    context._turn_state = state
    return context


def scope_of(context: RuntimeContext) -> dict[str, Any]:
    """Return the variables of instructions and of a turn's other templates."""
    return {
        "user": _prompt_user(context.user),
        "locale": context.locale,
        "thread": _prompt_thread(context.thread),
        "context": context.request_context,
        "state": SimpleNamespace(**context._turn_state.objects),
        "now": datetime.now(UTC),
    }


# A template may stand in a system prompt, where what a user wrote must not look like more of it.


def _prompt_user(user: User | None) -> User | None:
    if user is None or user.name is None or (name := one_line(user.name)) is user.name:
        return user
    return replace(user, name=name)


def _prompt_thread(thread: chat.ThreadMetadata) -> chat.ThreadMetadata:
    if thread.title is None or (title := one_line(thread.title)) is thread.title:
        return thread
    return thread.model_copy(update={"title": title})
