"""What passes through a turn is stored before it is sent, and what was cut off is kept.

Deltas only grow the message that is under way; an item is written when it is done, together with the tool calls that
led to it, in one transaction.
"""

from __future__ import annotations

import asyncio
import copy
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from chatkit.store import NotFoundError
from chatkit.types import (
    ActiveStatus,
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageItem,
    HiddenContextItem,
    Page,
    SDKHiddenContextItem,
    Thread,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    ThreadUpdatedEvent,
    WidgetItem,
    WidgetRootUpdated,
    WorkflowItem,
)

from runtime.server.turns.sse import Event, TextDelta
from runtime.stores.ids import new_id
from runtime.stores.owner_store import OwnerStore
from runtime.stores.serialization import check_item, delete_item
from runtime.stores.store import ModelItem

_FIELDS = ("title", "status", "allowed_image_domains", "metadata")
CUT_OFF = "The answer above is incomplete: it was cut off before its end."


class _Growing:
    """An assistant message under way: its text as pieces, joined when somebody asks."""

    __slots__ = ("annotations", "item", "parts")

    def __init__(self, item: AssistantMessageItem) -> None:
        self.item = item
        self.parts: list[list[str]] = [[part.text] for part in item.content]
        self.annotations: defaultdict[int, list[Annotation]] = defaultdict(list)

    def part(self, index: int) -> list[str]:
        while len(self.parts) <= index:
            self.parts.append([])
        return self.parts[index]

    def so_far(self) -> AssistantMessageItem | None:
        texts = ["".join(part) for part in self.parts]
        if not any(text.strip() for text in texts):
            return None
        content = [AssistantMessageContent(text=t, annotations=self.annotations[i]) for i, t in enumerate(texts)]
        return self.item.model_copy(update={"content": content})


