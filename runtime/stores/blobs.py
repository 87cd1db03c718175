"""Where attached files are kept: a folder of this machine, or a bucket of S3 and what speaks its protocol."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chatkit.store import NotFoundError

from runtime.stores.store import StoreError

_CHUNK = 256 * 1024


class FileStore(ABC):
    """Files by a key of letters, digits, `-`, `_`, `.` and `/`; a file is there as a whole or not at all."""

    @abstractmethod
    async def put(self, key: str, content: Path) -> None:
        """Take the content of a file, in place of what was there."""

    @abstractmethod
    async def create(self, key: str, content: bytes) -> bytes:
        """Keep this content unless the key has some already; return what the key has then."""

    @abstractmethod
    async def read(self, key: str) -> bytes:
        """Return the content; raise NotFoundError."""

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Tell whether there is a file."""

    @abstractmethod
    async def delete(self, key: str) -> None:
        """Delete the file, if it is there."""

    @abstractmethod
    def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        """Yield the keys below a prefix whose files are older than that."""


class FolderStore(FileStore):
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, key: str, content: Path) -> None:
        """Take the content of a file, in place of what was there."""
        await asyncio.to_thread(self._put, self.folder / key, content.read_bytes)

    async def create(self, key: str, content: bytes) -> bytes:
        """Keep this content unless the key has some already; return what the key has then."""
        return await asyncio.to_thread(self._create, self.folder / key, content)

    async def read(self, key: str) -> bytes:
        """Return the content; raise NotFoundError."""
        try:
            return await asyncio.to_thread((self.folder / key).read_bytes)
        except FileNotFoundError:
            raise NotFoundError(f"file {key!r} not found") from None

    async def exists(self, key: str) -> bool:
        """Tell whether there is a file."""
        return await asyncio.to_thread((self.folder / key).is_file)

    async def delete(self, key: str) -> None:
        """Delete the file, if it is there."""
        await asyncio.to_thread((self.folder / key).unlink, missing_ok=True)

    async def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        """Yield the keys below a prefix whose files are older than that."""
        for key in await asyncio.to_thread(self._old, prefix, moment.timestamp()):
            yield key

    def _put(self, path: Path, read: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(read())
        os.replace(file.name, path)

    def _create(self, path: Path, content: bytes) -> bytes:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        try:
            # A link fails where the name is taken: of several processes one wins, and its content is whole.
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
        finally:
            os.unlink(file.name)
        return path.read_bytes()

    def _old(self, prefix: str, before: float) -> list[str]:
        found = []
        for path in (self.folder / prefix).rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < before:
                    found.append(path.relative_to(self.folder).as_posix())
        return found


class BucketStore(FileStore):
    """Files in a bucket, through obstore."""

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        try:
            from obstore.store import S3Store
        except ImportError as error:
            raise StoreError(f"{url} needs obstore: pip install 'chatkit-runtime[s3]'") from error
        settings: dict[str, Any] = dict(options)
        if settings.get("endpoint", "").startswith("http://"):
            settings["client_options"] = {"allow_http": True}
        try:
            self._store: Any = S3Store.from_url(url, **settings)
        except Exception as error:
            raise StoreError(f"{url} can't be used: {error}") from error

    async def put(self, key: str, content: Path) -> None:
        """Take the content of a file, in place of what was there."""
        import obstore

        await obstore.put_async(self._store, key, content)

    async def create(self, key: str, content: bytes) -> bytes:
        """Keep this content unless the key has some already; return what the key has then."""
        import obstore

        if not await self.exists(key):
            with contextlib.suppress(obstore.exceptions.AlreadyExistsError):
                await obstore.put_async(self._store, key, content, mode="create")
        return await self.read(key)

    async def read(self, key: str) -> bytes:
        """Return the content; raise NotFoundError."""
        import obstore

        try:
            found = await obstore.get_async(self._store, key)
        except FileNotFoundError:
            raise NotFoundError(f"file {key!r} not found") from None
        return bytes(await found.bytes_async())

    async def exists(self, key: str) -> bool:
        """Tell whether there is a file."""
        import obstore

        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True

    async def delete(self, key: str) -> None:
        """Delete the file, if it is there."""
        import obstore

        with contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)

    async def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        """Yield the keys below a prefix whose files are older than that."""
        import obstore

        async for page in obstore.list(self._store, prefix=prefix):
            for entry in page:
                if entry["last_modified"].astimezone(UTC) < moment:
                    yield str(entry["path"])


def open_file_store(url: str, root: Path, options: Mapping[str, str]) -> FileStore:
    """The store that `chat.attachments.store` names; folders are looked up from `root`. Raise StoreError."""
    return BucketStore(url, options) if url.startswith("s3://") else FolderStore(root / url)
