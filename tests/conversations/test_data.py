"""What is stored of users: encrypted in every file, deleted when it is old, exported and erased by the command line."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.app import run
from runtime.server.retention import Retention, utc_now
from runtime.stores import open_store
from runtime.stores.cipher import new_key
from runtime.testing.store_samples import new_metadata
from tests.conversations.conftest import Chat, MakeChat

KEY = new_key()
NOTE = b"a zebra in a note"
OFFER = {"chat": {"attachments": {"accept": ["text/plain"]}}}


def _config(**store: Any) -> dict[str, Any]:
    return {**OFFER, "store": {"url": "sqlite:///.chatkit/threads.db", **store}}


async def _send_note(client: Chat, name: str = "zebra.txt") -> str:
    """Send a message with a file; return the thread's id."""
    made = await client.call("attachments.create", name=name, mime_type="text/plain", size=len(NOTE))
    url = made.json["upload_descriptor"]["url"].removeprefix("http://localhost")
    assert (await client.request("PUT", url, NOTE).end()).status == 204
    answer = await client.say("tell me of a zebra", attachments=[made.json["id"]])
    assert answer.said == ["Zebra, fine."]
    return answer.thread_id


def _bytes_below(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_no_file_of_an_encrypted_project_holds_a_word(chat: MakeChat) -> None:
    client = await chat(_config(encrypt=[KEY]))
    client.player.replies = ["Zebra, fine.", "Zebra, fine."]
    thread_id = await _send_note(client)
    # The model reads the file, and the user the thread.
    assert NOTE.decode() in str(client.player.asked[-1].input)
    shown = (await client.call("threads.get_by_id", thread_id=thread_id)).json
    assert "tell me of a zebra" in json.dumps(shown)
    stored = client.runtime.root / ".chatkit"
    assert (stored / "files").is_dir()
    assert b"zebra" not in _bytes_below(stored).lower()


async def test_a_thread_is_deleted_when_it_is_older_than_keep(chat: MakeChat) -> None:
    client = await chat(_config(keep="90d"))
    client.player.replies = ["Zebra, fine."]
    thread_id = await _send_note(client)
    generation = client.runtime.generation
    store: Any = generation.store
    for days, deleted in ((89, 0), (91, 1), (91, 0)):
        later = Retention(store, 90 * 86400, generation.uploads, lambda days=days: utc_now() + timedelta(days=days))
        assert await later.sweep() == deleted
    assert (await client.call("threads.get_by_id", thread_id=thread_id)).status == 404
    assert [file for file in (client.runtime.root / ".chatkit" / "files").rglob("att_*") if file.is_file()] == []


async def test_the_server_deletes_old_threads_when_it_starts(chat: MakeChat) -> None:
    client = await chat(_config(keep="90d"))
    old = new_metadata(created_at=utc_now() - timedelta(days=91))
    await client.runtime.store.create_thread("local", old)
    await client.runtime.close()
    await client.runtime.open()
    while [thread async for thread in client.runtime.store.iterate_threads("local")]:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_a_store_in_memory_forgets_old_threads_as_well(chat: MakeChat) -> None:
    client = await chat({"store": {"url": "memory", "keep": "1h"}})
    thread_id = (await client.say("hello")).thread_id
    store: Any = client.runtime.store
    assert await Retention(store, 3600, None).sweep() == 0
    assert await Retention(store, 3600, None, lambda: utc_now() + timedelta(hours=2)).sweep() == 1
    assert (await client.call("threads.get_by_id", thread_id=thread_id)).status == 404


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command; return its exit code and what it printed to standard output."""

    def call(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = run(arguments)
        return code, capsys.readouterr().out.strip()

    return call


@pytest.mark.parametrize("store", [{}, {"encrypt": [KEY]}])
async def test_everything_of_a_user_is_exported_and_erased(
    chat: MakeChat, command: Callable[..., tuple[int, str]], tmp_path: Path, store: dict[str, Any]
) -> None:
    client = await chat(_config(**store))
    client.player.replies = ["Zebra, fine."]
    await _send_note(client)
    await client.runtime.close()
    root, output = str(client.runtime.root), tmp_path / "export"
    # An upload whose process was killed.
    incoming = client.runtime.root / ".chatkit" / "files" / "incoming"
    (incoming / "tmp1").write_bytes(b"half a zebra")
    code, text = await asyncio.to_thread(command, "data", "export", root, "--user", "local", "-o", str(output))
    assert code == 0
    assert text.startswith("1 thread, 2 items, 1 attachment")
    lines = [json.loads(line) for line in (output / "data.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines][:4] == ["thread", "item", "item", "attachment"]
    assert (output / lines[3]["file"]).read_bytes() == NOTE
    assert (await asyncio.to_thread(command, "data", "erase", root, "--user", "local", "--yes"))[0] == 0
    assert b"zebra" not in _bytes_below(client.runtime.root / ".chatkit").lower()
    assert list(incoming.iterdir()) == []
    code, text = await asyncio.to_thread(command, "data", "export", root, "--user", "local", "-o", str(tmp_path / "2"))
    assert (code, text.startswith("nothing")) == (1, True)
    code, text = await asyncio.to_thread(command, "data", "audit", root)
    assert [json.loads(line)["action"] for line in text.splitlines()] == ["export", "erase", "export"]


@pytest.mark.parametrize(
    ("name", "suffix"), [("\u6587" * 200 + ".txt", ".txt"), ("a" * 150 + ".txt", ".txt"), ("a." + "\u6587" * 150, "")]
)
async def test_a_file_with_a_long_name_is_exported(
    chat: MakeChat, command: Callable[..., tuple[int, str]], tmp_path: Path, name: str, suffix: str
) -> None:
    client = await chat(_config())
    client.player.replies = ["Zebra, fine."]
    await _send_note(client, name)
    await client.runtime.close()
    root, output = str(client.runtime.root), tmp_path / "export"
    assert (await asyncio.to_thread(command, "data", "export", root, "--user", "local", "-o", str(output)))[0] == 0
    [file] = (output / "files").iterdir()
    assert (file.read_bytes(), len(file.name.encode()) <= 140) == (NOTE, True)
    assert file.name.endswith(suffix)


async def test_a_project_that_is_encrypted_later_holds_no_word_any_more(
    chat: MakeChat, command: Callable[..., tuple[int, str]]
) -> None:
    client = await chat(_config())
    client.player.replies = ["Zebra, fine."]
    await _send_note(client)
    await client.runtime.close()
    stored = client.runtime.root / ".chatkit"
    assert b"zebra" in _bytes_below(stored).lower()
    file = client.runtime.root / "agents.yaml"
    declared = json.loads(file.read_text())
    declared["store"]["encrypt"] = [KEY]
    file.write_text(json.dumps(declared))
    code, text = await asyncio.to_thread(command, "data", "encrypt", str(client.runtime.root))
    assert (code, text) == (0, "encrypted 4 rows and 1 files with the first key")
    assert b"zebra" not in _bytes_below(stored).lower()


async def test_a_file_that_looks_encrypted_keeps_no_other_file_plain(
    chat: MakeChat, command: Callable[..., tuple[int, str]]
) -> None:
    client = await chat(_config())
    forged = b"fernet:gAAAA of mallory"
    made = await client.call("attachments.create", name="forged.txt", mime_type="text/plain", size=len(forged))
    url = made.json["upload_descriptor"]["url"].removeprefix("http://localhost")
    assert (await client.request("PUT", url, forged).end()).status == 204
    client.player.replies = ["Zebra, fine."]
    await _send_note(client)
    await client.runtime.close()
    file = client.runtime.root / "agents.yaml"
    declared = json.loads(file.read_text())
    declared["store"]["encrypt"] = [KEY]
    file.write_text(json.dumps(declared))
    code, text = await asyncio.to_thread(command, "data", "encrypt", str(client.runtime.root))
    assert (code, text.endswith(" and 1 files with the first key")) == (1, True)
    assert b"zebra" not in _bytes_below(client.runtime.root / ".chatkit").lower()


async def test_a_user_whose_key_was_dropped_too_early_is_erased(
    chat: MakeChat, command: Callable[..., tuple[int, str]]
) -> None:
    client = await chat(_config(encrypt=[KEY]))
    client.player.replies = ["Zebra, fine."]
    await _send_note(client)
    await client.runtime.close()
    file = client.runtime.root / "agents.yaml"
    declared = json.loads(file.read_text())
    newer = new_key()
    store = open_store(f"sqlite:///{client.runtime.root}/.chatkit/threads.db", (newer, KEY))
    await store.open()
    await store.create_thread("bob", new_metadata(), [])
    await store.close()
    declared["store"]["encrypt"] = [newer]
    file.write_text(json.dumps(declared))
    root = str(client.runtime.root)
    code, text = await asyncio.to_thread(command, "data", "erase", root, "--user", "local", "--yes")
    assert (code, text) == (0, "deleted what can't be decrypted")
    with sqlite3.connect(client.runtime.root / ".chatkit" / "threads.db") as database:
        assert database.execute("SELECT owner FROM chatkit_threads").fetchall() == [("bob",)]
    database.close()
