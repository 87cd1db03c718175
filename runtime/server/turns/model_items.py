"""Make and read `ModelItem`s: what a thread stores for the model and for the runtime, and no client sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from chatkit.types import ClientToolCallItem, InferenceOptions, ThreadItem, UserMessageItem

from runtime.stores.ids import new_id
from runtime.stores.store import ModelItem


def new_model_item(thread_id: str, content: dict[str, Any]) -> ModelItem:
    """Make a new `ModelItem` of a thread."""
    return ModelItem(id=new_id("call"), thread_id=thread_id, created_at=datetime.now(UTC), content=content)


_UNFINISHED = "unfinished"
# These say where an answer is from. What remains has to come back to the endpoint with the call.
_ORIGIN = frozenset({"endpoint", "model", "response_id"})


def stored_call(raw: Any) -> dict[str, Any]:
    """Return a function call of a model as a thread stores it: without its id, and with what its endpoint wants back.

    With an id, the Responses API requires the reasoning before the call as well.
    """
    call = {"type": "function_call", "call_id": raw.call_id, "name": raw.name, "arguments": raw.arguments}
    data = getattr(raw, "provider_data", None) or {}
    return call if data.keys() <= _ORIGIN else {**call, "provider_data": data}


def function_calls(items: Iterable[ThreadItem]) -> Iterator[dict[str, Any]]:
    """Yield the function calls of the model that a thread stores."""
    for item in items:
        if isinstance(item, ModelItem):
            yield from (call for call in item.content.get("model_items", ()) if call.get("type") == "function_call")


def call_id_in(item: ModelItem) -> str | None:
    """Return the id of the function call that an item holds alone, or None for other items."""
    match item.content.get("model_items"):
        case [{"type": "function_call", "call_id": str(call_id)}]:
            return call_id
    return None


def active_agent(items: Sequence[ThreadItem]) -> str | None:
    """Return the key of the sticky agent that has taken over a thread, or None."""
    keys = (item.content.get("active_agent") for item in reversed(items) if isinstance(item, ModelItem))
    return next((key for key in keys if key is not None), None) or None


def last_inference_options(items: Sequence[ThreadItem]) -> InferenceOptions | None:
    """Return the user's choices in the composer for the last user message."""
    last = next((item for item in reversed(items) if isinstance(item, UserMessageItem)), None)
    return last.inference_options if last is not None else None


def since_last_message(items: Sequence[ThreadItem]) -> Sequence[ThreadItem]:
    """Return the items of a thread after the user's last message."""
    starts = [index for index, item in enumerate(items) if isinstance(item, UserMessageItem)]
    return items[starts[-1] + 1 :] if starts else items


def done_so_far(items: Sequence[ThreadItem]) -> list[str]:
    """Return the ids of a thread's items after the user's last message, up to the last call or result."""
    turn = since_last_message(items)
    ends = [end for end, item in enumerate(turn, 1) if _is_call_or_result(item)]
    return [item.id for item in turn[: ends[-1]]] if ends else []


def _is_call_or_result(item: ThreadItem) -> bool:
    return isinstance(item, ClientToolCallItem) or (isinstance(item, ModelItem) and "model_items" in item.content)


def unfinished_mark(thread_id: str, item_ids: Sequence[str]) -> ModelItem:
    """Make the mark of a turn that ended early after calls of tools: a retry keeps these items."""
    return new_model_item(thread_id, {_UNFINISHED: list(item_ids)})


def unfinished_items(items: Sequence[ThreadItem]) -> list[ThreadItem]:
    """Return the items after a user's message that a retry of it keeps: what turns that ended early have done."""
    kept = {each for item in items if isinstance(item, ModelItem) for each in item.content.get(_UNFINISHED, ())}
    return [item for item in items if item.id in kept]
