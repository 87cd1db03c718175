"""Stores for the content of attachments: a folder, or a bucket of S3 or a compatible service."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from chatkit.store import NotFoundError

from runtime.config.secrets.mask import mask
from runtime.errors import RuntimeFault
from runtime.resources.threads import in_file_thread
from runtime.stores.store import StoreError

_RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
"""obstore's own limit is three minutes, in which a user waits for an upload."""
CHUNK = 256 * 1024
"""Bytes of a file that are read at once."""


class FileStoreError(RuntimeFault):
    """The storage of files can't be reached, is full, or refuses the request."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that has been opened: its size in bytes, and its content, which is read once. Call `close` afterwards."""

    size: int
    chunks: AsyncIterator[bytes]
    close: Callable[[], None] = lambda: None


class FileStore(ABC):
    """Files by key, which has letters, digits, `-`, `_`, `.` and `/`. A file appears as a whole, and never changes.

    Methods raise OSError or FileStoreError where the storage fails.
    """

    @abstractmethod
    def new_file(self) -> IO[bytes]:
        """Return an empty temporary file for `add`, which is deleted when it is closed. Call it in a thread."""

    def new_nameless_file(self) -> IO[bytes]:
        """Return an empty temporary file that no folder lists: nothing of it is left if the process is killed."""
        return tempfile.TemporaryFile()

    async def delete_abandoned(self) -> None:  # noqa: B027
        """Delete the temporary files of processes that were killed; not those of running ones."""

    @abstractmethod
    async def add(self, key: str, content: IO[bytes]) -> bool:
        """Write the content of a file that `new_file` returned, unless the key exists; return whether it did not.

        Of several concurrent calls, also in several processes, one writes.
        """

    @abstractmethod
    async def replace(self, key: str, content: IO[bytes]) -> None:
        """Replace the content of a file by that of one that `new_file` returned, in another form: encrypted anew."""

    @abstractmethod
    async def create(self, key: str, content: bytes) -> bytes:
        """Write the content unless the key exists; return the stored content."""

    @abstractmethod
    async def read(self, key: str) -> bytes:
        """Return the content. Raise NotFoundError."""

    @abstractmethod
    async def open(self, key: str) -> StoredFile:
        """Open a file. Raise NotFoundError."""

    @abstractmethod
    async def used(self, prefix: str) -> int:
        """Return the bytes of all files below a prefix."""

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

    def new_file(self) -> IO[bytes]:
        while True:
            file = tempfile.NamedTemporaryFile(dir=self._incoming())  # noqa: SIM115
            _lock(file.fileno(), wait=True)
            if os.path.exists(file.name):
                return file
            # `delete_abandoned` was faster than the lock.
            with contextlib.suppress(FileNotFoundError):
                file.close()

    def new_nameless_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._incoming())

    def _incoming(self) -> Path:
        incoming = self.folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        return incoming

    async def delete_abandoned(self) -> None:
        await in_file_thread(self._delete_abandoned)

    def _delete_abandoned(self) -> None:
        for path in self._incoming().iterdir():
            with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
                if _lock(file.fileno(), wait=False):
                    path.unlink()

    async def add(self, key: str, content: IO[bytes]) -> bool:
        return await in_file_thread(self._add, self.folder / key, content)

    async def replace(self, key: str, content: IO[bytes]) -> None:
        await in_file_thread(self._replace, self.folder / key, content)

    async def create(self, key: str, content: bytes) -> bytes:
        return await in_file_thread(self._create, self.folder / key, content)

    async def read(self, key: str) -> bytes:
        try:
            return await in_file_thread((self.folder / key).read_bytes)
        except FileNotFoundError:
            raise NotFoundError(f"file {key!r} not found") from None

    async def open(self, key: str) -> StoredFile:
        try:
            file = await in_file_thread((self.folder / key).open, "rb")
        except FileNotFoundError:
            raise NotFoundError(f"file {key!r} not found") from None
        return StoredFile(os.fstat(file.fileno()).st_size, _chunks(file), file.close)

    async def used(self, prefix: str) -> int:
        return await in_file_thread(_used, self.folder / prefix)

    async def exists(self, key: str) -> bool:
        return await in_file_thread((self.folder / key).is_file)

    async def delete(self, key: str) -> None:
        await in_file_thread((self.folder / key).unlink, missing_ok=True)

    async def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        for key in await in_file_thread(self._old, prefix, moment.timestamp()):
            yield key

    def _add(self, path: Path, content: IO[bytes]) -> bool:
        content.flush()
        os.fsync(content.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A link fails if the name exists, so that one of several uploads wins, with complete content.
            os.link(content.name, path)
        except FileExistsError:
            return False
        _sync_folder(path.parent)
        return True

    def _replace(self, path: Path, content: IO[bytes]) -> None:
        content.seek(0)
        os.replace(_write_beside(path, content.read()), path)

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


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := await in_file_thread(file.read, CHUNK):
        yield chunk


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock a file for this process until it is closed; return whether that was possible."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False  # another process holds it, or the file system has no locks
    return True


def _used(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _sync_folder(folder: Path) -> None:
    """Make a new name survive a power cut; some systems can't."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
            raise StoreError(mask(f"{url} needs obstore: pip install 'chatkit-runtime[s3]'")) from error
        self._obstore = obstore
        settings: dict[str, Any] = dict(options)
        if settings.get("endpoint", "").startswith("http://"):
            settings["client_options"] = {"allow_http": True}
        try:
            self._store: Any = S3Store.from_url(url, retry_config=_RETRIES, **settings)
        except Exception as error:
            raise StoreError(mask(f"{url} can't be used: {error}")) from error

    def new_file(self) -> IO[bytes]:
        return tempfile.TemporaryFile()

    async def add(self, key: str, content: IO[bytes]) -> bool:
        await in_file_thread(content.seek, 0)
        return await self._create(key, content)

    async def replace(self, key: str, content: IO[bytes]) -> None:
        await in_file_thread(content.seek, 0)
        with self._errors(key):
            await self._obstore.put_async(self._store, key, content)

    async def create(self, key: str, content: bytes) -> bytes:
        if not await self.exists(key):
            await self._create(key, content)
        return await self.read(key)

    async def read(self, key: str) -> bytes:
        with self._errors(key):
            result = await self._obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def open(self, key: str) -> StoredFile:
        with self._errors(key):
            result = await self._obstore.get_async(self._store, key)
        return StoredFile(int(result.meta["size"]), _parts(result.stream(min_chunk_size=CHUNK)))

    async def used(self, prefix: str) -> int:
        with self._errors(prefix):
            return sum([entry["size"] async for page in self._list(prefix) for entry in page])

    async def exists(self, key: str) -> bool:
        try:
            with self._errors(key):
                await self._obstore.head_async(self._store, key)
        except NotFoundError:
            return False
        return True

    async def delete(self, key: str) -> None:
        with contextlib.suppress(NotFoundError), self._errors(key):
            await self._obstore.delete_async(self._store, key)

    async def list_before(self, prefix: str, moment: datetime) -> AsyncIterator[str]:
        with self._errors(prefix):
            async for page in self._list(prefix):
                for entry in page:
                    if entry["last_modified"].astimezone(UTC) < moment:
                        yield str(entry["path"])

    async def _create(self, key: str, content: bytes | IO[bytes]) -> bool:
        try:
            with self._errors(key):
                # A multipart upload would replace an existing object.
                await self._obstore.put_async(self._store, key, content, mode="create", use_multipart=False)
        except FileExistsError:
            return False
        return True

    def _list(self, prefix: str) -> AsyncIterator[Any]:
        return self._obstore.list(self._store, prefix=prefix)

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        failures = self._obstore.exceptions
        try:
            yield
        except (FileNotFoundError, failures.NotFoundError):
            raise NotFoundError(f"file {key!r} not found") from None
        except (failures.AlreadyExistsError, failures.PreconditionError) as error:
            raise FileExistsError(key) from error
        except failures.BaseError as error:
            raise FileStoreError(f"the bucket failed: {type(error).__name__}") from error


async def _parts(stream: Any) -> AsyncIterator[bytes]:
    async for part in stream:
        yield bytes(part)
