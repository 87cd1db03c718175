"""Summaries of threads: read from their items, and gone with any item that they tell of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from chatkit.store import NotFoundError
from chatkit.types import ThreadItem

from runtime.stores.store import InvalidCursor, ItemKind, ModelItem, ThreadStore

_PAGE = 100
_MODEL: frozenset[ItemKind] = frozenset({"model"})


@dataclass(frozen=True, slots=True)
class Summary:
    """What sums up a thread from its beginning to the item `until`; `item_id` is where it is stored."""

    item_id: str
    text: str
    until: str


def summary_in(item: ThreadItem) -> Summary | None:
    """The summary that an item holds, if it is one."""
    kept = item.content.get("summary") if isinstance(item, ModelItem) else None
    return Summary(item.id, kept["text"], kept["until"]) if kept is not None else None


def summaries_in(items: Iterable[ThreadItem]) -> list[Summary]:
    """Every summary among the items, in their order."""
    return [summary for item in items if (summary := summary_in(item)) is not None]


async def delete_item(backend: ThreadStore, owner: str, thread_id: str, item_id: str) -> None:
    """Delete an item, and the summaries that tell of it; nothing happens when it is gone. Raise NotFoundError."""
    gone = [item_id]
    try:
        async with aclosing(_summaries_after(backend, owner, thread_id, item_id)) as later:
            found = [summary async for summary in later]
        if found:
            told = {item_id, *await backend.item_ids_after(owner, thread_id, item_id)}
            gone += [summary.item_id for summary in found if summary.until in told]
    except (InvalidCursor, NotFoundError):
        pass  # the item is gone already
    await backend.write_items(owner, thread_id, (), delete=gone)


async def _summaries_after(
    backend: ThreadStore, owner: str, thread_id: str, item_id: str
) -> AsyncGenerator[Summary, None]:
    """Yield what stands after an item: a summary is always written later than what it covers."""
    after, kinds = item_id, _MODEL
    while True:
        page = await backend.load_items(owner, thread_id, limit=_PAGE, after=after, order="asc", kinds=kinds)
        for summary in summaries_in(page.data):
            yield summary
        if not page.has_more:
            return
        after = page.data[-1].id


def cut_after(items: Sequence[ThreadItem], stale: Sequence[str], item_id: str) -> tuple[list[ThreadItem], list[str]]:
    """Cut a thread after an item, after which the `stale` ones stand: return what stays, and the ids of what goes.

    A summary stays that ends before the item, wherever it was written; one that tells of the item goes, because the
    item is told again.
    """
    gone = {item_id, *stale}
    summaries = summaries_in(items)
    stays = {summary.item_id for summary in summaries if summary.until not in gone}
    goes = {*stale, *(summary.item_id for summary in summaries)} - stays
    kept = [item for item in items if item.id not in goes]
    return kept, [old for old in stale if old not in stays]
