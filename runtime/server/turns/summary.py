"""Renew a thread's summary in the background, from a transcript of its items; a failure affects no answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any, cast

from chatkit.agents import ThreadItemConverter
from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageItem,
    HiddenContextItem,
    SDKHiddenContextItem,
    ThreadItem,
    UserMessageItem,
    WidgetItem,
)

from runtime.assemble.context import RuntimeContext
from runtime.assemble.project import Snapshot
from runtime.assemble.token_meter import TOKEN_METER, TokenBudgetExceeded, TokenMeter
from runtime.resources.containment import reason_of
from runtime.server.history.window import Room, Uncovered, find_uncovered, load_history
from runtime.server.turns import token_budget as budget
from runtime.server.turns.model_items import new_model_item
from runtime.server.turns.recorder import to_the_end
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import ModelItem

logger = logging.getLogger("runtime.server")

MOST_CHARACTERS = 8_000
"""The most characters of a summary."""
_WINDOWS = 4
"""The most windows that a thread's first summary covers."""
_MESSAGE_CHARACTERS = 8_000
_RESULT_CHARACTERS = 500


async def renew_summary(snapshot: Snapshot, context: RuntimeContext, store: OwnerStore) -> None:
    """Summarize the items that the thread's summary does not cover. A failure is logged; the old summary stays."""
    thread_id, meter = context.thread.id, TokenMeter(snapshot.models.prices)
    TOKEN_METER.set(meter)
    try:
        await budget.check_budgets(meter, snapshot.config.limits, store, thread_id)
        await _renew(snapshot, context, store)
    except TokenBudgetExceeded as exceeded:
        logger.info("no summary for thread %s: %s", thread_id, exceeded)
    except Exception as error:
        logger.warning("no summary for thread %s: %s", thread_id, reason_of(error))
    finally:
        await to_the_end(budget.store_usage(meter, store, thread_id))


async def _renew(snapshot: Snapshot, context: RuntimeContext, store: OwnerStore) -> None:
    history, thread_id = snapshot.config.chat.history, context.thread.id
    assert snapshot.summarise is not None
    room = Room.of(history)
    uncovered = find_uncovered(await load_history(store, thread_id, history, reach=room.times(_WINDOWS)), history)
    if uncovered is None:
        return
    earlier = uncovered.earlier.text if uncovered.earlier is not None else ""
    transcript = await to_transcript(snapshot.converter, uncovered.items, room.characters)
    text = await snapshot.summarise(context, earlier, transcript)
    if not text.strip():
        raise ValueError("the model returned an empty text")
    summary = {"text": text.strip()[:MOST_CHARACTERS], "until": uncovered.until}
    item = new_model_item(thread_id, {"summary": summary})
    await to_the_end(_store(store, item, uncovered))


async def _store(store: OwnerStore, item: ModelItem, uncovered: Uncovered) -> None:
    """Store a summary, unless an item that it covers was deleted while it was being written."""
    owner, write = store.owner, store.backend.write_items
    await write(owner, item.thread_id, [item])
    first = uncovered.items[0].id
    covered = {item.id for item in uncovered.items}
    if uncovered.earlier is not None:
        covered.add(uncovered.earlier.item_id)
    # Checked after writing: what deletes an item from now on deletes the summary as well.
    try:
        existing = {first, *await store.backend.item_ids_after(owner, item.thread_id, first)}
    except NotFoundError:
        existing = set()
    if not covered <= existing:
        logger.info("no summary for thread %s: an item that it covers was deleted meanwhile", item.thread_id)
        await write(owner, item.thread_id, (), delete=[item.id])


async def to_transcript(converter: ThreadItemConverter, items: Sequence[ThreadItem], most: int) -> str:
    """Convert items, oldest first, to at most `most` characters; the oldest items are left out first.

    Items that the project's own converter hides from the model are left out; attachments are given by name.
    """
    lines: list[str] = []
    for item in reversed(items):
        without_files = item.model_copy(update={"attachments": []}) if isinstance(item, UserMessageItem) else item
        model_input = cast(list[dict[str, Any]], await converter.to_agent_input([without_files]))
        for line in reversed(list(_lines(item, model_input))):
            most -= len(line) + 1
            if most < 0 and lines:
                return "\n".join(reversed(lines))
            lines.append(line)
    return "\n".join(reversed(lines))


def _lines(item: ThreadItem, model_input: Sequence[dict[str, Any]]) -> Iterator[str]:
    label, most = _label(item)
    if isinstance(item, UserMessageItem) and item.attachments:
        yield f"{label} attached: {_shorten(', '.join(file.name for file in item.attachments), _RESULT_CHARACTERS)}"
    for raw in model_input:
        match raw.get("type", "message"):
            case "message":
                text = getattr(item, "copy_text", None) or _text(raw.get("content"))
                if text:
                    yield f"{label}: {_shorten(text, most)}"
            case "function_call":
                yield f"Tool call: {raw.get('name')} {_shorten(_text(raw.get('arguments')), _RESULT_CHARACTERS)}"
            case "function_call_output":
                yield f"Tool result: {_shorten(_text(raw.get('output')), _RESULT_CHARACTERS)}"


def _label(item: ThreadItem) -> tuple[str, int]:
    match item:
        case UserMessageItem():
            return "User", _MESSAGE_CHARACTERS
        case AssistantMessageItem():
            return "Assistant", _MESSAGE_CHARACTERS
        case WidgetItem():
            return "Shown to the user", _RESULT_CHARACTERS
        case HiddenContextItem() | SDKHiddenContextItem() if not isinstance(item, ModelItem):
            return "Noted", _MESSAGE_CHARACTERS
        case _:
            return "Noted", _RESULT_CHARACTERS


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if isinstance(part, dict) and part.get("text"))
    return "" if content is None else json.dumps(content, ensure_ascii=False, default=str)


def _shorten(text: str, most: int) -> str:
    text = text.strip()
    text = text if len(text) <= most else text[: most - 1].rstrip() + "…"
    # Indented, so that no line of a message looks like another message.
    return text.replace("\n", "\n  ")
