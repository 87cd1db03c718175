"""Load a thread's items, and choose the window that a model gets; a summary replaces the older half of a full one.

When a window is full, all but its newer half is summarized, so that a summary lasts for many turns. Until the summary
is written, the items stay in the window, which then takes up to half as much room again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatkit.store import NotFoundError
from chatkit.types import AssistantMessageItem, ClientToolCallItem, GeneratedImageItem, ThreadItem, UserMessageItem

from runtime.config.model.chat import History
from runtime.stores.owner_store import OwnerStore
from runtime.stores.serialization import Summary, summaries_in, summary_in
from runtime.stores.store import ALL_KINDS, ModelItem

PROVIDER_DATA = "provider_data"
"""The key of what a provider has sent with a call beside its name and arguments, in the items of the Agents SDK."""
_CHARACTERS_PER_TOKEN = 4
_IMAGE_TOKENS = 1_000
_FEWEST_TURNS = 2
"""The fewest turns that a summary covers, unless they are very long."""
_WAITING_ITEMS = 8
"""The fewest items that may wait for a summary, even in a small window."""
_MORE_ITEMS = 100
_MOST_PAGES = 10


@dataclass(frozen=True, slots=True)
class Room:
    """The size of a window, in items and in characters."""

    items: int
    characters: int

    @classmethod
    def of(cls, history: History) -> Room:
        """Return the declared size."""
        return cls(history.items, history.tokens * _CHARACTERS_PER_TOKEN)

    def half(self) -> Room:
        """Return the size of the part that is not summarized."""
        return Room(self.items // 2, self.characters // 2)

    def with_waiting(self) -> Room:
        """Return the largest size, with items that wait for a summary."""
        return Room(self.items + max(self.items // 2, _WAITING_ITEMS), self.characters + self.characters // 2)

    def times(self, factor: int) -> Room:
        """Return `factor` times the size."""
        return Room(self.items * factor, self.characters * factor)

    def is_filled(self, items: Sequence[ThreadItem]) -> bool:
        """Return whether these items fill it."""
        count = sum(not isinstance(item, ModelItem) for item in items)
        return count >= self.items or sum(map(_size, items)) >= self.characters


@dataclass(frozen=True, slots=True)
class Uncovered:
    """The content of a new summary: the earlier summary, the items after it, and the id of the last item to cover."""

    earlier: Summary | None
    items: list[ThreadItem]
    until: str


def window(items: Sequence[ThreadItem], history: History, summary: Summary | None = None) -> list[ThreadItem]:
    """Return the items that a model gets besides the summary."""
    room = Room.of(history)
    return _fit(in_view(items, history, summary), room if history.summary is None else room.with_waiting())


def in_view(items: Sequence[ThreadItem], history: History, summary: Summary | None = None) -> list[ThreadItem]:
    """Return the items that a model would get without a limit: those that the summary does not cover."""
    visible = _with_model_names(without_left_out(_after(items, summary)))
    return _without_answered_calls(visible, history.tool_results)


def take_summary(items: Sequence[ThreadItem]) -> tuple[Summary | None, list[ThreadItem]]:
    """Return the summary that covers most of these items, and the items without summaries."""
    places = {item.id: index for index, item in enumerate(items)}
    # The later one if several end before these items.
    numbered = enumerate(summaries_in(items))
    best = max(numbered, key=lambda pair: (places.get(pair[1].until, -1), pair[0]), default=(0, None))[1]
    return best, [item for item in items if summary_in(item) is None]


def find_uncovered(items: Sequence[ThreadItem], history: History) -> Uncovered | None:
    """Return what a new summary has to cover; None if the window is not full, or too little would leave it."""
    earlier, items = take_summary(items)
    room, visible = Room.of(history), in_view(items, history, earlier)
    if not room.is_filled(visible):
        return None
    kept = _fit(visible, room.half())
    covered = visible[: len(visible) - len(kept)]
    turns = sum(isinstance(item, UserMessageItem) for item in covered)
    if turns < _FEWEST_TURNS and not (turns and room.with_waiting().is_filled(visible)):
        return None
    start = next(index for index, item in enumerate(items) if item.id == kept[0].id)
    # Not a ModelItem: those may be deleted, while messages, widgets and client tool calls stay.
    until = next(item for item in reversed(items[:start]) if not isinstance(item, ModelItem))
    return Uncovered(earlier, covered, until.id)


def _after(items: Sequence[ThreadItem], summary: Summary | None) -> list[ThreadItem]:
    """Return the turns after those that the summary covers; all items if it ends before them."""
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


def _with_model_names(items: Sequence[ThreadItem]) -> list[ThreadItem]:
    """Give client tool calls the name and arguments of the model's own call; the browser's may differ."""
    calls = [call for item in items if isinstance(item, ModelItem) for call in item.content.get("model_items", ())]
    by_id = {call["call_id"]: call for call in calls if call.get("type") == "function_call"}
    return [
        item.model_copy(update=_name_and_arguments(by_id[item.call_id]))
        if isinstance(item, ClientToolCallItem) and item.call_id in by_id
        else item
        for item in items
    ]


def _name_and_arguments(call: dict[str, Any]) -> dict[str, Any]:
    # Its endpoint may want back what it has sent with the call; the item has no field for it.
    changes = {"name": call["name"], PROVIDER_DATA: call.get(PROVIDER_DATA)}
    try:
        return {**changes, "arguments": json.loads(call["arguments"] or "{}")}
    except json.JSONDecodeError:
        return changes


def _without_answered_calls(items: Sequence[ThreadItem], tool_results: bool) -> list[ThreadItem]:
    """Leave out stored calls that a client tool call replaces; without `tool_results`, leave out all earlier calls."""
    client_call_ids = {item.call_id for item in items if isinstance(item, ClientToolCallItem)}
    last_message = max((i for i, item in enumerate(items) if isinstance(item, UserMessageItem)), default=0)
    kept: list[ThreadItem] = []
    for index, item in enumerate(items):
        if isinstance(item, ModelItem):
            # Calls of the current turn are always included.
            wanted = tool_results or index > last_message
            calls = [call for call in item.content.get("model_items", ()) if call.get("call_id") not in client_call_ids]
            if not calls or not wanted:
                continue
            if len(calls) < len(item.content["model_items"]):
                item = item.model_copy(update={"content": {"model_items": calls}})
        kept.append(item)
    return kept


def _fit(items: list[ThreadItem], most: Room) -> list[ThreadItem]:
    """Keep the newest turns that fit; the current turn always stays."""
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
        return _IMAGE_TOKENS * _CHARACTERS_PER_TOKEN  # the length of a data: URL is not what an image costs
    return len(item.model_dump_json(exclude={"id", "thread_id", "created_at"}))


async def load_history(
    store: OwnerStore, thread_id: str, history: History, *, more: int = 0, reach: Room | None = None
) -> list[ThreadItem]:
    """Load the newest items of a thread, oldest first, `ModelItem`s included.

    `more` items are loaded beyond those, for a retry that cuts them. With summaries, further pages are loaded until
    they reach the items that the newest summary covers, or fill `reach`, which is by default the most that a model
    gets; summaries of deleted items are left out.
    """
    # More than the model gets: calls count as items, and pending ones must be loaded whatever the window's size.
    limit = history.items + _MORE_ITEMS + more
    if history.summary is None:
        page = await store.backend.load_items(store.owner, thread_id, limit=limit, order="desc", kinds=ALL_KINDS)
        return page.data[::-1]
    limit += history.items // 2
    reach = reach or Room.of(history).with_waiting()
    items: list[ThreadItem] = []
    has_more, pages = True, 0
    while has_more and pages < _MOST_PAGES and not (items and _reaches(items, history, reach)):
        after = items[0].id if items else None
        page = await store.backend.load_items(
            store.owner, thread_id, limit=limit, after=after, order="desc", kinds=ALL_KINDS
        )
        items = [*page.data[::-1], *items]
        has_more, pages = page.has_more, pages + 1
    return await _without_stale_summaries(store, thread_id, items, has_more)


def _reaches(items: Sequence[ThreadItem], history: History, reach: Room) -> bool:
    summary, items = take_summary(items)
    if summary is not None and any(item.id == summary.until for item in items):
        return True
    return reach.is_filled(in_view(items, history))


async def _without_stale_summaries(
    store: OwnerStore, thread_id: str, items: list[ThreadItem], has_more: bool
) -> list[ThreadItem]:
    """Leave out summaries of deleted items: a retry may have cut them while the summary was being written."""
    ids = {item.id for item in items}
    stale: set[str] = set()
    for summary in reversed(summaries_in(items)):
        if summary.until in ids or (has_more and await _exists(store, thread_id, summary.until)):
            break
        stale.add(summary.item_id)
    return [item for item in items if item.id not in stale] if stale else items


async def _exists(store: OwnerStore, thread_id: str, item_id: str) -> bool:
    try:
        await store.load_item(thread_id, item_id)
    except NotFoundError:
        return False
    return True
