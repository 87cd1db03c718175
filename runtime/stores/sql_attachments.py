"""The attachments of a SQL store. An attachment is bound to a thread in the transaction that stores the message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chatkit.types import Attachment

from runtime.stores import serialization as codec
from runtime.stores import statements as sql
from runtime.stores.sqlite import Database, SqlSession, first
from runtime.stores.store import AttachmentBound, ThreadStore, not_found


class SqlAttachments(ThreadStore):
    """The part of a SQL store that has the attachments."""

    _database: Database
    _upserts: sql.Upserts

    async def save_attachment(self, owner: str, attachment: Attachment) -> None:
        row = {
            "id": codec.clean(attachment.id),
            "owner": codec.check_owner(owner),
            "thread_id": None if attachment.thread_id is None else codec.clean(attachment.thread_id),
            "created_at": datetime.now(UTC),
            "payload": codec.dump_attachment(attachment),
        }

        def work(session: SqlSession) -> None:
            if first(session, self._upserts.attachment, row) is None:
                raise not_found("attachment", attachment.id)

        await self._database.write(work)

    async def load_attachment(self, owner: str, attachment_id: str) -> Attachment:
        keys = {"by_owner": codec.check_owner(owner), "item": codec.clean(attachment_id)}
        row = await self._database.read(lambda session: first(session, sql.LOAD_ATTACHMENT, keys))
        if row is None:
            raise not_found("attachment", attachment_id)
        return codec.load_attachment(row[0]).model_copy(update={"thread_id": row[1]})

    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        keys = {"by_owner": codec.check_owner(owner), "item": codec.clean(attachment_id)}
        await self._database.write(lambda session: session.run(sql.DELETE_ATTACHMENT, keys))

    async def delete_unsent_attachment(self, owner: str, attachment_id: str) -> bool:
        keys = {"by_owner": codec.check_owner(owner), "item": codec.clean(attachment_id)}

        def work(session: SqlSession) -> bool:
            return (
                bool(session.run(sql.DELETE_UNSENT_ATTACHMENT, keys))
                or first(session, sql.LOAD_ATTACHMENT, keys) is None
            )

        return await self._database.write(work)

    async def delete_unsent_attachments(self, before: datetime) -> list[tuple[str, str]]:
        values = {"before": codec.to_utc(before)}

        def work(session: SqlSession) -> list[tuple[str, str]]:
            return [(row[0], row[1]) for row in session.all(sql.DELETE_UNSENT_ATTACHMENTS, values)]

        return await self._database.write(work)

    async def count_unsent_attachments(self, owner: str) -> int:
        values = {"by_owner": codec.check_owner(owner)}
        return await self._database.read(lambda session: int(session.all(sql.COUNT_UNSENT_ATTACHMENTS, values)[0][0]))


def bind_attachments(session: SqlSession, keys: Mapping[str, Any], attachments: Sequence[Attachment]) -> None:
    """Bind attachments to the thread of `keys`. Raise AttachmentBound, NotFoundError."""
    # In one order, so that two messages with the same attachments do not lock each other's rows.
    for attachment in sorted(attachments, key=lambda attachment: attachment.id):
        values = {"by_owner": keys["by_owner"], "thread": keys["thread"], "item": codec.clean(attachment.id)}
        payload = codec.dump_attachment(attachment.model_copy(update={"thread_id": keys["thread"]}))
        if not session.run(sql.BIND_ATTACHMENT, {**values, "new_payload": payload}):
            if first(session, sql.LOAD_ATTACHMENT, values) is None:
                raise not_found("attachment", attachment.id)
            raise AttachmentBound(attachment.id)
