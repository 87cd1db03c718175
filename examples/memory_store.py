"""Threads and items in dictionaries: the store that every handwritten backend begins with, and here they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from chatkit.store import NotFoundError, Store
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata

Context = dict[str, Any]
Row = TypeVar("Row")


@dataclass
class _Entry:
    thread: ThreadMetadata
    items: list[ThreadItem] = field(default_factory=list)


class MemoryStore(Store[Context]):
    def __init__(self) -> None:
        self._threads: dict[str, _Entry] = {}
        self._attachments: dict[str, Attachment] = {}

    async def load_thread(self, thread_id: str, context: Context) -> ThreadMetadata:
        return self._entry(thread_id).thread.model_copy(deep=True)

    async def save_thread(self, thread: ThreadMetadata, context: Context) -> None:
        metadata = ThreadMetadata(**thread.model_dump(exclude={"items"}))
        entry = self._threads.get(thread.id)
        if entry is None:
            self._threads[thread.id] = _Entry(metadata)
        else:
            entry.thread = metadata

    async def load_threads(self, limit: int, after: str | None, order: str, context: Context) -> Page[ThreadMetadata]:
        threads = [entry.thread.model_copy(deep=True) for entry in self._threads.values()]
        return _page(threads, after, limit, order, lambda thread: (thread.created_at, thread.id))

    async def delete_thread(self, thread_id: str, context: Context) -> None:
        self._threads.pop(thread_id, None)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Context
    ) -> Page[ThreadItem]:
        items = [item.model_copy(deep=True) for item in self._items(thread_id)]
        return _page(items, after, limit, order, lambda item: item.created_at)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: Context) -> None:
        items = self._items(thread_id)
        copy = item.model_copy(deep=True)
        position = next((index for index, known in enumerate(items) if known.id == item.id), None)
        if position is None:
            items.append(copy)
        else:
            items[position] = copy

    async def load_item(self, thread_id: str, item_id: str, context: Context) -> ThreadItem:
        for item in self._items(thread_id):
            if item.id == item_id:
                return item.model_copy(deep=True)
        raise NotFoundError(f"Item {item_id} not found")

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Context) -> None:
        entry = self._entry(thread_id)
        entry.items = [item for item in entry.items if item.id != item_id]

    async def save_attachment(self, attachment: Attachment, context: Context) -> None:
        self._attachments[attachment.id] = attachment.model_copy(deep=True)

    async def load_attachment(self, attachment_id: str, context: Context) -> Attachment:
        if attachment_id not in self._attachments:
            raise NotFoundError(f"Attachment {attachment_id} not found")
        return self._attachments[attachment_id].model_copy(deep=True)

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        self._attachments.pop(attachment_id, None)

    def _entry(self, thread_id: str) -> _Entry:
        if thread_id not in self._threads:
            raise NotFoundError(f"Thread {thread_id} not found")
        return self._threads[thread_id]

    def _items(self, thread_id: str) -> list[ThreadItem]:
        if thread_id not in self._threads:
            self._threads[thread_id] = _Entry(ThreadMetadata(id=thread_id, created_at=datetime.now()))
        return self._threads[thread_id].items


def _page(rows: list[Any], after: str | None, limit: int, order: str, key: Callable[[Any], Any]) -> Page[Any]:
    rows = sorted(rows, key=key, reverse=order == "desc")
    start = next((index + 1 for index, row in enumerate(rows) if row.id == after), 0) if after else 0
    data = rows[start : start + limit]
    more = start + limit < len(rows)
    return Page(data=data, has_more=more, after=data[-1].id if more and data else None)
