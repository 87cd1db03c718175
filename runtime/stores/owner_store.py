"""The chatkit `Store` that tools and the server use: bound to one owner, independent of the context of a call.

Published tools call `ctx.store.load_item(thread_id, item_id, context=…)` with a dict of their own, so the context does
not identify the user. The owner is set when the request is authenticated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from chatkit.store import Store, StoreItemType
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata

from runtime.stores.serialization import clean, deleted_with, with_sdk_widget
from runtime.stores.store import VISIBLE_AND_HIDDEN, Order, ThreadChanges, ThreadStore
from runtime.stores.turns import EventChunk, Signals, TurnLease, TurnStore


class OwnerStore(Store[Any]):
    """The part of a `ThreadStore` that belongs to one owner; every `context` is optional and ignored.

    Widgets are of the SDK's classes, such as `Card`. Pages omit items that only the model sees. Adding an item that
    exists replaces it, and deleting a missing one does nothing. Errors are those of `ThreadStore`. While it has a
    `lease`, writes to the thread of that lease belong to its turn: they raise TurnLost once a later turn has begun.
    """

    def __init__(self, backend: ThreadStore, owner: str) -> None:
        self.backend = backend
        self.owner = owner
        self.lease: TurnLease | None = None

    def generate_thread_id(self, context: Any = None) -> str:
        """Return a new id for a thread."""
        return self.backend.new_thread_id(self.owner)

    def generate_item_id(
        self, item_type: StoreItemType, thread: ThreadMetadata | None = None, context: Any = None
    ) -> str:
        """Return a new id for an item."""
        return self.backend.new_item_id(self.owner, item_type, thread)

    async def load_thread(self, thread_id: str, context: Any = None) -> ThreadMetadata:
        """Return a thread of this owner. Raise NotFoundError."""
        return await self.backend.load_thread(self.owner, thread_id)

    async def save_thread(self, thread: ThreadMetadata, context: Any = None) -> None:
        """Insert or replace a thread's metadata."""
        if self._turns(thread.id) is None:
            await self.backend.save_thread(self.owner, thread)
        else:
            fields = {name: getattr(thread, name) for name in ThreadChanges.__annotations__}
            await self.update_thread(thread.id, **fields)

    async def update_thread(self, thread_id: str, **changes: Unpack[ThreadChanges]) -> ThreadMetadata:
        """Change the given fields of a thread and return it."""
        turns = self._turns(thread_id)
        if turns is None:
            return await self.backend.update_thread(self.owner, thread_id, **changes)
        return await turns[0].update_thread_in_turn(turns[1], **changes)

    async def write_items(
        self,
        thread_id: str,
        items: Sequence[ThreadItem],
        *,
        delete: Sequence[str] = (),
        changes: ThreadChanges | None = None,
    ) -> None:
        """Delete items, then insert or replace items, in one transaction; in a turn, change fields of the thread."""
        turns = self._turns(thread_id)
        if turns is None:
            await self.backend.write_items(self.owner, thread_id, items, delete=delete)
        else:
            await turns[0].write_in_turn(turns[1], items, delete=delete, changes=changes)

    async def write_in_turn(
        self, items: Sequence[ThreadItem], *, events: EventChunk | None, changes: ThreadChanges | None = None
    ) -> Signals:
        """Write items and events of the turn whose lease this store has, and fields of its thread."""
        lease, backend = self.lease, self.backend
        assert lease is not None
        assert isinstance(backend, TurnStore)
        return await backend.write_in_turn(lease, items, events=events, changes=changes)

    def _turns(self, thread_id: str) -> tuple[TurnStore, TurnLease] | None:
        """Return the store and the lease, if a turn holds the lease of this thread."""
        lease, backend = self.lease, self.backend
        if lease is None or not isinstance(backend, TurnStore) or lease.thread_id != clean(thread_id):
            return None
        return backend, lease

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: Any = None
    ) -> Page[ThreadMetadata]:
        """Return a page of this owner's threads."""
        return await self.backend.load_threads(self.owner, limit=limit, after=after, order=_order(order))

    async def delete_thread(self, thread_id: str, context: Any = None) -> None:
        """Delete a thread and everything in it."""
        await self.backend.delete_thread(self.owner, thread_id)

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: Any = None
    ) -> Page[ThreadItem]:
        """Return a page of a thread's items, hidden context included."""
        page = await self.backend.load_items(
            self.owner, thread_id, limit=limit, after=after, order=_order(order), kinds=VISIBLE_AND_HIDDEN
        )
        page.data = list(map(with_sdk_widget, page.data))
        return page

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: Any = None) -> None:
        """Insert or replace an item."""
        await self.write_items(thread_id, [item])

    async def save_item(self, thread_id: str, item: ThreadItem, context: Any = None) -> None:
        """Insert or replace an item."""
        await self.write_items(thread_id, [item])

    async def load_item(self, thread_id: str, item_id: str, context: Any = None) -> ThreadItem:
        """Return an item. Raise NotFoundError."""
        return with_sdk_widget(await self.backend.load_item(self.owner, thread_id, item_id))

    async def delete_thread_item(self, thread_id: str, item_id: str, context: Any = None) -> None:
        """Delete an item, if it exists, and the summaries that cover it."""
        deleted = await deleted_with(self.backend, self.owner, thread_id, item_id)
        await self.write_items(thread_id, (), delete=deleted)

    async def save_attachment(self, attachment: Attachment, context: Any = None) -> None:
        """Insert or replace an attachment's metadata."""
        await self.backend.save_attachment(self.owner, attachment)

    async def load_attachment(self, attachment_id: str, context: Any = None) -> Attachment:
        """Return an attachment's metadata. Raise NotFoundError."""
        return await self.backend.load_attachment(self.owner, attachment_id)

    async def delete_attachment(self, attachment_id: str, context: Any = None) -> None:
        """Delete an attachment's metadata, if it exists."""
        await self.backend.delete_attachment(self.owner, attachment_id)


def _order(order: str) -> Order:
    if order not in ("asc", "desc"):
        raise ValueError(f"order must be 'asc' or 'desc', not {order!r}")
    return "asc" if order == "asc" else "desc"
