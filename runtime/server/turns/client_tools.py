"""Client tool calls between turns: one is sent at a time, the others are queued in the thread until it has a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard
from uuid import uuid4

from chatkit.types import ClientToolCallItem, ThreadItem

from runtime.assemble.context import ClientCall, RuntimeContext
from runtime.assemble.project import Snapshot
from runtime.server.history.converter import UNANSWERED
from runtime.server.turns.model_items import function_calls
from runtime.stores.ids import new_id
from runtime.stores.store import ModelItem

REMOVED_TOOL = "The tool for this result is no longer part of this assistant."


def make_call_item(context: RuntimeContext, call: ClientCall) -> ClientToolCallItem:
    """Make the item that lets the browser run a tool, with the id of the function call that asked for it."""
    return ClientToolCallItem(
        id=context.generate_id("tool_call"),
        thread_id=context.thread.id,
        created_at=datetime.now(UTC),
        name=call.call.name,
        arguments=call.call.arguments,
        # Not one of our own ids: Chat Completions takes at most 40 characters.
        call_id=call.call_id or f"call_{uuid4().hex}",
    )


def queue_call(item: ClientToolCallItem) -> ModelItem:
    """Make the item that stores a client tool call until the call before it has a result."""
    return ModelItem(
        id=item.id,
        thread_id=item.thread_id,
        created_at=item.created_at,
        content={"queued_client_tool": item.model_dump(mode="json")},
    )


def dequeue_call(queued: ModelItem) -> ClientToolCallItem:
    """Make the client tool call that a queued item stores."""
    item = ClientToolCallItem.model_validate(queued.content["queued_client_tool"])
    # A new id: the queued item's place in the thread is before the first call's result.
    return item.model_copy(update={"id": new_id("tool_call"), "created_at": datetime.now(UTC)})


def is_pending(item: ThreadItem) -> TypeGuard[ClientToolCallItem]:
    """Return whether an item is a client tool call without a result."""
    return isinstance(item, ClientToolCallItem) and item.status == "pending"


def is_queued(item: ThreadItem) -> TypeGuard[ModelItem]:
    """Return whether an item stores a queued client tool call."""
    return isinstance(item, ModelItem) and "queued_client_tool" in item.content


def removed_tool(snapshot: Snapshot, call_id: str, history: Iterable[ThreadItem]) -> str | None:
    """Return the name of the tool that made a client tool call, if no agent has it any more; else None."""
    name = next((call["name"] for call in function_calls(history) if call["call_id"] == call_id), None)
    declared = {tool.name for agent in snapshot.agents.values() for tool in agent.tools}
    return name if name not in declared else None


def skip_open_calls(history: list[ThreadItem]) -> tuple[list[ThreadItem], list[ThreadItem], list[str]]:
    """Mark all client tool calls as unanswered, because the user has sent a message instead of a result.

    Return the history, the items that changed in it, and the ids of the items to delete.
    """
    queued = [item for item in history if is_queued(item)]
    history, changed = decline_queued(history, queued)
    kept: list[ThreadItem] = []
    for item in history:
        if is_pending(item):
            item = item.model_copy(update={"status": "completed", "output": UNANSWERED})
            changed.append(item)
        kept.append(item)
    return kept, changed, [item.id for item in queued]


def decline_queued(history: list[ThreadItem], queued: Sequence[ModelItem]) -> tuple[list[ThreadItem], list[ThreadItem]]:
    """Mark queued client tool calls as unanswered; return the history without them, and the items that changed.

    The model has an output for each of them already, from the tool that asked for the call; it is replaced.
    """
    if not queued:
        return history, []
    call_ids = {dequeue_call(item).call_id for item in queued}
    kept: list[ThreadItem] = []
    changed: list[ThreadItem] = []
    for item in history:
        if item in queued:
            continue
        if isinstance(item, ModelItem) and any(
            _is_output(raw, call_ids) for raw in item.content.get("model_items", ())
        ):
            raws = [
                {**raw, "output": UNANSWERED} if _is_output(raw, call_ids) else raw
                for raw in item.content["model_items"]
            ]
            item = item.model_copy(update={"content": {"model_items": raws}})
            changed.append(item)
        kept.append(item)
    return kept, changed


def _is_output(raw: dict[str, Any], call_ids: set[str]) -> bool:
    return raw.get("type") == "function_call_output" and raw.get("call_id") in call_ids
