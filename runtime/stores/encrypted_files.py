"""Files that are encrypted, and the one place that opens the storage of files that a project declares."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

from runtime.resources.threads import in_file_thread
from runtime.stores.blobs import CHUNK, BucketStore, FileStore, FolderStore, StoredFile
from runtime.stores.cipher import Cipher


class EncryptedFileStore(FileStore):
    """The files of another storage, encrypted. Files that were written before stay readable."""

    def __init__(self, files: FileStore, cipher: Cipher) -> None:
        self.files, self._cipher = files, cipher

    def new_file(self) -> IO[bytes]:
        return self.files.new_nameless_file()

    async def add(self, key: str, content: IO[bytes]) -> bool:
        with await in_file_thread(self._encrypt, content) as encrypted:
            return await self.files.add(key, encrypted)

    async def replace(self, key: str, content: IO[bytes]) -> None:
        with await in_file_thread(self._encrypt, content) as encrypted:
            await self.files.replace(key, encrypted)

    async def create(self, key: str, content: bytes) -> bytes:
        return self._cipher.decrypt_bytes(await self.files.create(key, self._cipher.encrypt_bytes(content)))

    async def read(self, key: str) -> bytes:
        return await in_file_thread(self._cipher.decrypt_bytes, await self.files.read(key))

    async def open(self, key: str) -> StoredFile:
        content = await self.read(key)
        return StoredFile(len(content), _chunks(content))

    async def used(self, prefix: str) -> int:
        return await self.files.used(prefix)

    async def exists(self, key: str) -> bool:
        return await self.files.exists(key)

    async def delete(self, key: str) -> None:
        await self.files.delete(key)

    async def delete_abandoned(self) -> None:
        await self.files.delete_abandoned()

    async def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        async for key in self.files.list_before(prefix, moment):
            yield key

    async def encrypt_again(self, key: str) -> bool:
        """Encrypt a file with the first key; return whether it was not. Raise NotFoundError, StoreError."""
        content = await self.files.read(key)
        if await in_file_thread(self._cipher.is_current, content):
            return False
        with await in_file_thread(
            self._to_file, await in_file_thread(self._cipher.decrypt_bytes, content)
        ) as encrypted:
            await self.files.replace(key, encrypted)
        return True

    def _encrypt(self, content: IO[bytes]) -> IO[bytes]:
        content.seek(0)
        return self._to_file(content.read())

    def _to_file(self, content: bytes) -> IO[bytes]:
        file = self.files.new_file()
        file.write(self._cipher.encrypt_bytes(content))
        return file


async def _chunks(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


def open_file_store(url: str, root: Path, options: Mapping[str, str], keys: Sequence[str] = ()) -> FileStore:
    """Return the storage that `chat.attachments.store` declares; a folder is relative to `root`. Raise StoreError.

    The first of the `keys` encrypts the files, all of them decrypt.
    """
    files = BucketStore(url, options) if url.startswith("s3://") else FolderStore(root / url)
    return EncryptedFileStore(files, Cipher(keys)) if keys else files
