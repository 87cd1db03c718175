"""Stores for the content of attachments: a folder, or a bucket of S3 or a compatible service."""

from __future__ import annotations

import contextlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chatkit.store import NotFoundError

from runtime.resources.threads import in_file_thread
from runtime.stores.store import StoreError


class FileStore(ABC):
    """Files by key, which has letters, digits, `-`, `_`, `.` and `/`. Writes are atomic."""

    @abstractmethod
    async def put(self, key: str, content: Path) -> None:
        """Write the content of the local file `content`; replace an existing file."""

    @abstractmethod
    async def create(self, key: str, content: bytes) -> bytes:
        """Write the content unless the key exists; return the stored content."""

    @abstractmethod
    async def read(self, key: str) -> bytes:
        """Return the content. Raise NotFoundError."""

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Return whether the key exists."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete the file, if it exists."""

    @abstractmethod
    def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        """Yield the keys below a prefix whose files were last written before `moment` (aware)."""


class FolderStore(FileStore):
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, key: str, content: Path) -> None:
        await in_file_thread(self._put, self.folder / key, content)

    async def create(self, key: str, content: bytes) -> bytes:
        return await in_file_thread(self._create, self.folder / key, content)

    async def read(self, key: str) -> bytes:
        try:
            return await in_file_thread((self.folder / key).read_bytes)
        except FileNotFoundError:
            raise NotFoundError(f"file {key!r} not found") from None

    async def exists(self, key: str) -> bool:
        return await in_file_thread((self.folder / key).is_file)

    async def delete(self, key: str) -> None:
        await in_file_thread((self.folder / key).unlink, missing_ok=True)

    async def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        for key in await in_file_thread(self._old, prefix, moment.timestamp()):
            yield key

    def _put(self, path: Path, content: Path) -> None:
        os.replace(_write_beside(path, content.read_bytes()), path)

    def _create(self, path: Path, content: bytes) -> bytes:
        written = _write_beside(path, content)
        try:
            # A link fails if the name exists, so that one of several processes wins, with complete content.
            with contextlib.suppress(FileExistsError):
                os.link(written, path)
        finally:
            os.unlink(written)
        return path.read_bytes()

    def _old(self, prefix: str, before: float) -> list[str]:
        keys = []
        for path in (self.folder / prefix).rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < before:
                    keys.append(path.relative_to(self.folder).as_posix())
        return keys


def _write_beside(path: Path, content: bytes) -> str:
    """Write a temporary file in the folder of `path`; return its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    return file.name


class BucketStore(FileStore):
    """Files in a bucket, through obstore. Raise StoreError if obstore is missing or refuses the options."""

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        try:
            import obstore
            from obstore.store import S3Store
        except ImportError as error:
            raise StoreError(f"{url} needs obstore: pip install 'chatkit-runtime[s3]'") from error
        self._obstore = obstore
        settings: dict[str, Any] = dict(options)
        if settings.get("endpoint", "").startswith("http://"):
            settings["client_options"] = {"allow_http": True}
        try:
            self._store: Any = S3Store.from_url(url, **settings)
        except Exception as error:
            raise StoreError(f"{url} can't be used: {error}") from error

    async def put(self, key: str, content: Path) -> None:
        await self._obstore.put_async(self._store, key, content)

    async def create(self, key: str, content: bytes) -> bytes:
        if not await self.exists(key):
            with contextlib.suppress(self._obstore.exceptions.AlreadyExistsError):
                await self._obstore.put_async(self._store, key, content, mode="create")
        return await self.read(key)

    async def read(self, key: str) -> bytes:
        try:
            result = await self._obstore.get_async(self._store, key)
        except FileNotFoundError:
            raise NotFoundError(f"file {key!r} not found") from None
        return bytes(await result.bytes_async())

    async def exists(self, key: str) -> bool:
        try:
            await self._obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True

    async def delete(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            await self._obstore.delete_async(self._store, key)

    async def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        async for page in self._obstore.list(self._store, prefix=prefix):
            for entry in page:
                if entry["last_modified"].astimezone(UTC) < moment:
                    yield str(entry["path"])


def open_file_store(url: str, root: Path, options: Mapping[str, str]) -> FileStore:
    """Return the store that `chat.attachments.store` declares; a folder is relative to `root`. Raise StoreError."""
    return BucketStore(url, options) if url.startswith("s3://") else FolderStore(root / url)
