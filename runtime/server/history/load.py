"""Loads of a thread what its next turn, or its next summary, needs: one page as a rule."""

from __future__ import annotations

from collections.abc import Sequence

from chatkit.store import NotFoundError
from chatkit.types import ThreadItem

from runtime.config.model.chat import History
from runtime.server.history.window import Room, in_view, take_summary
from runtime.stores.owner_store import OwnerStore
from runtime.stores.serialization import summaries_in
from runtime.stores.store import ALL_KINDS

_MORE_ITEMS = 100
_MOST_PAGES = 10


async def load_history(
    store: OwnerStore, thread_id: str, history: History, *, after_it: int = 0, reach: Room | None = None
) -> list[ThreadItem]:
    """Load the newest items of a thread, oldest first, those that only the model sees among them.

    `after_it` more are loaded, which a retry cuts. Where there are summaries, only those come along that still hold,
    and where a page doesn't reach back to what the newest covers, more follow, until `reach` is filled: as much as a
    model is ever told, when it is left out.
    """
    # More than the model sees: calls count too, and those that wait must be found whatever the window is.
    limit = history.items + _MORE_ITEMS + after_it
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
    return await _without_void(store, thread_id, items, has_more)


def _reaches(items: Sequence[ThreadItem], history: History, reach: Room) -> bool:
    summary, told = take_summary(items)
    if summary is not None and any(item.id == summary.until for item in told):
        return True
    return reach.is_filled(in_view(told, history))


async def _without_void(store: OwnerStore, thread_id: str, items: list[ThreadItem], has_more: bool) -> list[ThreadItem]:
    """Leave out summaries that cover what is gone: a retry may have cut it while they were being written."""
    ids = {item.id for item in items}
    void: set[str] = set()
    for summary in reversed(summaries_in(items)):
        if summary.until in ids or (has_more and await _is_there(store, thread_id, summary.until)):
            break
        void.add(summary.item_id)
    return [item for item in items if item.id not in void] if void else items


async def _is_there(store: OwnerStore, thread_id: str, item_id: str) -> bool:
    try:
        await store.load_item(thread_id, item_id)
    except NotFoundError:
        return False
    return True
