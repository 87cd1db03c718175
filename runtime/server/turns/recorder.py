"""Store the items of a turn before their events are sent, and the partial items of a turn that is cut off.

A text delta only extends the message in memory; an item is written when it is done, in one transaction with the tool
calls before it.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from chatkit import types
from chatkit.store import NotFoundError

from runtime.assemble.context import EventQueue, end_workflow
from runtime.assemble.widgets import with_drawn_widget
from runtime.server.turns.model_items import call_id_in, done_so_far, new_model_item, unfinished_mark
from runtime.server.turns.pending_items import Pending, PendingItem, PendingMessage, is_piece
from runtime.server.turns.sse import Event, TextDelta
from runtime.stores.owner_store import OwnerStore
from runtime.stores.serialization import check_item
from runtime.stores.store import ModelItem, ThreadChanges
from runtime.stores.turns import EventChunk, Signals

_FIELDS = ("title", "status", "allowed_image_domains", "metadata")
_HIDDEN = types.HiddenContextItem | types.SDKHiddenContextItem
CUT_OFF = "The answer above is incomplete: it was cut off before its end."


class Recorder:
    """Stores one turn's events.

    `stale` are the ids of items to delete with the first item that is written. `earlier` are the items of the thread
    that the turn continues.
    """

    def __init__(
        self,
        store: OwnerStore,
        thread: types.ThreadMetadata,
        stale: Sequence[str] = (),
        earlier: Sequence[types.ThreadItem] = (),
    ) -> None:
        self._store, self._earlier = store, earlier
        self._thread, self._stale = thread, list(stale)
        self._messages: dict[str, PendingMessage] = {}
        self._others: dict[str, PendingItem] = {}
        self._stored: set[str] = set()
        """The ids of those of both that are stored already, and have been updated."""
        self._calls: list[ModelItem] = []
        self._stored_calls: list[str] = []
        """The ids of calls that are written, but not reported by their run yet."""
        self._reported_calls: list[str] = []
        """The ids of calls that their run has reported, but not begun yet."""
        self._written: list[str] = []
        """The ids of the items that this turn has written, up to its last call or result."""
        self._since_calls: list[str] = []
        """The ids of those that it has written after that."""
        self._writing = asyncio.Lock()
        self._known = _copied(_fields_of(thread))

    def grow(self, delta: TextDelta) -> None:
        """Add a piece of text to the message that is being streamed."""
        message = self._messages.get(delta.item_id)
        if message is not None:
            message.part(delta.content_index).append(delta.delta)

    def keep_calls(self, calls: list[ModelItem]) -> None:
        """Take tool calls and results out of `calls`, to write them with the next item."""
        for item in calls:
            call_id = call_id_in(item)
            if call_id in self._stored_calls:
                self._stored_calls.remove(call_id)
                continue
            if call_id is not None:
                self._reported_calls.append(call_id)
            self._calls.append(item)
        calls.clear()

    @property
    def has_calls(self) -> bool:
        """Whether there are calls or results that are not written yet."""
        return bool(self._calls)

    def know_calls(self, call_ids: Iterable[str]) -> None:
        """Take note of calls that an earlier turn has written, and that this turn runs."""
        self._reported_calls += call_ids

    async def store_call(self, call: dict[str, Any]) -> None:
        """Write a function call before its tool runs: should the process die, the history says that it was made."""
        if call["call_id"] in self._reported_calls:
            self._reported_calls.remove(call["call_id"])
        else:
            self._stored_calls.append(call["call_id"])
            self._calls.append(new_model_item(self._thread.id, {"model_items": [call]}))
        await self._write_calls()

    async def save(self, events: EventChunk | None) -> Signals:
        """Write the calls and results so far, and a part of the turn's events."""
        async with self._writing:
            calls, self._calls = self._calls, []
            try:
                signals = await self._store.write_in_turn(calls, events=events, changes=self._changes_by(calls))
            except Exception:
                self._calls = [*calls, *self._calls]
                raise
            self._note_written(calls)
            return signals

    def _note_written(self, calls: Sequence[ModelItem], items: Sequence[types.ThreadItem] = ()) -> None:
        if calls:
            self._written += [*self._since_calls, *(item.id for item in calls)]
            self._since_calls = []
        self._since_calls += [item.id for item in items]

    def keep_workflow(self, item: types.WorkflowItem) -> None:
        """Write a workflow at the end of the turn: one of an earlier turn has no `added` event in this one."""
        self._others[item.id] = PendingItem(item)

    async def record(self, event: types.ThreadStreamEvent) -> list[Event]:
        """Store an event and return the events for the client."""
        visible: list[Event] = [event]
        match event:
            case types.ThreadItemAddedEvent(item=item):
                event.item = item = with_time_zone(item)
                self._begin(item)
            case types.ThreadItemDoneEvent(item=item) | types.ThreadItemReplacedEvent(item=item):
                event.item = item = with_time_zone(with_drawn_widget(item))
                await self.write(item)
            case types.ThreadItemRemovedEvent(item_id=item_id):
                if not self._is_pending(item_id) and await self._is_hidden(item_id):
                    visible = []
                self._forget(item_id)
                await self._store.delete_thread_item(self._thread.id, item_id)
            case types.ThreadItemUpdatedEvent():
                visible = await self._update(event)
        if isinstance(getattr(event, "item", None), _HIDDEN):
            visible = []
        return visible + await self.thread_changes()

    async def record_emitted(self, queue: EventQueue) -> None:
        """Store the events that wait in a queue and the fields of the thread; no client gets them."""
        while queue.events:
            await self.record(queue.events.popleft())
        await self.thread_changes()

    def _begin(self, item: types.ThreadItem) -> None:
        if isinstance(item, types.AssistantMessageItem):
            self._messages[item.id] = PendingMessage(item)
        elif not isinstance(item, _HIDDEN):
            self._others[item.id] = PendingItem(item)

    def _pending(self, item_id: str) -> Pending | None:
        return self._messages.get(item_id) or self._others.get(item_id)

    def _is_pending(self, item_id: str) -> bool:
        return self._pending(item_id) is not None

    def _forget(self, item_id: str) -> None:
        self._messages.pop(item_id, None)
        self._others.pop(item_id, None)
        self._stored.discard(item_id)

    async def _is_hidden(self, item_id: str) -> bool:
        try:
            return isinstance(await self._load(item_id), _HIDDEN)
        except NotFoundError:
            return False

    async def _load(self, item_id: str) -> types.ThreadItem:
        return await self._store.backend.load_item(self._store.owner, self._thread.id, item_id)

    async def _update(self, event: types.ThreadItemUpdatedEvent) -> list[Event]:
        """Apply an update, and return the events for the client; that of a stored item is stored."""
        item_id, update = event.item_id, event.update
        pending = self._pending(item_id)
        if pending is None:
            try:
                stored = await self._load(item_id)
            except NotFoundError:
                return [event]
            if isinstance(stored, _HIDDEN):
                return []
            self._begin(stored)
            self._stored.add(item_id)
            pending = self._pending(item_id)
        assert pending is not None
        pending.apply(update)
        if item_id not in self._stored or is_piece(update):
            return [event]
        item = pending.so_far()
        if item is None:
            return [event]
        await self.write(item)
        # Not the update: the client may not have the item as it is stored.
        return [types.ThreadItemReplacedEvent(item=item)] if isinstance(update, types.WidgetRootUpdated) else [event]

    async def write(self, *items: types.ThreadItem, done: bool = False) -> None:
        """Write items and the calls before them, and delete those of an earlier answer, in one transaction."""
        for item in items:
            if isinstance(item, types.WidgetItem):
                check_item(item)  # a handler of the project may have made it
        visible = done or any(not isinstance(item, _HIDDEN) for item in items)
        await to_the_end(self._write(*items, visible=visible))
        for item in items:
            self._forget(item.id)

    async def _write_calls(self) -> None:
        """Write the calls and results so far; wait for a write that is under way: it may have some, and may fail."""
        if self._calls or self._writing.locked():
            await to_the_end(self._write())

    async def _write(self, *items: types.ThreadItem, visible: bool = False) -> None:
        async with self._writing:
            calls, self._calls = self._calls, []
            stale, self._stale = (self._stale, []) if visible else ([], self._stale)
            if not (calls or items or stale):
                return
            try:
                changes = self._changes_by(calls)
                await self._store.write_items(self._thread.id, [*calls, *items], delete=stale, changes=changes)
            except Exception:
                # Nothing was written: keep both for the next attempt.
                self._calls, self._stale = [*calls, *self._calls], [*stale, *self._stale]
                raise
            self._note_written(calls, items)

    def reload(self, thread: types.ThreadMetadata) -> None:
        """Replace the thread's fields by the stored ones."""
        for name, value in _fields_of(thread).items():
            setattr(self._thread, name, value)
        self._known = _copied(_fields_of(self._thread))

    def _changed_fields(self) -> dict[str, Any]:
        return {name: value for name, value in _fields_of(self._thread).items() if value != self._known[name]}

    def _changes_by(self, calls: Sequence[ModelItem]) -> ThreadChanges | None:
        """Return what tools have set on the thread, to be written with their calls: the process may die before more.

        `thread_changes` sends it to the client later.
        """
        return cast(ThreadChanges, self._changed_fields()) if calls else None

    async def thread_changes(self) -> list[Event]:
        """Store the fields of the thread that a tool has set, and return the events for the client."""
        changed = self._changed_fields()
        if not changed:
            return []
        sent = _copied(changed)
        stored = await self._store.update_thread(self._thread.id, **sent)
        self._known.update(sent)
        for name, value in _fields_of(stored).items():
            # Changes by others, such as a new title from the user, are taken over. The metadata of the thread stays
            # the same dict, so that what a tool sets in it meanwhile is stored the next time.
            if name not in sent and value != self._known[name]:
                setattr(self._thread, name, value)
                self._known[name] = copy.deepcopy(value)
        return [types.ThreadUpdatedEvent(thread=thread_response(self._thread))]

    async def store_title(self, title: str) -> list[Event]:
        """Store an automatic title, unless the user has set one meanwhile."""
        backend, owner = self._store.backend, self._store.owner
        # Also after the turn: the condition is enough.
        stored = await backend.update_thread(owner, self._thread.id, title=title, only_if_untitled=True)
        if stored.title != title or self._thread.title is not None:
            return []
        self._thread.title = self._known["title"] = title
        return [types.ThreadUpdatedEvent(thread=thread_response(self._thread))]

    async def finish(self) -> None:
        """Write the calls after the last item, and the items that are not done, such as workflows to continue."""
        pending = self.pending_items()
        if pending or self._stale:
            await self.write(*pending, done=True)
        else:
            await self._write_calls()

    async def cut_off(self) -> list[types.ThreadItem]:
        """Write what a turn that ended early has produced, and a note for the model that it is incomplete.

        What was done for the user's message up to the last call is marked, so that a retry continues there and no tool
        runs again. Return the incomplete items.
        """
        partial = self.pending_items()
        for item in partial:
            if isinstance(item, types.WorkflowItem):
                end_workflow(item)
        says_something = any(isinstance(item, types.AssistantMessageItem) for item in partial)
        notes = [cut_off_note(self._store, self._thread)] if says_something else []
        await self._write_calls()
        if done := [*done_so_far(self._earlier), *self._written]:
            self._calls.append(unfinished_mark(self._thread.id, done))
        if partial or self._calls:
            await self.write(*partial, *notes)
        return partial

    def pending_items(self) -> list[types.ThreadItem]:
        """Return the items that are not done, and those that were updated, as far as their events have come."""
        pending: list[Pending] = [*self._messages.values(), *self._others.values()]
        items = [item for each in pending if (item := each.so_far()) is not None]
        return sorted(items, key=lambda item: item.created_at)

    async def replay(self, event: types.ThreadStreamEvent) -> None:
        """Take note of an event of a turn that has died, without writing anything."""
        match event:
            case types.ThreadItemAddedEvent(item=item):
                self._begin(item)
            case types.ThreadItemDoneEvent(item=item) | types.ThreadItemReplacedEvent(item=item):
                self._forget(item.id)
            case types.ThreadItemRemovedEvent(item_id=item_id):
                self._forget(item_id)
            case types.ThreadItemUpdatedEvent(item_id=item_id, update=update):
                if (pending := self._pending(item_id)) is not None:
                    pending.apply(update)


