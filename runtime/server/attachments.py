"""Attachments: create them, receive and check their files, serve them, and delete those that were never sent.

A URL for a file contains a signed grant: the owner, the id, the size, the type, and when it expires. So the page needs
no login to use it, and nobody can forge one.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from chatkit.store import NotFoundError
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    FileAttachment,
    ImageAttachment,
)
from pydantic import AnyUrl

from runtime.config.model.chat import Attachments
from runtime.errors import RequestError
from runtime.resources.threads import in_file_thread
from runtime.stores.blobs import FileStore
from runtime.stores.ids import new_id
from runtime.stores.store import ThreadStore

logger = logging.getLogger("runtime.server")

UPLOAD_S = 3600.0
"""How long an upload URL is valid, in seconds."""
COLLECT_S = 3600.0
"""The shortest time between two deletions of unsent files, in seconds."""
_KEY = "signing-key"
_LONGEST_NAME = 200
_LONGEST_OWNER = 180


class Uploads:
    """The attachments of one generation: their metadata is in `backend`, their content in `files`.

    `clock` returns the time, in seconds since the epoch, by which upload URLs expire.
    """

    def __init__(
        self, declared: Attachments, backend: ThreadStore, files: FileStore, clock: Callable[[], float] = time.time
    ) -> None:
        self.clock = clock
        self.declared, self.backend, self.files = declared, backend, files
        self._secret: bytes | None = declared.secret.encode() if declared.secret else None
        self._collected = -COLLECT_S
        self._collecting: asyncio.Task[None] | None = None

    async def announce(self, owner: str, params: AttachmentCreateParams, base_url: str) -> Attachment:
        """Create an attachment and its upload URL. Raise RequestError for a file that is not accepted."""
        mime_type = self._check(params.mime_type, params.size)
        attachment_id = new_id("attachment")
        grant = {"owner": owner, "id": attachment_id, "size": params.size, "type": mime_type}
        upload = await self._url(base_url, {**grant, "until": self.clock() + UPLOAD_S})
        descriptor = AttachmentUploadDescriptor(url=AnyUrl(upload), method="PUT", headers={"content-type": mime_type})
        fields = {"id": attachment_id, "name": params.name, "mime_type": mime_type, "upload_descriptor": descriptor}
        return await self._save_new(owner, base_url, fields)

    async def take(
        self, owner: str, name: str, mime_type: str, chunks: AsyncIterator[bytes], base_url: str
    ) -> Attachment:
        """Create an attachment with its content. Raise RequestError for a file that is not accepted."""
        mime_type = self._check(mime_type, 1)
        attachment_id = new_id("attachment")
        await self._write(owner, attachment_id, mime_type, self.declared.max_size, chunks)
        return await self._save_new(owner, base_url, {"id": attachment_id, "name": name, "mime_type": mime_type})

    async def receive(self, token: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the file that is uploaded to a signed URL. Raise RequestError, NotFoundError."""
        grant = await self._read_grant(token)
        if "until" not in grant:
            raise RequestError(403, "invalid_url", "this URL is for reading")
        if self.clock() > grant["until"]:
            raise RequestError(403, "expired", "this URL has expired (attach the file again)")
        attachment = await self.backend.load_attachment(grant["owner"], grant["id"])
        await self._write(grant["owner"], grant["id"], grant["type"], grant["size"], chunks)
        await self.backend.save_attachment(grant["owner"], attachment.model_copy(update={"upload_descriptor": None}))

    async def read_granted(self, token: str) -> tuple[bytes, str]:
        """Return the content and the type of a signed URL's file. Raise RequestError, NotFoundError."""
        grant = await self._read_grant(token)
        attachment = await self.backend.load_attachment(grant["owner"], grant["id"])
        return await self.files.read(_path(grant["owner"], grant["id"])), attachment.mime_type

    async def read(self, owner: str, attachment_id: str) -> bytes:
        """Return the content of an attachment. Raise NotFoundError."""
        return await self.files.read(_path(owner, attachment_id))

    async def delete(self, owner: str, attachment_id: str) -> None:
        """Delete an attachment and its content. Raise NotFoundError, also for another owner's attachment."""
        await self.backend.load_attachment(owner, attachment_id)
        await self.backend.delete_attachment(owner, attachment_id)
        await self.files.delete(_path(owner, attachment_id))

    async def check_sent(self, owner: str, attachment_ids: list[str]) -> None:
        """Raise RequestError for a message with too many attachments, or with one that was never uploaded."""
        if len(attachment_ids) > self.declared.max_count:
            message = (
                f"the message has {len(attachment_ids)} attachments; at most {self.declared.max_count} are allowed"
            )
            raise RequestError(400, "too_many_attachments", message)
        for attachment_id in attachment_ids:
            if not await self.files.exists(_path(owner, attachment_id)):
                raise RequestError(400, "not_uploaded", f"attachment {attachment_id!r} has not been uploaded")

    async def mark_sent(self, owner: str, attachments: list[Attachment], thread_id: str) -> None:
        """Store the thread that attachments were sent in: they exist as long as the thread."""
        for attachment in attachments:
            await self.backend.save_attachment(owner, attachment.model_copy(update={"thread_id": thread_id}))

    async def collect(self) -> int:
        """Delete the files that were not sent in time, or whose thread was deleted; return their number."""
        before = datetime.now(UTC) - timedelta(seconds=self.declared.keep_unsent)
        count = 0
        async for key in self.files.list_before("files", before):
            owner, attachment_id = _read_path(key)
            if owner is None:
                continue
            try:
                attachment = await self.backend.load_attachment(owner, attachment_id)
            except NotFoundError:
                attachment = None
            if attachment is not None and attachment.thread_id is not None:
                continue
            await self.backend.delete_attachment(owner, attachment_id)
            await self.files.delete(key)
            count += 1
        if count:
            logger.info("deleted %d attached files that were never sent", count)
        return count

    def _collect_soon(self) -> None:
        now = time.monotonic()
        if now - self._collected >= COLLECT_S and (self._collecting is None or self._collecting.done()):
            self._collected = now
            self._collecting = asyncio.ensure_future(self._collect_quietly())

    async def _collect_quietly(self) -> None:
        try:
            await self.collect()
        except Exception as error:
            logger.warning("unsent files could not be deleted: %s: %s", type(error).__name__, error)

    async def close(self) -> None:
        """End the deletion that runs in the background."""
        if self._collecting is not None:
            self._collecting.cancel()
            await asyncio.gather(self._collecting, return_exceptions=True)

    def _check(self, mime_type: str, size: int) -> str:
        mime_type = mime_type.partition(";")[0].strip().lower()
        if not any(_matches(mime_type, pattern.lower()) for pattern in self.declared.accept):
            message = f"files of type {mime_type!r} are not accepted (accepted: {', '.join(self.declared.accept)})"
            raise RequestError(415, "unsupported_type", message)
        if size < 1:
            raise RequestError(400, "invalid_size", f"the size of a file must be at least 1, not {size}")
        if size > self.declared.max_size:
            raise _too_large(self.declared.max_size)
        return mime_type

    async def _write(
        self, owner: str, attachment_id: str, mime_type: str, most: int, chunks: AsyncIterator[bytes]
    ) -> None:
        """Write the chunks to a temporary file first, so that neither memory nor the store holds too much."""
        handle, name = tempfile.mkstemp(prefix="chatkit-upload-")
        path, size, head = Path(name), 0, b""
        try:
            with os.fdopen(handle, "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most:
                        raise _too_large(most)
                    head = head or bytes(chunk[:64])
                    file.write(chunk)
            if size == 0:
                raise RequestError(400, "empty_file", "the file is empty")
            if contradicts(head, mime_type):
                raise RequestError(415, "wrong_type", f"the content of the file does not match its type {mime_type!r}")
            await self.files.put(_path(owner, attachment_id), path)
        finally:
            await in_file_thread(path.unlink, missing_ok=True)

    async def _save_new(self, owner: str, base_url: str, fields: dict[str, Any]) -> Attachment:
        fields["name"] = clean_name(fields["name"])
        attachment: Attachment
        if fields["mime_type"].startswith("image/"):
            preview = await self._url(base_url, {"owner": owner, "id": fields["id"]})
            attachment = ImageAttachment(preview_url=AnyUrl(preview), **fields)
        else:
            attachment = FileAttachment(**fields)
        await self.backend.save_attachment(owner, attachment)
        self._collect_soon()
        return attachment

    async def _url(self, base_url: str, grant: dict[str, Any]) -> str:
        if not base_url:
            raise RequestError(501, "not_supported", "attachments need a request over HTTP")
        payload = base64.urlsafe_b64encode(json.dumps(grant, separators=(",", ":")).encode()).rstrip(b"=").decode()
        return f"{base_url}/files/{payload}.{await self._sign(payload)}"

    async def _read_grant(self, token: str) -> dict[str, Any]:
        payload, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), (await self._sign(payload)).encode()):
            raise RequestError(403, "invalid_url", "the signature of this URL is invalid")
        try:
            grant: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (binascii.Error, ValueError):
            raise RequestError(403, "invalid_url", "the signature of this URL is invalid") from None
        return grant

    async def _sign(self, payload: str) -> str:
        if self._secret is None:
            self._secret = await self.files.create(_KEY, secrets.token_hex(32).encode())
        digest = hmac.new(self._secret, payload.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def clean_name(name: str) -> str:
    """Return the name of a file without folders, control characters and leading dots."""
    last = re.split(r"[\\/]", name)[-1]
    kept = "".join(mark for mark in last if mark.isprintable()).strip().lstrip(".")
    stem, dot, suffix = kept.rpartition(".")
    if len(kept) > _LONGEST_NAME:
        kept = f"{stem[: _LONGEST_NAME - len(suffix) - 1]}{dot}{suffix}" if len(suffix) < 20 else kept[:_LONGEST_NAME]
    return kept or "file"


def _matches(mime_type: str, pattern: str) -> bool:
    return mime_type == pattern or (pattern.endswith("/*") and mime_type.startswith(pattern[:-1]))


def _too_large(most: int) -> RequestError:
    return RequestError(413, "file_too_large", f"the file is too large; at most {most} bytes are allowed")


def _path(owner: str, attachment_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", attachment_id):
        raise NotFoundError(f"attachment {attachment_id!r} not found")
    folder = base64.urlsafe_b64encode(owner.encode()).rstrip(b"=").decode()
    if len(folder) > _LONGEST_OWNER:
        folder = f".{hashlib.sha256(owner.encode()).hexdigest()}"
    return f"files/{folder}/{attachment_id}"


def _read_path(key: str) -> tuple[str | None, str]:
    """Return the owner and the id of a file; None if the key has only a hash of the owner."""
    parts = key.split("/")
    if len(parts) < 3 or parts[-2].startswith("."):
        return None, ""
    try:
        return base64.urlsafe_b64decode(parts[-2] + "=" * (-len(parts[-2]) % 4)).decode(), parts[-1]
    except (binascii.Error, UnicodeDecodeError):
        return None, ""


# The first bytes of a file, enough to detect that a picture is none.
_MAGIC: dict[str, tuple[bytes, ...]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "application/pdf": (b"%PDF-",),
    "application/zip": (b"PK\x03\x04", b"PK\x05\x06"),
}
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!")


def contradicts(head: bytes, mime_type: str) -> bool:
    """Return whether a file that begins with these bytes can't be of that type."""
    if mime_type == "image/webp":
        return not (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    if mime_type in _MAGIC:
        return not head.startswith(_MAGIC[mime_type])
    if mime_type.startswith("text/"):
        return b"\0" in head
    return mime_type.startswith("image/") and head.startswith(_PROGRAMS)
