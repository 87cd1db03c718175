"""Attachments on disk: a record first, then the bytes, each behind a URL of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chatkit.store import AttachmentStore, NotFoundError
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    FileAttachment,
    ImageAttachment,
)
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse
from memory_store import MemoryStore
from pydantic import AnyUrl

MAX_BYTES = 5 * 1024 * 1024
TYPES = ("image/png", "image/jpeg", "text/plain", "application/pdf")
Context = dict[str, Any]


class FolderOfAttachments(AttachmentStore[Context]):
    def __init__(self, folder: Path, store: MemoryStore) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.store = folder, store

    def path(self, attachment_id: str) -> Path:
        return self.folder / attachment_id

    async def create_attachment(self, input: AttachmentCreateParams, context: Context) -> Attachment:
        if input.mime_type not in TYPES or not 0 < input.size <= MAX_BYTES:
            raise ValueError("this kind of file is not taken")
        attachment_id = self.generate_attachment_id(input.mime_type, context)
        url = AnyUrl(f"{context['request'].base_url}files/{attachment_id}")
        fields: dict[str, Any] = {
            "id": attachment_id,
            "name": Path(input.name).name,
            "mime_type": input.mime_type,
            "upload_descriptor": AttachmentUploadDescriptor(
                url=url, method="PUT", headers={"content-type": input.mime_type}
            ),
        }
        is_image = input.mime_type.startswith("image/")
        attachment: Attachment = ImageAttachment(preview_url=url, **fields) if is_image else FileAttachment(**fields)
        await self.store.save_attachment(attachment, context)
        return attachment

    async def delete_attachment(self, attachment_id: str, context: Context) -> None:
        self.path(attachment_id).unlink(missing_ok=True)


def file_routes(files: FolderOfAttachments) -> APIRouter:
    router = APIRouter(prefix="/files")

    async def known(attachment_id: str) -> Attachment:
        try:
            return await files.store.load_attachment(attachment_id, {})
        except NotFoundError:
            raise HTTPException(404) from None

    @router.put("/{attachment_id}", status_code=204)
    async def upload(attachment_id: str, request: Request) -> None:
        attachment = await known(attachment_id)
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BYTES:
                raise HTTPException(413)
        files.path(attachment_id).write_bytes(data)
        await files.store.save_attachment(attachment.model_copy(update={"upload_descriptor": None}), {})

    @router.get("/{attachment_id}")
    async def download(attachment_id: str) -> FileResponse:
        attachment = await known(attachment_id)
        if not files.path(attachment_id).exists():
            raise HTTPException(404)
        return FileResponse(files.path(attachment_id), media_type=attachment.mime_type)

    return router
