"""The window of a thread that a model sees, what the thread's summary tells instead, and when to renew that.

A window that is full is summed up but for its newer half, so that a summary lasts for many turns. What waits to be
summed up stays in view meanwhile, which takes up to half as much room again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatkit.types import (
    AssistantMessageItem,
    ClientToolCallItem,
    GeneratedImageItem,
    ThreadItem,
    UserMessageItem,
)

from runtime.config.model.chat import History
from runtime.stores.serialization import Summary, summaries_in, summary_in
from runtime.stores.store import ModelItem

_CHARACTERS_PER_TOKEN = 4
_IMAGE_TOKENS = 1_000
_FEWEST_TURNS = 2
"""Fewer turns are not worth a summary, unless they are very long."""
_WAITING_ITEMS = 8
"""So many items at least may wait for a summary, however small the window is."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much may be told: so many items, and so many characters."""

    items: int
    characters: int

    @classmethod
    def of(cls, history: History) -> Room:
        """The window's own size."""
        return cls(history.items, history.tokens * _CHARACTERS_PER_TOKEN)

    def half(self) -> Room:
        """What is left in view of a window that is summed up."""
        return Room(self.items // 2, self.characters // 2)

    def with_waiting(self) -> Room:
        """The most that is ever told, where some of it waits for a summary."""
        return Room(self.items + max(self.items // 2, _WAITING_ITEMS), self.characters + self.characters // 2)

    def times(self, factor: int) -> Room:
        """So many times as much."""
        return Room(self.items * factor, self.characters * factor)

    def is_filled(self, items: Sequence[ThreadItem]) -> bool:
        """Tell whether these items take all of it."""
        count = sum(not isinstance(item, ModelItem) for item in items)
        return count >= self.items or sum(map(_size, items)) >= self.characters


@dataclass(frozen=True, slots=True)
class Uncovered:
    """What is to be summed up: an earlier summary, the items since, and the last item that the new one covers."""

    earlier: Summary | None
    items: list[ThreadItem]
    until: str


def window(items: Sequence[ThreadItem], history: History, summary: Summary | None = None) -> list[ThreadItem]:
    """What a model sees of these items, as it is told them, besides the summary."""
    room = Room.of(history)
    return _fit(in_view(items, history, summary), room if history.summary is None else room.with_waiting())


def in_view(items: Sequence[ThreadItem], history: History, summary: Summary | None = None) -> list[ThreadItem]:
    """What could be told of these items if there were room for all that the summary doesn't cover."""
    told = _as_called(without_left_out(_after(items, summary)))
    return _without_answered_calls(told, history.tool_results)


def take_summary(items: Sequence[ThreadItem]) -> tuple[Summary | None, list[ThreadItem]]:
    """Return the summary that covers most of these items, and the items without any summary."""
    places = {item.id: index for index, item in enumerate(items)}
    # The later one where several end before these items.
    found = enumerate(summaries_in(items))
    best = max(found, key=lambda one: (places.get(one[1].until, -1), one[0]), default=(0, None))[1]
    return best, [item for item in items if summary_in(item) is None]


def to_sum_up(items: Sequence[ThreadItem], history: History) -> Uncovered | None:
    """Say what a new summary is to be made of; None while the window isn't full, or too little would fall out."""
    earlier, items = take_summary(items)
    room, told = Room.of(history), in_view(items, history, earlier)
    if not room.is_filled(told):
        return None
    kept = _fit(told, room.half())
    covered = told[: len(told) - len(kept)]
    turns = sum(isinstance(item, UserMessageItem) for item in covered)
    if turns < _FEWEST_TURNS and not (turns and room.with_waiting().is_filled(told)):
        return None
    start = next(index for index, item in enumerate(items) if item.id == kept[0].id)
    # What only the model sees comes and goes: a message, a widget or a call of the client is there to stay.
    until = next(item for item in reversed(items[:start]) if not isinstance(item, ModelItem))
    return Uncovered(earlier, covered, until.id)


def _after(items: Sequence[ThreadItem], summary: Summary | None) -> list[ThreadItem]:
    """The turns after the last one that the summary covers; all items where it ends before them."""
    if summary is None:
        return list(items)
    at = next((index for index, item in enumerate(items) if item.id == summary.until), None)
    return list(items) if at is None else _from_a_message(items, at + 1)


def without_left_out(items: Sequence[ThreadItem]) -> list[ThreadItem]:
    """Leave out the turns in which a guardrail tripped, each from the user's message to the next one."""
    kept: list[ThreadItem] = []
    turn: list[ThreadItem] = []
    left_out = False
    for item in items:
        if isinstance(item, UserMessageItem):
            kept += [] if left_out else turn
            turn, left_out = [], False
        turn.append(item)
        left_out = left_out or (isinstance(item, ModelItem) and "left_out" in item.content)
    return kept if left_out else kept + turn


def _as_called(items: Sequence[ThreadItem]) -> list[ThreadItem]:
    """Tell client tool calls as the model made them: what the browser was called with has names of its own."""
    recorded = [call for item in items if isinstance(item, ModelItem) for call in item.content.get("model_items", ())]
    made = {call["call_id"]: call for call in recorded if call.get("type") == "function_call"}
    return [
        item.model_copy(update=_name_and_arguments(made[item.call_id]))
        if isinstance(item, ClientToolCallItem) and item.call_id in made
        else item
        for item in items
    ]


def _name_and_arguments(call: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"name": call["name"], "arguments": json.loads(call["arguments"] or "{}")}
    except json.JSONDecodeError:
        return {"name": call["name"]}


def _without_answered_calls(items: Sequence[ThreadItem], tool_results: bool) -> list[ThreadItem]:
    """Leave out recorded calls that a client tool's item tells better, and all of them where they are not wanted."""
    told = {item.call_id for item in items if isinstance(item, ClientToolCallItem)}
    last_message = max((i for i, item in enumerate(items) if isinstance(item, UserMessageItem)), default=0)
    kept: list[ThreadItem] = []
    for index, item in enumerate(items):
        if isinstance(item, ModelItem):
            # Calls of the turn that is under way are always in view.
            wanted = tool_results or index > last_message
            calls = [call for call in item.content.get("model_items", ()) if call.get("call_id") not in told]
            if not calls or not wanted:
                continue
            if len(calls) < len(item.content["model_items"]):
                item = item.model_copy(update={"content": {"model_items": calls}})
        kept.append(item)
    return kept


def _fit(items: list[ThreadItem], most: Room) -> list[ThreadItem]:
    """Keep the newest items within the budget; whole turns fall out, and the turn under way always stays."""
    characters, count = most.characters, most.items
    start, has_message = len(items), False
    for index in range(len(items) - 1, -1, -1):
        item = items[index]
        characters -= _size(item)
        count -= not isinstance(item, ModelItem)
        fits = characters >= 0 and count >= 0
        if has_message and not fits:
            break
        has_message = has_message or isinstance(item, UserMessageItem)
        start = index
    return _from_a_message(items, start)


def _from_a_message(items: Sequence[ThreadItem], start: int) -> list[ThreadItem]:
    if start == 0:
        return list(items)
    first = next((i for i in range(start, len(items)) if isinstance(items[i], UserMessageItem)), start)
    return list(items[first:])


def _size(item: ThreadItem) -> int:
    if isinstance(item, UserMessageItem | AssistantMessageItem):
        attached = len(item.attachments) if isinstance(item, UserMessageItem) else 0
        return sum(len(part.text) for part in item.content) + attached * _IMAGE_TOKENS * _CHARACTERS_PER_TOKEN
    if isinstance(item, GeneratedImageItem):
        return _IMAGE_TOKENS * _CHARACTERS_PER_TOKEN  # a data: URL says nothing about what an image costs
    return len(item.model_dump_json(exclude={"id", "thread_id", "created_at"}))
