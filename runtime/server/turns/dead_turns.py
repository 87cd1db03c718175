"""End a turn whose process has died: store what it had produced, and show the user that it was interrupted.

The next request for the thread does so once the turn's lease has run out. The text is what the turn had last written
of its events. A call without a result stays in the history, with an output that says so: its tool may have run.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from chatkit import types
from chatkit.store import NotFoundError
from pydantic import TypeAdapter

from runtime.config.model.chat import History
from runtime.server.history.interruption import CardTexts, interruption_card
from runtime.server.history.window import load_history
from runtime.server.turns.model_items import (
    done_so_far,
    function_calls,
    new_model_item,
    since_last_message,
    unfinished_mark,
)
from runtime.server.turns.recorder import Recorder, cut_off_note
from runtime.server.turns.sse import TextDelta
from runtime.server.turns.turn_log import read_chunk
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import ModelItem
from runtime.stores.turns import EventChunk, TurnStatus, TurnStore

logger = logging.getLogger("runtime.server")

UNKNOWN_RESULT = "The call was interrupted: whether it took effect is unknown. Find out before making it again."
_EVENT: TypeAdapter[types.ThreadStreamEvent] = TypeAdapter(types.ThreadStreamEvent)


async def close_dead_turn(
    store: OwnerStore, thread: types.ThreadMetadata, status: TurnStatus, window: History, texts: CardTexts
) -> None:
    """Store the end of a turn that has died, and release its lease. Raise TurnConflict if somebody else was faster."""
    backend = store.backend
    assert isinstance(backend, TurnStore)
    recorder = Recorder(store, thread)
    await _replay(recorder, await backend.load_events(store.owner, thread.id, status.number))
    items = [_ended(item) for item in recorder.pending_items() if not await _is_stored(store, item)]
    history = await load_history(store, thread.id, window)
    if any(isinstance(item, types.AssistantMessageItem) for item in items):
        items.append(cut_off_note(store, thread))
    done = done_so_far(history)
    outputs = [_unknown(call) for call in _unanswered(history)]
    if outputs:
        items.append(new_model_item(thread.id, {"model_items": outputs}))
        done.append(items[-1].id)
    if items or not _is_complete(history):
        if done:
            items.append(unfinished_mark(thread.id, done))
        items.append(interruption_card(thread.id, texts))
    await backend.close_turn(store.owner, thread.id, status.number, items)
    logger.warning("turn %d of thread %s has died: %d items stored at its end", status.number, thread.id, len(items))


async def _replay(recorder: Recorder, chunks: Sequence[EventChunk]) -> None:
    for chunk in chunks:
        for entry in read_chunk(chunk):
            if isinstance(entry, TextDelta):
                recorder.grow(entry)
            else:
                await recorder.replay(_EVENT.validate_json(entry[len(b"data: ") :]))


async def _is_stored(store: OwnerStore, item: types.ThreadItem) -> bool:
    # The events are written later than the items that are done.
    try:
        await store.load_item(item.thread_id, item.id)
    except NotFoundError:
        return False
    return True


def _ended(item: types.ThreadItem) -> types.ThreadItem:
    if isinstance(item, types.WorkflowItem):
        item.workflow.expanded = False
        if item.workflow.summary is None:
            item.workflow.summary = types.CustomSummary(title="Interrupted")
    return item


def _unanswered(history: Sequence[types.ThreadItem]) -> list[dict[str, Any]]:
    """Return the function calls of the turn that have no output, and wait for nobody."""
    turn = since_last_message(history)
    if any(isinstance(item, ModelItem) and "pending_run" in item.content for item in turn):
        return []
    answered = {raw.get("call_id") for raw in _model_items(turn) if raw.get("type") == "function_call_output"}
    answered |= {item.call_id for item in turn if isinstance(item, types.ClientToolCallItem)}
    return [call for call in function_calls(turn) if call["call_id"] not in answered]


def _model_items(items: Sequence[types.ThreadItem]) -> list[dict[str, Any]]:
    return [raw for item in items if isinstance(item, ModelItem) for raw in item.content.get("model_items", ())]


def _unknown(call: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call["call_id"], "output": UNKNOWN_RESULT}


def _is_complete(history: Sequence[types.ThreadItem]) -> bool:
    """Return whether the turn had only to be ended: its answer is there, or it waits for the user."""
    turn = since_last_message(history)
    last = turn[-1] if turn else None
    match last:
        case ModelItem():
            return "pending_run" in last.content or "active_agent" in last.content or "left_out" in last.content
        case types.ClientToolCallItem() | types.StructuredInputItem():
            return last.status == "pending"
        case types.HiddenContextItem() | types.SDKHiddenContextItem() | types.WorkflowItem() | None:
            return False
        case _:
            return True
