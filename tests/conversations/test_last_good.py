"""The project that served last is saved, and the server can start from it when the files are broken."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.autoreload.autoreload import enable_autoreload
from runtime.cli.commands.serve import start_project
from runtime.errors import RuntimeFault
from runtime.server.app import build_app
from runtime.server.generations import last_good
from runtime.server.generations.last_good import FILE, LastGoodSaver, load_last_good, save_last_good
from runtime.server.generations.project_source import read_project
from runtime.server.generations.reloader import ReloadOutcome
from runtime.server.runtime import Runtime
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.editing import edit, reloaded, write
from tests.conversations.playing import Player, call

TOOLS = "def stamp() -> str:\n    'The stamp.'\n    return 'one'\n"
STAMPED = {"agents": {"helper": {"instructions": {"file": "prompt.md"}, "tools": ["app.tools:stamp"]}}}
HERE = {"host": "127.0.0.1"}


@asynccontextmanager
async def _keeping(client: Chat) -> AsyncIterator[None]:
    """Save the project that serves during the block; after it, every save is complete."""
    saver = LastGoodSaver(lambda: client.runtime.generation.source, client.runtime.reloader.listeners)
    saver.start()
    try:
        yield
    finally:
        await saver.stop()


async def _kept(client: Chat) -> str:
    """Save the project that serves now; return the text of the file."""
    async with _keeping(client):
        pass
    return (client.folder / FILE).read_text()


# Keeping it


async def test_what_serves_is_kept_at_the_start_and_after_each_reload(chat: MakeChat) -> None:
    client = await chat(STAMPED, prompt_md="Be kind.", app__tools_py=TOOLS)
    before = datetime.now(UTC)
    await _kept(client)
    kept = load_last_good(client.folder)
    assert kept.contents == {name: (client.folder / name).read_bytes() for name in ("agents.yaml", "prompt.md")}
    assert kept.code == {"app/tools.py": TOOLS.encode()}
    assert before <= kept.saved_at <= datetime.now(UTC)
    assert kept.file == "agents.yaml"
    async with _keeping(client):
        await reloaded(client, prompt_md="Be brief.", app__tools_py=TOOLS.replace("one", "two"))
        await edit(client, agents_yaml="version: 2")
    kept = load_last_good(client.folder)
    assert kept.contents["prompt.md"] == b"Be brief."
    assert b"'two'" in kept.code["app/tools.py"]
    assert b'"version": 1' in kept.contents["agents.yaml"]


async def test_after_the_end_nothing_is_kept_any_more(chat: MakeChat) -> None:
    client = await chat()
    before = list(client.runtime.reloader.listeners)
    text = await _kept(client)
    await reloaded(client, {"chat": {"greeting": "two"}})
    assert (client.folder / FILE).read_text() == text
    assert client.runtime.reloader.listeners == before


@pytest.mark.skipif(os.name == "nt", reason="the modes of files are of POSIX")
async def test_only_its_owner_can_read_it(chat: MakeChat) -> None:
    client = await chat()
    for _ in range(2):
        await _kept(client)
        path = client.folder / FILE
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)


async def test_what_stands_in_the_env_file_is_never_kept(chat: MakeChat) -> None:
    config = {"agents": {"helper": {"instructions": "Say ${WORD}."}}}
    client = await chat(config, **{".env": "WORD=sesame\n"})
    await client.say("hi")
    assert client.player.asked[-1].instructions == "Say sesame."
    text = await _kept(client)
    assert "sesame" not in text
    assert ".env" not in json.loads(text)["contents"]


async def test_bytes_that_are_no_text_are_kept_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_bytes("version: 1\r\nagents: {helper: {instructions: grüß}}\r\n".encode())
    (tmp_path / "odd.py").write_bytes(b"# -*- coding: latin-1 -*-\nWORD = 'gr\xfc\xdf'\n")
    save_last_good(read_project(tmp_path, {}))
    kept = load_last_good(tmp_path)
    assert kept.contents == {"agents.yaml": (tmp_path / "agents.yaml").read_bytes()}
    assert kept.code == {"odd.py": (tmp_path / "odd.py").read_bytes()}
    assert kept.read(tmp_path, {}).hashes == read_project(tmp_path, {}).hashes


@pytest.mark.parametrize("step", ["os.replace", "os.fsync"])
async def test_a_write_that_fails_leaves_the_old_one_and_is_logged_once(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    client = await chat()
    text = await _kept(client)

    def fail(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "runtime.reload"):
        patched.setattr(f"runtime.server.generations.last_good.{step}", fail)
        tried: asyncio.Queue[None] = asyncio.Queue()
        loop, save = asyncio.get_running_loop(), last_good.save_last_good

        def saving(source: Any) -> None:
            try:
                save(source)
            finally:
                loop.call_soon_threadsafe(tried.put_nowait, None)

        patched.setattr(last_good, "save_last_good", saving)
        async with _keeping(client):
            await asyncio.wait_for(tried.get(), 180)
            for greeting in ("two", "three"):
                await reloaded(client, {"chat": {"greeting": greeting}})
                await asyncio.wait_for(tried.get(), 180)
    warnings = [record.getMessage() for record in caplog.records if "can't be saved" in record.getMessage()]
    assert len(warnings) == 1
    assert "No space left on device" in warnings[0]
    assert (client.folder / FILE).read_text() == text
    assert [path.name for path in (client.folder / FILE).parent.iterdir()] == [FILE.name]
    await _kept(client)
    assert "three" in (client.folder / FILE).read_text()


async def test_a_folder_that_cannot_be_made_is_a_warning_and_the_server_goes_on(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat()
    (client.folder / FILE.parent).write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING, "runtime.reload"):
        async with _keeping(client):
            await reloaded(client, {"chat": {"greeting": "two"}})
    assert sum("can't be saved" in record.getMessage() for record in caplog.records) == 1
    assert (await client.say("hi")).said == ["Fine."]


# Reading it


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "has not served yet"),
        ("", "JSONDecodeError"),
        ('{"format": 1, "saved_at": "2026-', "JSONDecodeError"),
        ('{"format": 2}', "its format is 2, not 1"),
        ("[]", "can't be used"),
        ("{}", "can't be used"),
        ('{"format": 1, "saved_at": "soon", "file": "agents.yaml", "contents": {}, "code": {}}', "can't be used"),
        ('{"format": 1, "saved_at": "2026-01-01", "file": "agents.yaml", "contents": [], "code": {}}', "can't be used"),
        (
            '{"format": 1, "saved_at": "2026-01-01", "file": "a", "contents": {"a": {"base64": "%"}}, "code": {}}',
            "can't be used",
        ),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / FILE).parent.mkdir()
        (tmp_path / FILE).write_text(text)
    with pytest.raises(RuntimeFault) as raised:
        load_last_good(tmp_path)
    assert said in str(raised.value)
    assert str(FILE) in str(raised.value)


# Starting from it


BREAKS: dict[str, Callable[[Path], object]] = {
    "yaml": lambda root: (root / "agents.yaml").write_text("version: 1\nagents: {helper: {"),
    "no yaml": lambda root: (root / "agents.yaml").unlink(),
    "python": lambda root: (root / "app/tools.py").write_text("def stamp(:\n"),
    "no python": lambda root: (root / "app/tools.py").unlink(),
    "no prompt": lambda root: (root / "prompt.md").unlink(),
}


def _start(root: Path) -> Runtime | None:
    return start_project(root, lambda config: "", last_good=True)


@asynccontextmanager
async def _served(
    runtime: Runtime, root: Path, player: Player
) -> AsyncIterator[tuple[Chat, asyncio.Queue[ReloadOutcome]]]:
    """Serve as `serve` does; yields a client, and a queue of the outcomes of reloads."""
    outcomes: asyncio.Queue[ReloadOutcome] = asyncio.Queue()
    runtime.reloader.listeners.append(outcomes.put_nowait)
    app = build_app(runtime)
    enable_autoreload(app)
    async with app.router.lifespan_context(app):
        yield Chat(app=app, runtime=runtime, player=player, folder=root), outcomes


async def _from_last_good(client: Chat) -> tuple[bool, Any]:
    body = (await client.get("/-/config", HERE)).json
    return body["from_last_good"], body["last_error"]


@pytest.mark.parametrize("broken", BREAKS)
async def test_a_broken_project_starts_as_it_served_last_and_the_first_right_save_takes_over(
    chat: MakeChat, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    first = await chat(STAMPED, prompt_md="Be kind.", app__tools_py=TOOLS, **{"app/__init__.py": ""})
    good = {name: (first.folder / name).read_text() for name in ("agents.yaml", "prompt.md", "app/tools.py")}
    await _kept(first)
    saved_at = load_last_good(first.folder).saved_at
    BREAKS[broken](first.folder)
    capsys.readouterr()
    runtime = await asyncio.to_thread(_start, first.folder)
    assert runtime is not None
    told = capsys.readouterr().err
    assert "WARNING: the files have errors" in told
    assert f"{saved_at:%Y-%m-%d %H:%M:%S} UTC" in told
    assert "error A" in told
    text = (first.folder / FILE).read_text()
    async with _served(runtime, first.folder, first.player) as (client, outcomes):
        is_kept, error = await _from_last_good(client)
        assert is_kept
        assert error["status"] == "refused"
        assert error["diagnostics"]
        client.player.replies = [[call("stamp")], "Done."]
        await client.say("go")
        assert client.player.asked[-1].instructions == "Be kind."
        assert client.player.asked[-1].of("function_call_output")[0]["output"] == "one"
        assert (first.folder / FILE).read_text() == text
        (first.folder / "prompt.md").write_text("Be brief.")
        (first.folder / "agents.yaml").write_text(good["agents.yaml"])
        (first.folder / "app/tools.py").write_text(good["app/tools.py"].replace("one", "two"))
        async with asyncio.timeout(180):
            while (await outcomes.get()).status != "reloaded" or not _is_whole(client):
                continue
        assert await _from_last_good(client) == (False, None)
        client.player.replies = [[call("stamp")], "Done."]
        await client.say("go")
        assert client.player.asked[-1].instructions == "Be brief."
        assert client.player.asked[-1].of("function_call_output")[0]["output"] == "two"
    kept = load_last_good(first.folder)
    assert kept.contents["prompt.md"] == b"Be brief."


def _is_whole(client: Chat) -> bool:
    contents = client.runtime.generation.source.contents()
    return b"two" in contents["app/tools.py"] and contents["prompt.md"] == b"Be brief."


async def test_files_that_hold_again_what_was_kept_take_over_as_well(chat: MakeChat) -> None:
    first = await chat()
    good = (first.folder / "agents.yaml").read_text()
    await _kept(first)
    (first.folder / "agents.yaml").write_text("version: 2\n")
    runtime = await asyncio.to_thread(_start, first.folder)
    assert runtime is not None
    async with _served(runtime, first.folder, first.player) as (client, outcomes):
        assert (await _from_last_good(client))[0]
        (first.folder / "agents.yaml").write_text(good)
        outcome = await asyncio.wait_for(outcomes.get(), 180)
        while outcome.status == "refused":  # the moment in which the file was empty
            outcome = await asyncio.wait_for(outcomes.get(), 180)
        assert (outcome.status, outcome.number) == ("unchanged", 1)
        assert await _from_last_good(client) == (False, None)


async def test_the_env_file_is_the_one_that_lies_there_now(chat: MakeChat, tmp_path: Path) -> None:
    config = {"agents": {"helper": {"instructions": "Say ${WORD:-nothing}."}}}
    client = await chat(config, **{".env": "WORD=sesame\n"})
    await _kept(client)
    write(client, agents_yaml="version: 2\n")
    for text, word in (("WORD=open\n", "open"), (None, "nothing")):
        (client.folder / ".env").write_text(text or "")
        if text is None:
            (client.folder / ".env").unlink()
        runtime = await asyncio.to_thread(_start, client.folder)
        assert runtime is not None
        agent = runtime.generation.source.loaded.config
        assert agent is not None
        assert f"Say {word}." in str(agent.agents["helper"].instructions)
        await runtime.close()


async def test_a_project_without_mistakes_starts_from_its_files(
    chat: MakeChat, capsys: pytest.CaptureFixture[str]
) -> None:
    client = await chat()
    await _kept(client)
    write(client, {"chat": {"greeting": "two"}})
    runtime = await asyncio.to_thread(_start, client.folder)
    assert runtime is not None
    assert (runtime.config.chat.greeting, runtime.generation.source.is_last_good) == ("two", False)
    assert "WARNING" not in capsys.readouterr().err
    await runtime.close()


@pytest.mark.parametrize(("kept", "said"), [(None, "has not served yet"), ('{"format": 9}', "its format is 9")])
async def test_where_nothing_usable_is_kept_the_server_does_not_start(
    chat: MakeChat, capsys: pytest.CaptureFixture[str], kept: str | None, said: str
) -> None:
    client = await chat()
    write(client, agents_yaml="version: 2\n")
    if kept is not None:
        write(client, **{str(FILE): kept})
    capsys.readouterr()
    assert await asyncio.to_thread(_start, client.folder) is None
    told = capsys.readouterr().err
    assert "agents.yaml:1:10: error A" in told
    assert f"error: {str(FILE)!r} " in told
    assert said in told


async def test_another_file_of_the_folder_is_not_what_it_starts_from(
    chat: MakeChat, capsys: pytest.CaptureFixture[str]
) -> None:
    client = await chat()
    await _kept(client)
    other = client.folder / "other.yaml"
    other.write_text("version: 2\n")
    assert await asyncio.to_thread(_start, other) is None
    assert "is a version of 'agents.yaml', not of 'other.yaml'" in capsys.readouterr().err
