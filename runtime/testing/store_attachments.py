"""The conformance tests for attachments: stored, bound to the thread of their message, and deleted if never sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from chatkit.types import ImageAttachment
from pydantic import AnyUrl

from runtime.stores.chatkit_adapter import ChatKitStoreAdapter
from runtime.stores.ids import new_id
from runtime.stores.store import AttachmentBound, ThreadStore
from runtime.testing.store_samples import all_ids, assert_not_found, new_file, new_message, new_metadata


@pytest.mark.asyncio
class AttachmentPromises:
    """The part of the conformance suite that is about attachments."""

    async def test_attachments_are_kept_and_replaced(self, store: ThreadStore, owner: str) -> None:
        """Saving again replaces the metadata; a second delete does nothing."""
        image = ImageAttachment(
            id=new_id("attachment"), name="a.png", mime_type="image/png", preview_url=AnyUrl("https://a.example/p")
        )
        await store.save_attachment(owner, image)
        changed = image.model_copy(update={"thread_id": "thr_1", "metadata": {"sha": "00"}})
        await store.save_attachment(owner, changed)
        assert await store.load_attachment(owner, image.id) == changed
        for _ in range(2):
            await store.delete_attachment(owner, image.id)
        await assert_not_found(store.load_attachment(owner, image.id))

    async def test_an_attachment_is_bound_to_the_thread_of_its_message_for_good(
        self, store: ThreadStore, owner: str
    ) -> None:
        """No other thread takes it, no saving unbinds it, it is not deleted as unsent; its thread may take it again."""
        first, second, file = new_metadata(), new_metadata(), new_file(None)
        await store.save_attachment(owner, file)
        await store.create_thread(owner, first, [new_message(first.id, "a")], attachments=[file])
        bound = file.model_copy(update={"thread_id": first.id})
        await store.save_attachment(owner, file)
        assert await store.load_attachment(owner, file.id) == bound
        await store.write_items(owner, first.id, [new_message(first.id, "b")], attachments=[file])
        await store.create_thread(owner, second)
        with pytest.raises(AttachmentBound):
            await store.write_items(owner, second.id, [new_message(second.id, "c")], attachments=[file])
        with pytest.raises(AttachmentBound):
            await store.create_thread(owner, new_metadata(), attachments=[file])
        assert await all_ids(store, owner, second.id) == []
        assert await store.delete_unsent_attachment(owner, file.id) is False
        assert await store.load_attachment(owner, file.id) == bound

    async def test_an_attachment_that_is_gone_or_of_others_is_not_bound(self, store: ThreadStore, owner: str) -> None:
        """The message is not written either."""
        thread, gone, theirs = new_metadata(), new_file(None), new_file(None)
        await store.save_attachment(f"not {owner}", theirs)
        await store.create_thread(owner, thread)
        for file in (gone, theirs):
            await assert_not_found(
                store.write_items(owner, thread.id, [new_message(thread.id, "a")], attachments=[file])
            )
        assert await all_ids(store, owner, thread.id) == []
        assert (await store.load_attachment(f"not {owner}", theirs.id)).thread_id is None

    async def test_unsent_attachments_are_counted_and_deleted(self, store: ThreadStore, owner: str) -> None:
        """Those of others count for others; a missing one counts as deleted. A chatkit store can't list them: 0."""
        files = [new_file(None) for _ in range(3)]
        for file in files:
            await store.save_attachment(owner, file)
        assert await store.count_unsent_attachments(owner) == (0 if isinstance(store, ChatKitStoreAdapter) else 3)
        assert await store.count_unsent_attachments(f"not {owner}") == 0
        assert await store.delete_unsent_attachment(f"not {owner}", files[0].id) is True
        assert await store.load_attachment(owner, files[0].id) == files[0]
        for _ in range(2):
            assert await store.delete_unsent_attachment(owner, files[0].id) is True
        await assert_not_found(store.load_attachment(owner, files[0].id))
        assert await store.delete_unsent_attachments(datetime(2000, 1, 1, tzinfo=UTC)) == []
        assert await store.load_attachment(owner, files[1].id) == files[1]