class Recorder:
    """Stores one turn's events; `stale` are items that an earlier answer left, removed once this one has an item."""

    def __init__(self, store: OwnerStore, thread: ThreadMetadata, stale: Sequence[str] = ()) -> None:
        self._backend, self._owner = store.backend, store.owner
        self._thread, self._stale = thread, list(stale)
        self._growing: dict[str, _Growing] = {}
        self._workflows: dict[str, WorkflowItem] = {}
        self._calls: list[ModelItem] = []
        self._known = _copied(_fields_of(thread))

    def grow(self, delta: TextDelta) -> None:
        """Add a piece of text to the message that is under way."""
        growing = self._growing.get(delta.item_id)
        if growing is not None:
            growing.part(delta.content_index).append(delta.delta)

    def keep_calls(self, calls: list[ModelItem]) -> None:
        """Take over tool calls and results, to be written with the next item."""
        self._calls += calls
        calls.clear()

    def keep_workflow(self, item: WorkflowItem) -> None:
        """Write a workflow with the turn's end: one that an earlier turn began has no `added` event in this one."""
        self._workflows[item.id] = item

    async def record(self, event: ThreadStreamEvent) -> list[Event]:
        """Store what the event says and return what the client is to see of it."""
        seen: list[Event] = [event]
        match event:
            case ThreadItemAddedEvent(item=item):
                self._begin(item)
            case ThreadItemDoneEvent(item=item) | ThreadItemReplacedEvent(item=item):
                await self.write(item)
            case ThreadItemRemovedEvent(item_id=item_id):
                self._forget(item_id)
                await delete_item(self._backend, self._owner, self._thread.id, item_id)
            case ThreadItemUpdatedEvent():
                seen = [await self._update(event)]
        if isinstance(getattr(event, "item", None), HiddenContextItem | SDKHiddenContextItem):
            seen = []
        return seen + await self.thread_changes()

    def _begin(self, item: ThreadItem) -> None:
        if isinstance(item, AssistantMessageItem):
            self._growing[item.id] = _Growing(item)
        elif isinstance(item, WorkflowItem):
            self._workflows[item.id] = item

    def _forget(self, item_id: str) -> None:
        self._growing.pop(item_id, None)
        self._workflows.pop(item_id, None)

    async def _update(self, event: ThreadItemUpdatedEvent) -> Event:
        growing = self._growing.get(event.item_id)
        match event.update:
            case AssistantMessageContentPartAdded(content_index=index, content=content) if growing:
                growing.part(index)[:] = [content.text]
            case AssistantMessageContentPartAnnotationAdded(content_index=index, annotation=annotation) if growing:
                growing.annotations[index].append(annotation)
            case AssistantMessageContentPartDone(content_index=index, content=content) if growing:
                growing.part(index)[:] = [content.text]
            case WidgetRootUpdated(widget=widget):
                return await self._replace_widget(event, widget)
        return event

    async def _replace_widget(self, event: ThreadItemUpdatedEvent, widget: Any) -> Event:
        """An update of a widget that is already stored would be lost on reload: store it, and say so."""
        try:
            found = await self._backend.load_item(self._owner, self._thread.id, event.item_id)
        except NotFoundError:
            return event  # it is being streamed, and will be stored when it is done
        if not isinstance(found, WidgetItem):
            return event
        item = found.model_copy(update={"widget": widget})
        await self.write(item)
        return ThreadItemReplacedEvent(item=item)

    async def write(self, *items: ThreadItem, done: bool = False) -> None:
        """Write items with the calls before them; the items of an earlier answer go in the same transaction."""
        for item in items:
            if isinstance(item, WidgetItem):
                check_item(item)  # an action's handler may have put anything in it
        visible = done or any(not isinstance(item, HiddenContextItem | SDKHiddenContextItem) for item in items)
        calls, self._calls = self._calls, []
        stale, self._stale = (self._stale, []) if visible else ([], self._stale)
        try:
            await to_the_end(self._backend.write_items(self._owner, self._thread.id, [*calls, *items], delete=stale))
        except Exception:
            # Nothing of it was written: the tools have run all the same, and the earlier answer is still there.
            self._calls, self._stale = [*calls, *self._calls], [*stale, *self._stale]
            raise
        for item in items:
            self._forget(item.id)

    def reload(self, thread: ThreadMetadata) -> None:
        """Take over a thread's fields as they are stored now."""
        for name, value in _fields_of(thread).items():
            setattr(self._thread, name, value)
        self._known = _copied(_fields_of(self._thread))

    async def thread_changes(self) -> list[Event]:
        """Store the fields of the thread that a tool has set, one by one, and tell the client."""
        now = _fields_of(self._thread)
        changed = {name: value for name, value in now.items() if value != self._known[name]}
        if not changed:
            return []
        sent = _copied(changed)
        stored = await self._backend.update_thread(self._owner, self._thread.id, **sent)
        self._known.update(sent)
        for name, value in _fields_of(stored).items():
            # What somebody else changed meanwhile, such as a user's new title, stays; what a tool sets now is found
            # the next time: the dict that it holds is still the thread's own.
            if name not in sent and value != self._known[name]:
                setattr(self._thread, name, value)
                self._known[name] = copy.deepcopy(value)
        return [ThreadUpdatedEvent(thread=thread_response(self._thread))]

    async def store_title(self, title: str) -> list[Event]:
        """Store an automatic title unless the thread has one by now: a user's own wins."""
        stored = await self._backend.update_thread(self._owner, self._thread.id, title=title, only_if_untitled=True)
        if stored.title != title or self._thread.title is not None:
            return []
        self._thread.title = self._known["title"] = title
        return [ThreadUpdatedEvent(thread=thread_response(self._thread))]

    async def finish(self) -> None:
        """Write the calls after the last item, and workflows that go on in the next turn."""
        if self._calls or self._workflows or self._stale:
            await self.write(*self._workflows.values(), done=True)

    async def cut_off(self) -> None:
        """Keep what was under way when the turn ended early, and tell the model that it is incomplete."""
        partial: list[ThreadItem] = [item for growing in self._growing.values() if (item := growing.so_far())]
        if partial:
            marker = SDKHiddenContextItem(
                id=new_id("sdk_hidden_context"),
                thread_id=self._thread.id,
                created_at=datetime.now(UTC),
                content=CUT_OFF,
            )
            partial.append(marker)
        if partial or self._calls or self._workflows:
            await self.write(*partial, *self._workflows.values())


async def to_the_end(write: Coroutine[Any, Any, None]) -> None:
    """Let a write finish even when the turn is cancelled meanwhile: an item is stored as a whole or not at all."""
    task, cancelled = asyncio.ensure_future(write), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


def _fields_of(thread: ThreadMetadata) -> dict[str, Any]:
    return {name: getattr(thread, name) for name in _FIELDS}


def _copied(fields: dict[str, Any]) -> dict[str, Any]:
    # The status of nearly every thread is this one, which is costly to copy deeply and has nothing deep in it.
    return {
        name: value.model_copy() if isinstance(value, ActiveStatus) else copy.deepcopy(value)
        for name, value in fields.items()
    }


_NO_ITEMS: Page[ThreadItem] = Page[ThreadItem](data=[])


def thread_response(thread: ThreadMetadata, items: Page[ThreadItem] | None = None) -> Thread:
    """A thread as clients get it: without the metadata, which is the server's own."""
    # Made of parts that have been checked: a list of threads has a hundred of them.
    return Thread.model_construct(
        id=thread.id,
        title=thread.title,
        created_at=thread.created_at,
        status=thread.status,
        allowed_image_domains=thread.allowed_image_domains,
        items=items if items is not None else _NO_ITEMS,
        metadata={},
    )
