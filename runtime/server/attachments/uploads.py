"""Attachments: create them, receive and check their files, serve them, and delete those that were never sent.

A file is written once: the first complete upload creates it, and nothing replaces it. Its metadata is bound to a thread
in the transaction that stores the message, so that of a message and a concurrent deletion one fails.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import IO, Any
from weakref import WeakValueDictionary

from chatkit.store import NotFoundError
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    FileAttachment,
    GeneratedImageItem,
    ImageAttachment,
    ThreadItem,
    UserMessageItem,
)
from pydantic import AnyUrl

from runtime.config.model.chat import Attachments
from runtime.errors import RequestError
from runtime.resources.threads import in_file_thread
from runtime.server.attachments.content import CHECKED_IMAGES, normal_mime_type, why_refused
from runtime.server.attachments.file_keys import clean_name, file_key, owner_folder, read_key
from runtime.server.attachments.pdf_text import PdfTexts
from runtime.server.attachments.signed_urls import SignedUrls, grant_of
from runtime.stores.blobs import FileStore, FileStoreError, StoredFile
from runtime.stores.ids import new_id
from runtime.stores.store import ThreadStore

logger = logging.getLogger("runtime.server")

COLLECT_S = 3600.0
"""The shortest time between two deletions of unsent files, in seconds."""
SWEEP_S = 24 * 3600.0
"""The shortest time between two searches for files without metadata, in seconds."""
_BUFFER = 256 * 1024


class Uploads:
    """The attachments of one generation: their metadata is in `backend`, their content in `files`.

    `clock` returns the time, in seconds since the epoch, by which URLs and unsent files expire.
    """

    def __init__(
        self, declared: Attachments, backend: ThreadStore, files: FileStore, clock: Callable[[], float] = time.time
    ) -> None:
        self.clock = clock
        self.declared, self.backend, self.files = declared, backend, files
        self.pdf_texts = PdfTexts()
        self._urls = SignedUrls(files, declared.secret, lambda: self.clock())
        self._collected, self._swept = -COLLECT_S, -SWEEP_S
        self._collecting: asyncio.Task[None] | None = None
        self._arriving: Counter[str] = Counter()
        """How many files of each owner are arriving."""
        self._adding: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def announce(self, owner: str, params: AttachmentCreateParams, base_url: str) -> Attachment:
        """Create an attachment and its upload URL. Raise RequestError for a file that is not accepted."""
        mime_type = self._check(params.mime_type, params.size)
        await self._check_unsent(owner)
        await self._check_quota(owner, params.size)
        attachment_id = new_id("attachment")
        url = await self._urls.for_upload(base_url, owner, attachment_id, mime_type, params.size)
        descriptor = AttachmentUploadDescriptor(url=AnyUrl(url), method="PUT", headers={"content-type": mime_type})
        attachment = await self._save_new(owner, base_url, attachment_id, params.name, mime_type, params.size)
        return attachment.model_copy(update={"upload_descriptor": descriptor})

    async def take(
        self, owner: str, name: str, mime_type: str, chunks: AsyncIterator[bytes], base_url: str
    ) -> Attachment:
        """Create an attachment with its content. Raise RequestError for a file that is not accepted."""
        mime_type = self._check(mime_type, 1)
        await self._check_unsent(owner)
        await self._check_quota(owner, 1)
        attachment_id = new_id("attachment")
        size = await self._write(owner, attachment_id, mime_type, self.declared.max_size, chunks)
        return await self._save_new(owner, base_url, attachment_id, name, mime_type, size)

    async def add_generated(self, owner: str, thread_id: str, mime_type: str, content: bytes, base_url: str) -> str:
        """Store an image that a model has generated, as a file of the thread; return its signed URL.

        Raise RequestError (503), StoreUnavailable, and NotFoundError if the thread was deleted meanwhile.
        """
        attachment_id, suffix = new_id("attachment"), mime_type.rpartition("/")[2]
        # Without the quota: the answer that has the image exists already.
        chunks = _one_chunk(content)
        size = await self._write(owner, attachment_id, mime_type, len(content), chunks, has_quota=False)
        attachment = await self._save_new(
            owner, base_url, attachment_id, f"generated.{suffix}", mime_type, size, thread_id
        )
        try:
            # Last: who deletes the thread from now on deletes the attachment as well.
            await self.backend.load_thread(owner, thread_id)
        except NotFoundError:
            await self.backend.delete_attachment(owner, attachment_id)
            await self.files.delete(file_key(owner, attachment_id))
            raise
        assert isinstance(attachment, ImageAttachment)
        return str(attachment.preview_url)

    async def read_generated(self, owner: str, url: str) -> bytes | None:
        """Return the content of a stored image, or None for the URL of anything else. Raise NotFoundError."""
        grant = grant_of(url)
        if grant is None or grant.owner != owner:
            return None
        return await self.read(owner, grant.id)

    async def receive(self, token: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the file that is uploaded to a signed URL, once. Raise RequestError, NotFoundError."""
        grant = await self._urls.check(token, "upload")
        await self.backend.load_attachment(grant.owner, grant.id)
        if await self.files.exists(file_key(grant.owner, grant.id)):
            raise _already_uploaded()
        assert grant.size is not None
        # Again: any number of files may be announced before the first one arrives.
        await self._check_quota(grant.owner, grant.size)
        with self.place(grant.owner):
            await self._write(grant.owner, grant.id, grant.type, grant.size, chunks, announced=grant.size)
        try:
            await self.backend.load_attachment(grant.owner, grant.id)
        except NotFoundError:
            # Deleted while its file arrived.
            await self.files.delete(file_key(grant.owner, grant.id))
            raise

    async def open_granted(self, token: str) -> tuple[StoredFile, Attachment]:
        """Open the file of a signed URL, which the caller closes. Raise RequestError, NotFoundError."""
        grant = await self._urls.check(token, "read")
        attachment = await self.backend.load_attachment(grant.owner, grant.id)
        file = await self.files.open(file_key(grant.owner, grant.id))
        if attachment.mime_type != grant.type or grant.size not in (None, file.size):
            file.close()
            raise RequestError(403, "invalid_url", "this URL is for another file")
        return file, attachment

    async def read(self, owner: str, attachment_id: str) -> bytes:
        """Return the content of an attachment. Raise NotFoundError."""
        return await self.files.read(file_key(owner, attachment_id))

    async def delete(self, owner: str, attachment_id: str) -> None:
        """Delete an attachment that was not sent, and its content. Raise NotFoundError, RequestError (409)."""
        # First: it refuses what a store, which drops U+0000, takes for the id of an attachment.
        key = file_key(owner, attachment_id)
        await self.backend.load_attachment(owner, attachment_id)
        if not await self.backend.delete_unsent_attachment(owner, attachment_id):
            raise RequestError(409, "already_sent", "the file was sent with a message (delete the thread to delete it)")
        await self.files.delete(key)

    async def delete_files(self, owner: str, attachment_ids: Iterable[str]) -> None:
        """Delete the files of attachments whose thread was deleted."""
        for attachment_id in attachment_ids:
            await self.files.delete(file_key(owner, attachment_id))

    async def check_sent(self, owner: str, attachments: Sequence[Attachment]) -> None:
        """Raise RequestError for a message with too many attachments, or with one that was never uploaded."""
        most = self.declared.max_count
        if len(attachments) > most:
            message = f"the message has {len(attachments)} attachments; at most {most} are allowed"
            raise RequestError(400, "too_many_attachments", message)
        for attachment in attachments:
            if not await self.files.exists(file_key(owner, attachment.id)):
                raise RequestError(400, "not_uploaded", f"attachment {attachment.id!r} has not been uploaded")

    async def sign_items(self, owner: str, items: Sequence[ThreadItem], base_url: str) -> None:
        """Give images, attached or generated, URLs that are valid from now on; the stored ones expire."""
        for item in items:
            if isinstance(item, GeneratedImageItem) and item.image is not None and base_url:
                grant = grant_of(item.image.url)
                if grant is not None and grant.owner == owner:
                    url = await self._urls.for_reading(base_url, owner, grant.id, grant.type, grant.size)
                    item.image = item.image.model_copy(update={"url": url})
            if isinstance(item, UserMessageItem) and item.attachments:
                item.attachments = [await self.sign(owner, attachment, base_url) for attachment in item.attachments]

    async def sign(self, owner: str, attachment: Attachment, base_url: str) -> Attachment:
        """Return an attachment with a preview URL that is valid from now on, if it is an image and has an address."""
        if not base_url or not isinstance(attachment, ImageAttachment):
            return attachment
        size = (attachment.metadata or {}).get("size")
        url = await self._urls.for_reading(base_url, owner, attachment.id, attachment.mime_type, size)
        return attachment.model_copy(update={"preview_url": AnyUrl(url)})

    async def collect(self) -> int:
        """Delete the attachments that were not sent in time; return their number."""
        unsent = await self.backend.delete_unsent_attachments(self._oldest_unsent())
        for owner, attachment_id in unsent:
            await self.files.delete(file_key(owner, attachment_id))
        if unsent:
            logger.info("deleted %d attached files that were never sent", len(unsent))
        return len(unsent)

    async def sweep(self) -> int:
        """Delete files without metadata: of deleted threads, and of interrupted uploads; return their number.

        Of a chatkit store, which lists no attachments, the unsent ones as well.
        """
        count = 0
        async for key in self.files.list_before("files", self._oldest_unsent()):
            owner, attachment_id = read_key(key)
            if owner is not None and await self.backend.delete_unsent_attachment(owner, attachment_id):
                await self.files.delete(key)
                count += 1
        async for key in self.files.list_before("incoming", self._oldest_unsent()):
            await self.files.delete(key)
            count += 1
        if count:
            logger.info("deleted %d files of deleted threads or interrupted uploads", count)
        return count

    async def close(self) -> None:
        """End the deletion that runs in the background."""
        if self._collecting is not None:
            self._collecting.cancel()
            await asyncio.gather(self._collecting, return_exceptions=True)

    def _oldest_unsent(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC) - timedelta(seconds=self.declared.keep_unsent)

    def _collect_soon(self) -> None:
        now = time.monotonic()
        if now - self._collected >= COLLECT_S and (self._collecting is None or self._collecting.done()):
            self._collected = now
            self._collecting = asyncio.ensure_future(self._collect_quietly())

    async def _collect_quietly(self) -> None:
        try:
            await self.collect()
            if time.monotonic() - self._swept >= SWEEP_S:
                self._swept = time.monotonic()
                await self.sweep()
        except Exception as error:
            logger.warning("unsent files could not be deleted: %s: %s", type(error).__name__, error)

    def _check(self, declared_type: str, size: int) -> str:
        mime_type, accept = normal_mime_type(declared_type), [pattern.lower() for pattern in self.declared.accept]
        if mime_type is None or not any(_matches(mime_type, pattern) for pattern in accept):
            message = f"files of type {declared_type[:100]!r} are not accepted (accepted: {', '.join(accept)})"
            raise RequestError(415, "unsupported_type", message)
        if mime_type.startswith("image/") and mime_type not in CHECKED_IMAGES and mime_type not in accept:
            raise RequestError(415, "unsupported_type", f"images of type {mime_type!r} are not accepted")
        if size < 1:
            raise RequestError(400, "invalid_size", f"the size of a file must be at least 1, not {size}")
        if size > self.declared.max_size:
            raise _too_large(self.declared.max_size)
        return mime_type

    async def _check_unsent(self, owner: str) -> None:
        """Raise RequestError where the user has too many unsent files."""
        self._collect_soon()
        if await self.backend.count_unsent_attachments(owner) >= self.declared.max_unsent:
            most = self.declared.max_unsent
            message = f"{most} files were attached and not sent; no more are accepted (send or remove some of them)"
            raise RequestError(429, "too_many_unsent", message)

    async def _check_quota(self, owner: str, size: int) -> None:
        """Raise RequestError where the user has no room for a file."""
        quota = self.declared.quota
        if quota is not None and await self.files.used(owner_folder(owner)) + size > quota:
            message = f"your files have more than {quota} bytes in all (delete threads with files)"
            raise RequestError(413, "quota_exceeded", message)

    @contextmanager
    def place(self, owner: str) -> Iterator[None]:
        """Count an upload: each one occupies the disk until it ends, also where all of them have one URL.

        Raise RequestError (429) where too many of the user's are running.
        """
        if self._arriving[owner] >= self.declared.max_count:
            message = f"{self.declared.max_count} uploads are running (wait until one of them has ended)"
            raise RequestError(429, "too_many_uploads", message)
        self._arriving[owner] += 1
        try:
            yield
        finally:
            self._arriving[owner] -= 1
            if not self._arriving[owner]:
                del self._arriving[owner]

    async def _write(
        self,
        owner: str,
        attachment_id: str,
        mime_type: str,
        most: int,
        chunks: AsyncIterator[bytes],
        *,
        announced: int | None = None,
        has_quota: bool = True,
    ) -> int:
        """Write the chunks to a temporary file, check it, and store it; return its size."""
        async with _storage_errors():
            file = await in_file_thread(self.files.new_file)
            try:
                size, buffer = 0, bytearray()
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most:
                        raise _too_large(most)
                    buffer += chunk
                    if len(buffer) >= _BUFFER:
                        await in_file_thread(file.write, bytes(buffer))
                        buffer.clear()
                await in_file_thread(file.write, bytes(buffer))
                if size == 0:
                    raise RequestError(400, "empty_file", "the file is empty")
                if announced is not None and size != announced:
                    message = f"{size} bytes have arrived of {announced} that were announced (upload the file again)"
                    raise RequestError(400, "incomplete", message)
                refused = await in_file_thread(why_refused, file, mime_type)
                if refused is not None:
                    raise RequestError(415, "wrong_type", f"the content of the file {refused}")
                add = self._add_within_quota if has_quota else self._add
                if not await add(owner, attachment_id, file, size):
                    raise _already_uploaded()
                return size
            finally:
                await in_file_thread(file.close)

    async def _add(self, owner: str, attachment_id: str, file: IO[bytes], size: int) -> bool:
        return await self.files.add(file_key(owner, attachment_id), file)

    async def _add_within_quota(self, owner: str, attachment_id: str, file: IO[bytes], size: int) -> bool:
        if self.declared.quota is None:
            return await self._add(owner, attachment_id, file, size)
        # One after the other: files that arrive at once would each find the same room.
        async with self._adding.setdefault(owner, asyncio.Lock()):
            await self._check_quota(owner, size)
            return await self._add(owner, attachment_id, file, size)

    async def _save_new(
        self,
        owner: str,
        base_url: str,
        attachment_id: str,
        name: str,
        mime_type: str,
        size: int,
        thread_id: str | None = None,
    ) -> Attachment:
        fields: dict[str, Any] = {"id": attachment_id, "name": clean_name(name), "mime_type": mime_type}
        fields["thread_id"] = thread_id
        fields["metadata"] = {"size": size}
        attachment: Attachment
        if mime_type in CHECKED_IMAGES:
            preview = await self._urls.for_reading(base_url, owner, attachment_id, mime_type, size)
            attachment = ImageAttachment(preview_url=AnyUrl(preview), **fields)
        else:
            attachment = FileAttachment(**fields)
        await self.backend.save_attachment(owner, attachment)
        return attachment


async def _one_chunk(content: bytes) -> AsyncIterator[bytes]:
    yield content


@asynccontextmanager
async def _storage_errors() -> AsyncIterator[None]:
    """Turn a full or broken storage into a RequestError (503)."""
    try:
        yield
    except (OSError, FileStoreError) as error:
        logger.error("a file could not be stored: %s: %s", type(error).__name__, error)
        message = "the file can't be stored at present (try again later)"
        raise RequestError(503, "storage_unavailable", message) from error


def _matches(mime_type: str, pattern: str) -> bool:
    return mime_type == pattern or (pattern.endswith("/*") and mime_type.startswith(pattern[:-1]))


def _too_large(most: int) -> RequestError:
    return RequestError(413, "file_too_large", f"the file is too large; at most {most} bytes are allowed")


def _already_uploaded() -> RequestError:
    return RequestError(409, "already_uploaded", "this file has been uploaded (attach another file to replace it)")
