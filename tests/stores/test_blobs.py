from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from chatkit.store import NotFoundError

from runtime.stores.blobs import CHUNK, BucketStore, FileStore, FileStoreError, FolderStore
from runtime.stores.cipher import new_key
from runtime.stores.encrypted_files import open_file_store
from tests.bucket_server import OPTIONS, bucket_server


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with bucket_server() as url:
        yield url


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "files")
    endpoint = request.getfixturevalue("endpoint")
    return open_file_store(f"s3://chat/{uuid4().hex}", tmp_path, {**OPTIONS, "endpoint": endpoint})


async def _add(files: FileStore, key: str, content: bytes) -> bool:
    with files.new_file() as file:
        file.write(content)
        return await files.add(key, file)


async def test_a_file_is_written_once_and_read_as_a_whole_and_in_parts(files: FileStore) -> None:
    content = os.urandom(2 * CHUNK + 1)
    assert await _add(files, "files/a/1", content) is True
    assert await _add(files, "files/a/1", b"other") is False
    assert await files.exists("files/a/1")
    assert await files.read("files/a/1") == content
    opened = await files.open("files/a/1")
    assert opened.size == len(content)
    assert b"".join([part async for part in opened.chunks]) == content
    opened.close()


async def test_of_several_writers_of_one_file_one_wins(files: FileStore) -> None:
    for number in range(5):
        contents = [bytes([65 + each]) * 50_000 for each in range(4)]
        written = await asyncio.gather(*(_add(files, f"files/a/{number}", content) for content in contents))
        assert sorted(written) == [False, False, False, True]
        assert await files.read(f"files/a/{number}") == contents[written.index(True)]


async def test_a_missing_file_is_not_found_and_deleting_it_does_nothing(files: FileStore) -> None:
    for missing in (files.read("files/a/1"), files.open("files/a/1")):
        with pytest.raises(NotFoundError):
            await missing
    assert not await files.exists("files/a/1")
    await files.delete("files/a/1")


async def test_files_are_listed_by_age_and_summed_by_folder(files: FileStore) -> None:
    for key, content in (("files/a/1", b"123"), ("files/a/2", b"4567"), ("files/ab/1", b"x" * 100)):
        await _add(files, key, content)
    assert await files.used("files/a") == 7
    assert await files.used("files/nobody") == 0
    soon, before = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)
    keys = sorted([key async for key in files.list_before("files/a", soon)])
    assert [key.partition("files/")[2] for key in keys] == ["a/1", "a/2"]
    assert len([key async for key in files.list_before("files", soon)]) == 3
    assert [key async for key in files.list_before("files", before)] == []


async def test_a_secret_is_created_once(files: FileStore) -> None:
    made = await asyncio.gather(*(files.create("signing-key", secret) for secret in (b"a", b"b", b"c")))
    assert len(set(made)) == 1
    assert await files.read("signing-key") == made[0]


def test_a_temporary_file_is_deleted_when_it_is_closed_and_readable_by_its_user_alone(tmp_path: Path) -> None:
    files = FolderStore(tmp_path)
    with files.new_file() as file:
        [path] = (tmp_path / "incoming").iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
        file.write(b"x")
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_a_bucket_that_does_not_answer_is_an_error_of_the_storage() -> None:
    files = BucketStore("s3://chat/prefix", {**OPTIONS, "endpoint": "http://127.0.0.1:9"})
    with pytest.raises(FileStoreError, match="the bucket failed: GenericError"):
        await files.read("files/a/1")


async def test_the_files_of_killed_processes_are_deleted_and_those_of_running_ones_kept(tmp_path: Path) -> None:
    files = FolderStore(tmp_path)
    with files.new_file() as running:
        (tmp_path / "incoming" / "tmp_of_a_killed_one").write_bytes(b"zebra")
        await files.delete_abandoned()
        assert [path.name for path in (tmp_path / "incoming").iterdir()] == [Path(running.name).name]
        running.write(b"giraffe")
        assert await files.add("files/a", running)
    assert await files.read("files/a") == b"giraffe"
    await files.delete_abandoned()
    assert await files.read("files/a") == b"giraffe"


def _contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("keys", [[], [new_key()]])
async def test_what_arrives_at_an_encrypted_storage_has_no_name(tmp_path: Path, keys: list[str]) -> None:
    files = open_file_store("files", tmp_path, {}, keys)
    with files.new_file() as arriving:
        arriving.write(b"zebra")
        arriving.flush()
        # A process that is killed now leaves what is listed here.
        assert _contents(tmp_path) == ([] if keys else [b"zebra"])
        assert await files.add("files/a", arriving)
    assert await files.read("files/a") == b"zebra"
    assert _contents(tmp_path / "files" / "incoming") == []
