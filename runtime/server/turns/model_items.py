"""What a thread keeps for the model alone, read and made: who answers, what was chosen, which client tools wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from chatkit.types import ClientToolCallItem, InferenceOptions, ThreadItem, UserMessageItem

from runtime.assemble.context import ClientCall, RuntimeContext
from runtime.stores.ids import new_id
from runtime.stores.store import ModelItem


def active_in(items: Sequence[ThreadItem]) -> str | None:
    """The key of the agent that had the last word in a thread, where one has kept it."""
    kept = (item.content.get("active_agent") for item in reversed(items) if isinstance(item, ModelItem))
    return next((key for key in kept if key is not None), None) or None


def chosen_in(items: Sequence[ThreadItem]) -> InferenceOptions | None:
    """What the user has chosen in the composer for the last message of a thread."""
    last = next((item for item in reversed(items) if isinstance(item, UserMessageItem)), None)
    return last.inference_options if last is not None else None


def client_call(context: RuntimeContext, call: ClientCall) -> ClientToolCallItem:
    """The item that makes the browser run a tool, bound to the function call that it answers."""
    return ClientToolCallItem(
        id=new_id("tool_call"),
        thread_id=context.thread.id,
        created_at=datetime.now(UTC),
        name=call.call.name,
        arguments=call.call.arguments,
        # Not one of our own ids: Chat Completions takes at most 40 characters.
        call_id=call.call_id or f"call_{uuid4().hex}",
    )


def queued_call(item: ClientToolCallItem) -> ModelItem:
    """Keep a client tool call until the one before it has its result."""
    return ModelItem(
        id=item.id,
        thread_id=item.thread_id,
        created_at=item.created_at,
        content={"queued_client_tool": item.model_dump(mode="json")},
    )


def dequeue(marker: ModelItem) -> ClientToolCallItem:
    """The client tool call that was kept."""
    item = ClientToolCallItem.model_validate(marker.content["queued_client_tool"])
    # A new id: the marker's place in the thread was before the first call's result.
    return item.model_copy(update={"id": new_id("tool_call"), "created_at": datetime.now(UTC)})