def with_time_zone(item: types.ThreadItem) -> types.ThreadItem:
    """Return the item with an aware time: a naive one is local time, as in the SDK."""
    if item.created_at.tzinfo is not None:
        return item
    # A copy: the project's code may subtract the time of its own item from another naive one.
    return item.model_copy(update={"created_at": item.created_at.astimezone(UTC)})


def cut_off_note(store: OwnerStore, thread: types.ThreadMetadata) -> types.SDKHiddenContextItem:
    """Make the note for the model that the message before it is incomplete."""
    now = datetime.now(UTC)
    return types.SDKHiddenContextItem(
        id=store.generate_item_id("sdk_hidden_context", thread), thread_id=thread.id, created_at=now, content=CUT_OFF
    )


async def to_the_end(write: Coroutine[Any, Any, Any]) -> None:
    """Finish a write even if the turn is cancelled meanwhile: an item is stored completely or not at all."""
    task, cancelled = asyncio.ensure_future(write), False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


def _fields_of(thread: types.ThreadMetadata) -> dict[str, Any]:
    return {name: getattr(thread, name) for name in _FIELDS}


def _copied(fields: dict[str, Any]) -> dict[str, Any]:
    # Nearly every thread has this status; it is flat, and a deep copy is slow.
    return {
        name: value.model_copy() if isinstance(value, types.ActiveStatus) else copy.deepcopy(value)
        for name, value in fields.items()
    }


_NO_ITEMS: types.Page[types.ThreadItem] = types.Page[types.ThreadItem](data=[])


def thread_response(thread: types.ThreadMetadata, items: types.Page[types.ThreadItem] | None = None) -> types.Thread:
    """Return a thread as clients get it: without its metadata, which is private to the server."""
    # Without validation, because the parts are valid: a list of threads has a hundred of them.
    return types.Thread.model_construct(
        id=thread.id,
        title=thread.title,
        created_at=thread.created_at,
        status=thread.status,
        allowed_image_domains=thread.allowed_image_domains,
        items=items if items is not None else _NO_ITEMS,
        metadata={},
    )
