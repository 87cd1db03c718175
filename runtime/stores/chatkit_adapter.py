"""Adapt a chatkit `Store` in the project's Python, which `store: {python: …}` declares, to `ThreadStore`.

Such a store has a context instead of an owner, and writes one item at a time. So operations of several calls are not
atomic, the order is the store's own, and a cursor must be the id of an entry, as in the stores that chatkit documents.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Unpack
from weakref import WeakValueDictionary

from chatkit.store import NotFoundError, Store
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata

from runtime.errors import RequestError
from runtime.resources.containment import contained_function
from runtime.resources.token_usage import TokenUsage, UsageEntry, UsageTable
from runtime.stores import serialization as codec
from runtime.stores.store import (
    PAGE_SIZE,
    VISIBLE,
    AttachmentBound,
    Feedback,
    FeedbackKind,
    GenerationMark,
    ItemKind,
    Order,
    ThreadChanges,
    ThreadStore,
    invalid_cursor,
    kind_of,
    page_size,
)

# The key of a thread's metadata for its generation: a chatkit store has no other place for data of a thread.
_GENERATION = "chatkit_generation"


class ChatKitStoreAdapter(ThreadStore):
    """A `ThreadStore` that uses a chatkit `Store`; `context_for` returns the store's context for an owner.

    The optional methods `open()` and `close()` of the store, sync or async, are called. Feedback needs its method
    `save_feedback(thread_id, item_ids, kind, context)`, and reading it `load_feedback(thread_id, context)`; otherwise
    RequestError (501) is raised. Token usage is counted in `usage`, in the memory of this process. The generation of a
    thread is stored in its metadata as `chatkit_generation`, which callers of the adapter neither see nor set.
    """

    def __init__(self, store: Store[Any], context_for: Callable[[str], Any], usage: UsageTable | None = None) -> None:
        self.store = store
        self._own: Any = _ContainedStore(store)
        self._usage = usage or UsageTable()
        self._context_for = context_for
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def open(self) -> None:
        """Call `open()` of the store, if it has one."""
        await _call_if_there(self._own, "open")

    async def close(self) -> None:
        """Call `close()` of the store, if it has one."""
        await _call_if_there(self._own, "close")

    def new_thread_id(self, owner: str) -> str:
        """Call `generate_thread_id` of the store, if it has one of its own: the SDK's ids have 32 random bits."""
        if _is_own(self.store.generate_thread_id, Store.generate_thread_id):
            return str(self._own.generate_thread_id(self._context(owner)))
        return super().new_thread_id(owner)

    def new_item_id(self, owner: str, kind: str, thread: ThreadMetadata | None) -> str:
        """Call `generate_item_id` of the store, if it has one of its own."""
        if thread is not None and _is_own(self.store.generate_item_id, Store.generate_item_id):
            return str(self._own.generate_item_id(kind, thread, self._context(owner)))
        return super().new_item_id(owner, kind, thread)

    async def load_thread(self, owner: str, thread_id: str) -> ThreadMetadata:
        return _thread(await self._own.load_thread(codec.clean(thread_id), self._context(owner)))

    async def create_thread(
        self,
        owner: str,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem] = (),
        *,
        generation: GenerationMark | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> None:
        """If an item can't be stored, the thread is deleted again."""
        context = self._context(owner)
        await self._bind(owner, thread.id, attachments)
        rows = list(map(_normal, items))
        if generation is None:
            await self.save_thread(owner, thread)
        else:
            await self._own.save_thread(_with_mark(thread, asdict(generation)), context)
        try:
            for item in rows:
                await self._own.add_thread_item(codec.clean(thread.id), item, context)
        except BaseException:
            await self._own.delete_thread(codec.clean(thread.id), context)
            raise

    async def save_thread(self, owner: str, thread: ThreadMetadata) -> None:
        context = self._context(owner)
        async with self._lock(owner, thread.id):
            try:
                mark = _mark(await self._own.load_thread(codec.clean(thread.id), context))
            except NotFoundError:
                mark = None
            await self._own.save_thread(_with_mark(thread, mark), context)

    async def update_thread(
        self, owner: str, thread_id: str, *, only_if_untitled: bool = False, **changes: Unpack[ThreadChanges]
    ) -> ThreadMetadata:
        """Updates of one thread run one after the other, within this process."""
        context = self._context(owner)
        async with self._lock(owner, thread_id):
            stored = await self._own.load_thread(codec.clean(thread_id), context)
            if only_if_untitled and stored.title is not None:
                changes.pop("title", None)
            if changes:
                updated = stored.model_copy(update={**changes})
                await self._own.save_thread(_with_mark(updated, _mark(stored)), context)
            return await self.load_thread(owner, thread_id)

    async def load_threads(self, owner: str, *, limit: int, after: str | None, order: Order) -> Page[ThreadMetadata]:
        size, context = page_size(limit), self._context(owner)
        if after is not None:
            await self._require_cursor(self._own.load_thread(codec.clean(after), context), after)
        page = await self._own.load_threads(size, None if after is None else codec.clean(after), order, context)
        threads = list(map(_thread, page.data))
        if page.has_more and len(threads) <= size:
            return Page[ThreadMetadata].model_construct(data=threads, has_more=True, after=page.after)
        return codec.thread_page(threads, size)

    async def delete_thread(self, owner: str, thread_id: str) -> None:
        """Whether attachments are deleted depends on the store."""
        try:
            await self._own.delete_thread(codec.clean(thread_id), self._context(owner))
        except NotFoundError:
            return

    async def write_items(
        self,
        owner: str,
        thread_id: str,
        items: Sequence[ThreadItem],
        *,
        delete: Sequence[str] = (),
        generation: GenerationMark | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> None:
        """Not atomic: a failure leaves earlier items written. Attachments are bound within this process only."""
        thread_id, context = codec.clean(thread_id), self._context(owner)
        await self._bind(owner, thread_id, attachments)
        rows = list(map(_normal, items))
        known = _generation(await self._own.load_thread(thread_id, context))
        for item_id in map(codec.clean, delete):
            if await self._exists(thread_id, item_id, context):
                await self._own.delete_thread_item(thread_id, item_id, context)
        for item in rows:
            # Many stores append in `add_thread_item` even if the item exists.
            exists = await self._exists(thread_id, item.id, context)
            await (self._own.save_item if exists else self._own.add_thread_item)(thread_id, item, context)
        if generation is not None and generation != known:
            async with self._lock(owner, thread_id):
                # Loaded again: an update may have changed it.
                stored = await self._own.load_thread(thread_id, context)
                await self._own.save_thread(_with_mark(stored, asdict(generation)), context)

    async def load_generation(self, owner: str, thread_id: str) -> GenerationMark | None:
        return _generation(await self._own.load_thread(codec.clean(thread_id), self._context(owner)))

    async def load_items(
        self,
        owner: str,
        thread_id: str,
        *,
        limit: int,
        after: str | None = None,
        order: Order = "desc",
        kinds: frozenset[ItemKind] = VISIBLE,
    ) -> Page[ThreadItem]:
        """Items of other kinds are read and skipped."""
        size, context = page_size(limit), self._context(owner)
        thread_id = codec.clean(thread_id)
        await self._own.load_thread(thread_id, context)
        if after is not None:
            await self._require_cursor(self._own.load_item(thread_id, codec.clean(after), context), after)
        items: list[ThreadItem] = []
        async for item in self._walk(thread_id, after, order, context, min(size + 1, PAGE_SIZE)):
            if kind_of(item) in kinds:
                items.append(item)
                if len(items) > size:
                    break
        return codec.item_page(items, size)

    async def load_item(self, owner: str, thread_id: str, item_id: str) -> ThreadItem:
        context = self._context(owner)
        await self._own.load_thread(codec.clean(thread_id), context)
        return _normal(await self._own.load_item(codec.clean(thread_id), codec.clean(item_id), context))

    async def item_ids_after(self, owner: str, thread_id: str, item_id: str) -> list[str]:
        await self.load_item(owner, thread_id, item_id)
        walk = self._walk(codec.clean(thread_id), item_id, "asc", self._context(owner), PAGE_SIZE)
        return [item.id async for item in walk]

    async def save_attachment(self, owner: str, attachment: Attachment) -> None:
        """Binds are kept within this process only."""
        async with self._lock(owner, attachment.id):
            try:
                bound_to = (await self.load_attachment(owner, attachment.id)).thread_id
            except NotFoundError:
                bound_to = None
            if bound_to is not None:
                attachment = attachment.model_copy(update={"thread_id": bound_to})
            await self._save_attachment(owner, attachment)

    async def _save_attachment(self, owner: str, attachment: Attachment) -> None:
        await self._own.save_attachment(codec.load_attachment(codec.dump_attachment(attachment)), self._context(owner))

    async def load_attachment(self, owner: str, attachment_id: str) -> Attachment:
        attachment: Attachment = await self._own.load_attachment(codec.clean(attachment_id), self._context(owner))
        return attachment

    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        try:
            await self._own.delete_attachment(codec.clean(attachment_id), self._context(owner))
        except NotFoundError:
            return

    async def delete_unsent_attachment(self, owner: str, attachment_id: str) -> bool:
        """Atomic within this process only."""
        async with self._lock(owner, attachment_id):
            try:
                stored = await self.load_attachment(owner, attachment_id)
            except NotFoundError:
                return True
            if stored.thread_id is None:
                await self.delete_attachment(owner, attachment_id)
            return stored.thread_id is None

    async def delete_unsent_attachments(self, before: datetime) -> list[tuple[str, str]]:
        """A chatkit store can't list attachments: nothing is deleted."""
        return []

    async def count_unsent_attachments(self, owner: str) -> int:
        """A chatkit store can't list attachments: 0."""
        return 0

    async def erase_owner(self, owner: str) -> None:
        await super().erase_owner(owner)
        self._usage.forget(owner)

    async def save_feedback(self, owner: str, thread_id: str, item_ids: Sequence[str], kind: FeedbackKind) -> None:
        """Raise RequestError (501) if the store has no `save_feedback`."""
        save = self._feedback_method("save_feedback")
        for item_id in item_ids:
            await self.load_item(owner, thread_id, item_id)
        await save(codec.clean(thread_id), list(map(codec.clean, item_ids)), kind, self._context(owner))

    async def list_feedback(self) -> list[Feedback]:
        """Raise RequestError (501): a chatkit store lists the entries of one owner only."""
        raise RequestError(501, "not_implemented", "the project's own store can't list the feedback of all users")

    async def load_feedback(self, owner: str, thread_id: str) -> dict[str, str]:
        """Raise RequestError (501) if the store has no `load_feedback`."""
        load = self._feedback_method("load_feedback")
        await self.load_thread(owner, thread_id)
        return dict(await load(codec.clean(thread_id), self._context(owner)))

    async def add_usage(self, owner: str, thread_id: str, day: date, used: Mapping[str, TokenUsage]) -> None:
        """The counts are lost when the process ends."""
        self._usage.add(
            codec.check_owner(owner),
            codec.clean(thread_id),
            day,
            {codec.clean(model): each for model, each in used.items()},
        )

    async def sum_usage(
        self, owner: str | None, *, thread_id: str | None = None, day: date | None = None
    ) -> TokenUsage:
        return self._usage.sum(owner, thread_id, day)

    async def list_usage(self, since: date) -> list[UsageEntry]:
        return self._usage.entries(since)

    def _context(self, owner: str) -> Any:
        return self._context_for(codec.check_owner(owner))

    def _lock(self, owner: str, thread_id: str) -> asyncio.Lock:
        return self._locks.setdefault((owner, codec.clean(thread_id)), asyncio.Lock())

    async def _bind(self, owner: str, thread_id: str, attachments: Sequence[Attachment]) -> None:
        for attachment in attachments:
            async with self._lock(owner, attachment.id):
                stored = await self.load_attachment(owner, attachment.id)
                if stored.thread_id not in (None, codec.clean(thread_id)):
                    raise AttachmentBound(attachment.id)
                bound = attachment.model_copy(update={"thread_id": codec.clean(thread_id)})
                await self._save_attachment(owner, bound)

    def _feedback_method(self, name: str) -> Any:
        method = getattr(self.store, name, None)
        if method is None:
            store = type(self.store).__name__
            raise RequestError(
                501, "not_implemented", f"the store {store!r} does not support feedback (it has no {name!r})"
            )
        return method

    async def _exists(self, thread_id: str, item_id: str, context: Any) -> bool:
        try:
            await self._own.load_item(thread_id, item_id, context)
        except NotFoundError:
            return False
        return True

    async def _require_cursor(self, entry: Any, after: str) -> None:
        try:
            await entry
        except NotFoundError:
            raise invalid_cursor(after) from None

    async def _walk(
        self, thread_id: str, after: str | None, order: Order, context: Any, size: int
    ) -> AsyncIterator[ThreadItem]:
        cursor = None if after is None else codec.clean(after)
        while True:
            page = await self._own.load_thread_items(thread_id, cursor, size, order, context)
            for item in page.data:
                yield _normal(item)
            if not page.has_more or page.after is None or page.after == cursor:
                return
            cursor = page.after


def _is_own(method: Any, of_sdk: Any) -> bool:
    return getattr(method, "__func__", method) is not of_sdk


async def _call_if_there(store: object, name: str) -> None:
    method = getattr(store, name, None)
    result = method() if callable(method) else None
    if inspect.isawaitable(result):
        await result


def _normal(item: ThreadItem) -> ThreadItem:
    # A round trip through JSON, as in the other stores: same times, widgets and texts, and no shared objects.
    return codec.load_item(codec.dump_item(item))


def _thread(thread: ThreadMetadata) -> ThreadMetadata:
    return _with_mark(thread, None)


def _with_mark(thread: ThreadMetadata, mark: Any) -> ThreadMetadata:
    copied = codec.load_thread(codec.dump_thread(thread))
    copied.metadata.pop(_GENERATION, None)
    if mark is not None:
        copied.metadata[_GENERATION] = mark
    return copied


def _mark(thread: ThreadMetadata) -> Any:
    return thread.metadata.get(_GENERATION)


def _generation(thread: ThreadMetadata) -> GenerationMark | None:
    mark = _mark(thread)
    return None if mark is None else codec.load_generation(codec.dump_value(mark))


class _ContainedStore:
    """Forwards to the project's store; what that raises can't end the server (see `containment`)."""

    def __init__(self, store: Store[Any]) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if callable(value):
            value = contained_function(value, "the store")
            setattr(self, name, value)
        return value
