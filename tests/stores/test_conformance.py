"""The conformance suite on every store of the runtime, and on a chatkit store in the adapter."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from chatkit.store import NotFoundError, Store
from chatkit.types import Attachment, Page, ThreadItem, ThreadMetadata

from runtime.stores import open_store
from runtime.stores.chatkit_adapter import ChatKitStoreAdapter
from runtime.stores.cipher import new_key
from runtime.stores.sql import SqlStore
from runtime.stores.store import ThreadStore
from runtime.testing.store_suite import StoreSuite, TurnStoreSuite

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")


class ShelfStore(Store[dict[str, str]]):
    """A store as users write them: dicts and lists, the user in the context, adding appends, nothing copied."""

    def __init__(self) -> None:
        self.threads: dict[str, tuple[str, ThreadMetadata]] = {}
        self.items: dict[str, list[ThreadItem]] = {}
        self.attachments: dict[str, tuple[str, Attachment]] = {}
        self.feedback: dict[str, dict[str, str]] = {}

    async def load_thread(self, thread_id: str, context: dict[str, str]) -> ThreadMetadata:
        return self._mine(self.threads, thread_id, context)

    async def save_thread(self, thread: ThreadMetadata, context: dict[str, str]) -> None:
        if thread.id in self.threads:
            self._mine(self.threads, thread.id, context)
        self.threads[thread.id] = (context["user"], thread)
        self.items.setdefault(thread.id, [])

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: dict[str, str]
    ) -> Page[ThreadMetadata]:
        return self._page([t for user, t in self.threads.values() if user == context["user"]], limit, after, order)

    async def delete_thread(self, thread_id: str, context: dict[str, str]) -> None:
        self._mine(self.threads, thread_id, context)
        del self.threads[thread_id], self.items[thread_id]
        self.attachments = {k: row for k, row in self.attachments.items() if row[1].thread_id != thread_id}

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: dict[str, str]
    ) -> Page[ThreadItem]:
        self._mine(self.threads, thread_id, context)
        return self._page(self.items[thread_id], limit, after, order)

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: dict[str, str]) -> None:
        self._mine(self.threads, thread_id, context)
        self.items[thread_id].append(item)

    async def save_item(self, thread_id: str, item: ThreadItem, context: dict[str, str]) -> None:
        stored = await self.load_item(thread_id, item.id, context)
        items = self.items[thread_id]
        items[items.index(stored)] = item

    async def load_item(self, thread_id: str, item_id: str, context: dict[str, str]) -> ThreadItem:
        for item in self.items.get(thread_id, []):
            if item.id == item_id:
                return item
        raise NotFoundError(item_id)

    async def delete_thread_item(self, thread_id: str, item_id: str, context: dict[str, str]) -> None:
        self.items[thread_id].remove(await self.load_item(thread_id, item_id, context))
        self.feedback.get(thread_id, {}).pop(item_id, None)

    async def save_attachment(self, attachment: Attachment, context: dict[str, str]) -> None:
        if attachment.id in self.attachments:
            self._mine(self.attachments, attachment.id, context)
        self.attachments[attachment.id] = (context["user"], attachment)

    async def load_attachment(self, attachment_id: str, context: dict[str, str]) -> Attachment:
        return self._mine(self.attachments, attachment_id, context)

    async def delete_attachment(self, attachment_id: str, context: dict[str, str]) -> None:
        self._mine(self.attachments, attachment_id, context)
        del self.attachments[attachment_id]

    async def save_feedback(self, thread_id: str, item_ids: list[str], kind: str, context: dict[str, str]) -> None:
        self.feedback.setdefault(thread_id, {}).update(dict.fromkeys(item_ids, kind))

    async def load_feedback(self, thread_id: str, context: dict[str, str]) -> dict[str, str]:
        return self.feedback.get(thread_id, {})

    @staticmethod
    def _mine(rows: dict[str, tuple[str, Any]], key: str, context: dict[str, str]) -> Any:
        user, value = rows.get(key, (None, None))
        if user != context["user"]:
            raise NotFoundError(key)
        return value

    @staticmethod
    def _page(rows: list[Any], limit: int, after: str | None, order: str) -> Page[Any]:
        rows = rows if order == "asc" else rows[::-1]
        ids = [row.id for row in rows]
        rows = rows[ids.index(after) + 1 :] if after else rows
        more = len(rows) > limit
        return Page(data=rows[:limit], has_more=more, after=rows[limit - 1].id if more else None)


@asynccontextmanager
async def opened(store: ThreadStore) -> AsyncIterator[ThreadStore]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


class TestMemoryStore(StoreSuite):
    @pytest_asyncio.fixture
    async def store(self) -> AsyncIterator[ThreadStore]:
        async with opened(open_store("memory")) as store:
            yield store


class TestSqliteStore(TurnStoreSuite):
    @pytest_asyncio.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ThreadStore]:
        async with opened(open_store(f"sqlite:///{tmp_path}/threads.db")) as store:
            yield store


class TestEncryptedStore(TurnStoreSuite):
    @pytest_asyncio.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ThreadStore]:
        async with opened(open_store(f"sqlite:///{tmp_path}/threads.db", [new_key()])) as store:
            yield store


class TestAdaptedStore(StoreSuite):
    @pytest_asyncio.fixture
    async def store(self) -> AsyncIterator[ThreadStore]:
        async with opened(ChatKitStoreAdapter(ShelfStore(), lambda owner: {"user": owner})) as store:
            yield store


@pytest.mark.skipif(POSTGRES is None, reason="CHATKIT_TEST_POSTGRES names no database")
class TestPostgresStore(TurnStoreSuite):
    @pytest_asyncio.fixture
    async def store(self) -> AsyncIterator[ThreadStore]:
        # A busy machine may take longer than the five seconds of a server.
        async with opened(SqlStore(POSTGRES or "", timeout_s=60)) as store:
            yield store
