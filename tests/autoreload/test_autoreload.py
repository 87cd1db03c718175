"""An app of one's own keeps itself current while its lifespan runs, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from runtime.autoreload.autoreload import autoreloading, enable_autoreload
from runtime.server.app import create_app
from runtime.server.generations.last_good import FILE
from runtime.server.generations.reloader import ReloadOutcome
from runtime.server.runtime import Runtime

PATIENCE_S = 180.0
CONFIG = "version: 1\nmodels: {default: {scripted: script.yaml}}\nagents: {helper: {}}\nstore: memory\nauth: none\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "agents.yaml").write_text(CONFIG)
    (folder / "script.yaml").write_text("otherwise: I am here.\n")
    return folder


def _outcomes(runtime: Runtime) -> asyncio.Queue[ReloadOutcome]:
    told: asyncio.Queue[ReloadOutcome] = asyncio.Queue()
    runtime.reloader.listeners.append(told.put_nowait)
    return told


async def _until(told: asyncio.Queue[ReloadOutcome], status: str) -> ReloadOutcome:
    async with asyncio.timeout(PATIENCE_S):
        while (outcome := await told.get()).status != status:
            continue
    return outcome


def _greet(folder: Path, word: str) -> None:
    new = folder / "agents.yaml.new"
    new.write_text(f"{CONFIG}chat: {{greeting: {word}}}\n")
    new.replace(folder / "agents.yaml")


def _watching_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("watch-files")]


async def _ended(thread_names: list[str]) -> None:
    """Wait for the threads of the watcher to end."""
    for thread in threading.enumerate():
        if thread.name in thread_names:
            await asyncio.to_thread(thread.join, PATIENCE_S)


async def test_an_app_of_ones_own_serves_an_edit_and_leaves_nothing_running(folder: Path) -> None:
    app = create_app(folder, environ={})
    enable_autoreload(app)
    runtime: Runtime = app.state.runtime
    listeners, tasks, handler = list(runtime.reloader.listeners), asyncio.all_tasks(), signal.getsignal(signal.SIGHUP)
    async with app.router.lifespan_context(app):
        told = _outcomes(runtime)
        threads = _watching_threads()
        assert threads
        for word in ("two", "three"):
            _greet(folder, word)
            outcome = await _until(told, "reloaded")
            assert runtime.config.chat.greeting == word
        assert outcome.number == 3
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
            assert (await client.get("/-/config")).json()["generation"] == 3
        runtime.reloader.listeners.remove(told.put_nowait)
    assert "three" in (folder / FILE).read_text()
    await _ended(threads)
    assert _watching_threads() == []
    assert asyncio.all_tasks() == tasks
    assert (runtime.reloader.listeners, signal.getsignal(signal.SIGHUP)) == (listeners, handler)


async def test_an_edit_before_the_app_was_open_is_served(folder: Path) -> None:
    app = create_app(folder, environ={})
    enable_autoreload(app)
    _greet(folder, "two")
    async with app.router.lifespan_context(app):
        runtime: Runtime = app.state.runtime
        assert (runtime.generation.number, runtime.config.chat.greeting) == (2, "two")


async def test_a_broken_file_before_the_app_was_open_does_not_stop_it(folder: Path) -> None:
    app = create_app(folder, environ={})
    enable_autoreload(app)
    (folder / "agents.yaml").write_text("version: 2\n")
    async with app.router.lifespan_context(app):
        told = _outcomes(app.state.runtime)
        assert app.state.runtime.reloader.last_error.status == "refused"
        _greet(folder, "two")
        await _until(told, "reloaded")


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGHUP")
async def test_the_end_of_autoreload_restores_the_handler_of_sighup(folder: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        app = create_app(folder, environ={})
        async with app.router.lifespan_context(app), autoreloading(app.state.runtime, watch=False):
            assert signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGHUP")
async def test_sighup_reloads_where_nothing_is_watched(folder: Path) -> None:
    app = create_app(folder, environ={})
    enable_autoreload(app, watch=False)
    async with app.router.lifespan_context(app):
        assert _watching_threads() == []
        told = _outcomes(app.state.runtime)
        _greet(folder, "two")
        os.kill(os.getpid(), signal.SIGHUP)
        await _until(told, "reloaded")
        assert app.state.runtime.config.chat.greeting == "two"


async def test_the_same_app_can_be_opened_again(folder: Path) -> None:
    app = create_app(folder, environ={})
    enable_autoreload(app)
    for word in ("two", "three"):
        async with app.router.lifespan_context(app):
            told = _outcomes(app.state.runtime)
            _greet(folder, word)
            await _until(told, "reloaded")
            assert app.state.runtime.config.chat.greeting == word


async def test_a_lifespan_of_ones_own_runs_around_it(folder: Path) -> None:
    seen: list[str] = []
    inner = create_app(folder, environ={})
    enable_autoreload(inner)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        async with inner.router.lifespan_context(inner):
            seen.append("open")
            yield
        seen.append("closed")

    outer = FastAPI(lifespan=lifespan)
    outer.mount("/assistant", inner)
    async with outer.router.lifespan_context(outer):
        told = _outcomes(inner.state.runtime)
        _greet(folder, "two")
        await _until(told, "reloaded")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=outer), base_url="http://127.0.0.1") as client:
            options = (await client.get("/assistant/chatkit/options.json")).json()
        assert options["startScreen"]["greeting"] == "two"
    assert seen == ["open", "closed"]
    await _ended(_watching_threads())


async def test_a_body_that_raises_ends_the_watching_all_the_same(folder: Path) -> None:
    app = create_app(folder, environ={})
    enable_autoreload(app)
    tasks = asyncio.all_tasks()

    async def fail() -> None:
        async with app.router.lifespan_context(app):
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await fail()
    await _ended(_watching_threads())
    assert asyncio.all_tasks() == tasks


async def test_a_start_that_is_cancelled_leaves_nothing_running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(folder, environ={})
    enable_autoreload(app)
    runtime: Runtime = app.state.runtime
    listeners, tasks, is_at_it = list(runtime.reloader.listeners), asyncio.all_tasks(), asyncio.Event()

    async def reload(*, explicit: bool = True) -> None:
        is_at_it.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(runtime, "reload", reload)
    starting = asyncio.create_task(app.router.lifespan_context(app).__aenter__())
    await asyncio.wait_for(is_at_it.wait(), PATIENCE_S)
    threads = _watching_threads()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await _ended(threads)
    assert (asyncio.all_tasks(), runtime.reloader.listeners) == (tasks, listeners)
    await runtime.close()


async def test_a_file_mounted_by_itself_is_warned_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mounted(files: frozenset[Path]) -> list[Path]:
        return [file for file in files if file.name == "agents.yaml"]

    monkeypatch.setattr("runtime.autoreload.autoreload.find_mounted_files", mounted)
    app = create_app(folder, environ={})
    enable_autoreload(app)
    with caplog.at_level(logging.WARNING, "runtime.reload"):
        async with app.router.lifespan_context(app):
            assert "agents.yaml is mounted as a single file" in caplog.text
