"""`data` and `migrate`: what operators do to stored data, and the questions and messages that they get."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.stores import open_store
from runtime.stores.cipher import new_key
from runtime.testing.store_samples import new_thread

PROJECT = """\
version: 1
models: {default: {scripted: script.yaml}}
agents: {helper: {instructions: Help.}}
"""

Command = Callable[..., Any]


def fill(url: str, *owners: str, keys: tuple[str, ...] = ()) -> None:
    """Store a thread with two messages for each owner."""

    async def write() -> None:
        store = open_store(url, keys)
        await store.open()
        for owner in owners:
            await new_thread(store, owner, count=2, title="Trip")
        await store.close()

    asyncio.run(write())


def titles(url: str, owner: str, keys: tuple[str, ...] = ()) -> list[str | None]:
    """Return the titles of an owner's threads."""

    async def read() -> list[str | None]:
        store = open_store(url, keys)
        await store.open()
        found = [thread.title async for thread in store.iterate_threads(owner)]
        await store.close()
        return found

    return asyncio.run(read())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "agents.yaml").write_text(PROJECT)
    (folder / "script.yaml").write_text("otherwise: Fine.\n")
    monkeypatch.chdir(tmp_path)
    return folder


def url_of(project: Path) -> str:
    return f"sqlite:///{project}/.chatkit/threads.db"


def test_erasure_asks_and_deletes_nothing_without_a_yes(cli: Command, project: Path) -> None:
    fill(url_of(project), "ann", "bob")
    ran = cli("data", "erase", "desk", "--user", "ann", typed=["n"])
    assert ran.code == 1
    assert "Delete 1 thread and the token usage of 'ann' for ever? [y/N]" in ran.out
    assert "nothing was deleted" in ran.err
    ran = cli("data", "erase", "desk", "--user", "ann")
    assert ran.code == 2
    assert "deletion needs a confirmation (pass --yes to skip the question)" in ran.err
    assert titles(url_of(project), "ann") == ["Trip"]
    ran = cli("data", "erase", "desk", "--user", "ann", typed=["y"])
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "deleted 1 thread")
    assert (titles(url_of(project), "ann"), titles(url_of(project), "bob")) == ([], ["Trip"])


def test_an_export_overwrites_nothing(cli: Command, project: Path) -> None:
    fill(url_of(project), "ann")
    assert cli("data", "export", "desk", "--user", "ann", "--output", "out").code == 0
    ran = cli("data", "export", "desk", "--user", "ann", "--output", "out")
    assert ran.code == 2
    assert "out is not empty (choose another folder with --output)" in ran.err


def test_a_store_is_moved_to_another_database(
    cli: Command, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(url_of(project), "ann", "bob")
    monkeypatch.setenv("TARGET", str(tmp_path / "new.db"))
    ran = cli("data", "move", "desk", "sqlite:///${TARGET}")
    assert ran.code == 0
    assert ran.out.startswith("copied 6 rows; change `store:` of the project to the new address")
    assert "chatkit_items: 4 rows" in ran.err
    assert titles(f"sqlite:///{tmp_path}/new.db", "bob") == ["Trip"]
    ran = cli("data", "move", "desk", "sqlite:///${TARGET}")
    assert ran.code == 1
    assert "the target is not empty" in ran.err


def test_a_variable_that_is_not_set_and_a_store_without_a_database_are_named(cli: Command, project: Path) -> None:
    ran = cli("data", "move", "desk", "postgresql://u:${NOT_SET}@db/chat")
    assert (ran.code, "the environment variable 'NOT_SET' is not set" in ran.err) == (2, True)
    ran = cli("data", "move", "desk", "memory://")
    assert (ran.code, "unknown store 'memory'" in ran.err) == (1, True)


def test_a_check_of_the_schema_changes_nothing(cli: Command, project: Path) -> None:
    ran = cli("migrate", "desk", "--check")
    assert ran.code == 1
    assert ran.out.startswith("the schema has version none; pending: 0001")
    assert not (project / ".chatkit").exists()
    assert cli("migrate", "desk").out.startswith("migrated the schema from version none to ")
    assert cli("migrate", "desk", "--check").code == 0
    assert cli("migrate", "desk").out.startswith("the schema is current")
    log = cli("data", "audit", "desk").out.splitlines()
    assert [json.loads(line)["action"] for line in log] == ["migrate"]


def test_keys_encrypt_what_was_stored_before_and_are_rotated(cli: Command, project: Path) -> None:
    fill(url_of(project), "ann")
    first, second = (cli("data", "key").out.strip() for _ in range(2))
    ran = cli("data", "encrypt", "desk")
    assert (ran.code, "declare `store.encrypt`" in ran.err) == (1, True)
    for keys, encrypted in (([first], 3), ([first], 0), ([second, first], 3), ([second], 0)):
        store = json.dumps({"url": "sqlite:///.chatkit/threads.db", "encrypt": keys})
        (project / "agents.yaml").write_text(f"{PROJECT}store: {store}\n")
        ran = cli("data", "encrypt", "desk")
        assert (ran.code, ran.out.strip()) == (0, f"encrypted {encrypted} rows and 0 files with the first key")
    assert titles(url_of(project), "ann", (second,)) == ["Trip"]
    with sqlite3.connect(project / ".chatkit" / "threads.db") as database:
        assert all(title.startswith("fernet:") for (title,) in database.execute("SELECT title FROM chatkit_threads"))
    database.close()


def test_a_key_that_is_none_is_found_by_validate(cli: Command, project: Path) -> None:
    store = json.dumps({"url": "memory", "encrypt": ["too short"]})
    (project / "agents.yaml").write_text(f"{PROJECT}store: {store}\n")
    ran = cli("validate", "desk")
    assert ran.code == 1
    assert "32 bytes in URL-safe base64" in ran.out + ran.err
    assert "too short" not in ran.out + ran.err
    assert new_key() != new_key()
