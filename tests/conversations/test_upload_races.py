"""Uploads, messages, deletions and the collector at once, at two servers on one store: once sent, a file is whole."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from runtime.server.attachments.uploads import Uploads
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.talking import Exchange

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES", "")
ROUNDS = int(os.environ.get("CHATKIT_TEST_RACES", "25"))
ORIGIN = "http://localhost"
TWO_PROCESSES = """
import asyncio, json, sys
from pathlib import Path
from runtime.config.model.chat import Attachments
from runtime.errors import RequestError
from runtime.server.attachments.uploads import Uploads
from runtime.stores import open_store
from runtime.stores.blobs import FolderStore

async def content(mark):
    for _ in range(64):
        yield mark * 1024
        await asyncio.sleep(0)

async def main(store_url, folder, mark):
    store = open_store(store_url, timeout_s=60)
    await store.open()
    uploads = Uploads(Attachments(accept=["text/plain"]), store, FolderStore(Path(folder)))
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            await uploads.receive(line.strip(), content(mark.encode()))
            print("stored", flush=True)
        except RequestError as error:
            print(error.code, flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="no database"))]
)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a store that several servers share, and no other test: the collector deletes what it finds."""
    if request.param == "sqlite":
        yield f"sqlite:////{tmp_path}/shared.db"
        return
    name = f"uploads_{uuid4().hex}"
    connection = await asyncpg.connect(POSTGRES)
    await connection.execute(f"CREATE DATABASE {name}")
    yield f"{POSTGRES.rpartition('/')[0]}/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def two(chat: MakeChat, store: str, tmp_path: Path) -> tuple[Chat, Chat]:
    """Two servers on one store and one folder of files."""
    declared = {"accept": ["text/plain"], "store": str(tmp_path / "files"), "keep_unsent": "1h", "max_unsent": 1000}
    config = {"store": store, "chat": {"attachments": declared}}
    return await chat(config, "one"), await chat(config, "two")


def _uploads(client: Chat) -> Uploads:
    uploads = client.runtime.generation.uploads
    assert uploads is not None
    return uploads


async def _announce(client: Chat, size: int) -> tuple[str, str]:
    made = await client.call("attachments.create", name="a.txt", mime_type="text/plain", size=size)
    return str(made.json["id"]), str(made.json["upload_descriptor"]["url"]).removeprefix(ORIGIN)


def _put(client: Chat, url: str, content: bytes) -> Awaitable[Exchange]:
    return client.request("PUT", url, content).end()


async def _read(client: Chat, attachment_id: str) -> bytes:
    return await _uploads(client).read("local", attachment_id)


async def test_of_uploads_to_one_url_one_wins_and_the_others_get_409(two: tuple[Chat, Chat]) -> None:
    for _ in range(ROUNDS):
        attachment_id, url = await _announce(two[0], 300_000)
        contents = [bytes([65 + number]) * 300_000 for number in range(4)]
        answers = await asyncio.gather(*(_put(two[number % 2], url, text) for number, text in enumerate(contents)))
        assert sorted(answer.status for answer in answers) == [204, 409, 409, 409]
        winner = next(number for number, answer in enumerate(answers) if answer.status == 204)
        refused = next(answer for answer in answers if answer.status == 409)
        assert refused.error["code"] == "already_uploaded"
        assert await _read(two[1], attachment_id) == contents[winner]


async def test_a_message_that_is_sent_during_an_upload_has_the_whole_file_or_is_refused(two: tuple[Chat, Chat]) -> None:
    chances = random.Random(1)
    outcomes = set()
    for _ in range(ROUNDS):
        attachment_id, url = await _announce(two[0], 300_000)
        content = os.urandom(150_000).hex().encode()
        steps = chances.randrange(40)

        async def send(attachment_id: str = attachment_id, steps: int = steps) -> Exchange:
            for _ in range(steps):
                await asyncio.sleep(0)
            return await two[1].say("look", attachments=[attachment_id])

        uploaded, sent = await asyncio.gather(_put(two[0], url, content), send())
        outcomes.add(sent.status)
        assert uploaded.status == 204, uploaded.body
        if sent.status != 200:
            assert sent.error["code"] == "not_uploaded"
            sent = await two[1].say("look", attachments=[attachment_id])
        assert sent.said == ["Fine."]
        again = await _put(two[1], url, b"x" * 300_000)
        assert again.error["code"] == "already_uploaded"
        await _collect_all(two)
        assert await _read(two[0], attachment_id) == content
    assert 400 in outcomes


async def _collect_all(two: tuple[Chat, Chat]) -> None:
    """Collect as if the time of all unsent files were up."""
    for client in two:
        uploads = _uploads(client)
        uploads.clock = lambda: time.time() + 7200
        await uploads.collect()
        await uploads.sweep()
        uploads.clock = time.time


async def test_of_a_message_and_the_collector_one_gets_the_file(two: tuple[Chat, Chat]) -> None:
    chances = random.Random(2)
    statuses = set()
    for _ in range(ROUNDS):
        attachment_id, url = await _announce(two[0], 5)
        await _put(two[0], url, b"hello")

        async def late(work: Callable[[], Awaitable[Any]], steps: int) -> Any:
            for _ in range(steps):
                await asyncio.sleep(0)
            return await work()

        sent, _ = await asyncio.gather(
            late(lambda: two[0].say("look", attachments=[attachment_id]), chances.randrange(10)),  # noqa: B023
            late(lambda: _collect_all(two), chances.randrange(10)),
        )
        statuses.add(sent.status)
        if sent.status == 200:
            await _collect_all(two)
            assert await _read(two[1], attachment_id) == b"hello"
            [item] = [item for item in await two[1].items(sent.thread_id) if item["type"] == "user_message"]
            assert item["attachments"][0]["id"] == attachment_id
        else:
            assert sent.status in (400, 404), sent.body
    assert statuses <= {200, 400, 404}


async def test_of_two_messages_with_one_file_one_gets_it(two: tuple[Chat, Chat]) -> None:
    for _ in range(ROUNDS):
        attachment_id, url = await _announce(two[0], 5)
        await _put(two[0], url, b"hello")
        answers = await asyncio.gather(*(client.say("look", attachments=[attachment_id]) for client in two))
        assert sorted(answer.status for answer in answers) == [200, 409]
        [refused] = [answer for answer in answers if answer.status == 409]
        assert refused.error["code"] == "already_sent"
        [sent] = [answer for answer in answers if answer.status == 200]
        assert await _uploads(two[0]).backend.load_attachment("local", attachment_id)
        again = await two[1].say("again", sent.thread_id, attachments=[attachment_id])
        assert again.said == ["Fine."]


async def test_of_a_message_and_a_deletion_by_its_user_one_succeeds(two: tuple[Chat, Chat]) -> None:
    for _ in range(ROUNDS):
        attachment_id, url = await _announce(two[0], 5)
        await _put(two[0], url, b"hello")
        sent, deleted = await asyncio.gather(
            two[0].say("look", attachments=[attachment_id]),
            two[1].call("attachments.delete", attachment_id=attachment_id),
        )
        if sent.status == 200:
            assert (deleted.status, deleted.error["code"]) == (409, "already_sent")
            assert await _read(two[0], attachment_id) == b"hello"
        else:
            assert (sent.status, deleted.status) in ((404, 200), (400, 200))


async def test_an_upload_whose_attachment_is_deleted_leaves_no_file(two: tuple[Chat, Chat], tmp_path: Path) -> None:
    for _ in range(ROUNDS):
        attachment_id, url = await _announce(two[0], 300_000)
        uploaded, deleted = await asyncio.gather(
            _put(two[0], url, b"x" * 300_000), two[1].call("attachments.delete", attachment_id=attachment_id)
        )
        assert deleted.status == 200
        assert uploaded.status in (204, 404)
        if uploaded.status == 204:
            # It was complete first, and then deleted.
            assert (await _put(two[0], url, b"x")).status == 404
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file() and path.name != "signing-key"] == []


async def test_two_processes_that_receive_one_file_store_it_once(
    two: tuple[Chat, Chat], store: str, tmp_path: Path
) -> None:
    """Real processes, which start at the same moment."""
    processes = [_receiver(TWO_PROCESSES, store, str(tmp_path / "files"), mark) for mark in "ab"]
    try:
        for process in processes:
            assert _line(process) == "ready"
        for _ in range(ROUNDS):
            attachment_id, url = await _announce(two[0], 65_536)
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(url.rpartition("/")[2] + "\n")
            for process in processes:
                assert process.stdin is not None
                process.stdin.flush()
            said = [_line(process) for process in processes]
            assert sorted(said) == ["already_uploaded", "stored"]
            winner = "ab"[said.index("stored")].encode()
            assert await _read(two[0], attachment_id) == winner * 65_536
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _receiver(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def test_an_upload_that_is_killed_leaves_nothing_for_good(
    two: tuple[Chat, Chat], store: str, tmp_path: Path
) -> None:
    """SIGKILL in the middle of an upload: no half file, the URL works again, and the temporary file is deleted."""
    attachment_id, url = await _announce(two[0], 65_536)
    code = TWO_PROCESSES.replace("await asyncio.sleep(0)", "print('part', flush=True); await asyncio.Event().wait()")
    process = _receiver(code, store, str(tmp_path / "files"), "a")
    try:
        assert _line(process) == "ready"
        assert process.stdin is not None
        process.stdin.write(url.rpartition("/")[2] + "\n")
        process.stdin.flush()
        assert _line(process) == "part"
    finally:
        process.kill()
        process.communicate()
    incoming = tmp_path / "files" / "incoming"
    assert len(list(incoming.iterdir())) == 1
    refused = await two[1].say("look", attachments=[attachment_id])
    assert refused.error["code"] == "not_uploaded"
    assert (await _put(two[1], url, b"b" * 65_536)).status == 204
    assert (await two[1].say("look", attachments=[attachment_id])).said == ["Fine."]
    os.utime(next(incoming.iterdir()), (0, 0))
    await _uploads(two[0]).sweep()
    assert list(incoming.iterdir()) == []
    assert await _read(two[0], attachment_id) == b"b" * 65_536


async def test_metadata_of_files_that_never_arrived_is_deleted_too(two: tuple[Chat, Chat]) -> None:
    attachment_id, _ = await _announce(two[0], 5)
    backend = _uploads(two[0]).backend
    before = await backend.count_unsent_attachments("local")
    await _collect_all(two)
    assert before >= 1
    assert await backend.count_unsent_attachments("local") == 0
    assert (await two[1].say("look", attachments=[attachment_id])).status == 404
