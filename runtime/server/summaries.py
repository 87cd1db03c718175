"""The summary of what a thread's window leaves out: kept in the thread, told first, renewed before anything is lost.

It is written beside the turns, when three quarters of the window are in use, of the older half of what is in view. So
the model sees the summary and all that came after it, and one summary is written for many turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chatkit.agents import ThreadItemConverter
from chatkit.store import NotFoundError
from chatkit.types import ThreadItem, UserMessageItem

from runtime.assemble.summary import Summarise
from runtime.config.model.chat import History
from runtime.server.convert import CHARACTERS_PER_TOKEN, size_of, take_summary, to_model_input
from runtime.stores.facade import OwnerStore
from runtime.stores.ids import new_id
from runtime.stores.store import ALL_KINDS, ModelItem

_IN_USE = 0.75
_LONGEST_OUTPUT = 500


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be summarised: the summary so far, and the items that it does not tell of yet, oldest first."""

    earlier: str
    items: list[ThreadItem]


def due(items: Sequence[ThreadItem], history: History) -> Due | None:
    """Tell what of a thread is to be summarised now; None where there is room enough."""
    earlier, since = take_summary(items)
    turns = _turns(since)
    counts = [sum(not isinstance(item, ModelItem) for item in turn) for turn in turns]
    sizes = [sum(map(size_of, turn)) for turn in turns]
    most = history.tokens * CHARACTERS_PER_TOKEN
    if sum(counts) <= history.items * _IN_USE and sum(sizes) <= most * _IN_USE:
        return None
    taken: list[ThreadItem] = []
    # The newest turn stays, however long it is.
    for index, turn in enumerate(turns[:-1]):
        if sum(counts[index:]) <= history.items * _IN_USE / 2 and sum(sizes[index:]) <= most * _IN_USE / 2:
            break
        taken += turn
    return Due(earlier, taken) if taken else None


async def renew(
    summarise: Summarise, converter: ThreadItemConverter, history: History, store: OwnerStore, thread_id: str
) -> bool:
    """Summarise what is due of a thread and keep it there; True when there was something to do."""
    page = await store.backend.load_items(
        store.owner, thread_id, limit=history.items + 500, order="desc", kinds=ALL_KINDS
    )
    wanted = due(page.data[::-1], history)
    if wanted is None:
        return False
    whole = history.model_copy(update={"items": len(wanted.items), "tokens": 10**9})
    said = "\n".join(filter(None, map(_line, await to_model_input(converter, wanted.items, whole))))
    text = await summarise(wanted.earlier, said) if said else wanted.earlier
    last = wanted.items[-1]
    if not text:
        return False
    try:
        # A retry may have taken back what was just summarised.
        await store.backend.load_item(store.owner, thread_id, last.id)
    except NotFoundError:
        return False
    content = {"summary": {"text": text, "until": last.id}}
    kept = ModelItem(id=new_id("call"), thread_id=thread_id, created_at=datetime.now(UTC), content=content)
    await store.backend.write_items(store.owner, thread_id, [kept])
    return True


def standing(items: Sequence[ThreadItem], stale: Sequence[str]) -> list[ThreadItem]:
    """The summaries among items that go which tell of nothing that goes: they stay."""
    gone = set(stale)
    return [
        item
        for item in items
        if isinstance(item, ModelItem)
        and item.id in gone
        and "summary" in item.content
        and item.content["summary"]["until"] not in gone
    ]


def _turns(items: Sequence[ThreadItem]) -> list[list[ThreadItem]]:
    turns: list[list[ThreadItem]] = []
    for item in items:
        if not turns or isinstance(item, UserMessageItem):
            turns.append([])
        turns[-1].append(item)
    return turns


def _line(item: Any) -> str:
    match item.get("type", "message"):
        case "function_call":
            return f"Call of {item['name']}: {item['arguments']}"
        case "function_call_output":
            return f"It gave: {_cut(_text(item['output']))}"
        case "message":
            who = {"user": "User", "assistant": "Assistant"}.get(item["role"], "Note")
            return f"{who}: {text}" if (text := _text(item["content"])) else ""
        case _:
            return ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_OUTPUT else f"{text[:_LONGEST_OUTPUT]} …"
