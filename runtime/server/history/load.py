"""Load the items of a thread that its next turn or summary needs, usually in one page."""

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
