"""What happens in a project's folder and is no change of the project calls nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.autoreload import Watched
from runtime.autoreload.watch_set import Footprint, survey
from tests.autoreload.conftest import FILES, turn_events_off
from tests.autoreload.watching import PATIENCE_S, Listener, watching


async def test_what_is_no_change_of_the_project_calls_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener()
    monkeypatch.setattr("runtime.autoreload.file_events.open_watch", listener)
    (project / "tools" / "__pycache__").mkdir()
    async with watching(project, FILES) as at:
        for noise in _noises(project):
            noise()
            (project / "done.txt").write_text("noise")
            await listener.dealt_with("done.txt")
            (project / "done.txt").unlink()
            assert at.calls.found == []
        (project / "agents.yaml").write_text("# real\n")
        await at.calls.until(lambda contents: True)
        assert at.calls.found[0]["agents.yaml"] == "# real\n"


async def test_looks_call_nothing_where_nothing_is_changed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turn_events_off(monkeypatch)
    looks = threading.Semaphore(0)

    def counted(watched: Watched) -> Footprint:
        looks.release()
        return survey(watched)

    monkeypatch.setattr("runtime.autoreload.file_events.survey", counted)
    (project / "tools" / "__pycache__").mkdir()
    async with watching(project, [*FILES, "prompts"], 0.001) as at:
        for noise in _noises(project):
            noise()
            # The look under way, and one that began after it with all that belongs to it.
            for _ in range(6):
                assert await asyncio.to_thread(looks.acquire, timeout=PATIENCE_S)
            assert at.calls.found == []
        (project / "agents.yaml").write_text("# real\n")
        await at.calls.until(lambda contents: True)
        assert at.calls.found[0]["agents.yaml"] == "# real\n"


def _noises(project: Path) -> list[Callable[[], object]]:
    def database() -> None:
        connection = sqlite3.connect(project / "chats")
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table turns (text)")
        connection.commit()
        connection.close()

    def hidden_database() -> None:
        (project / ".chatkit").mkdir()
        (project / ".chatkit" / "chat.db").write_bytes(b"rows")

    def environment() -> None:
        (project / "venv" / "lib").mkdir(parents=True)
        (project / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
        (project / "venv" / "lib" / "installed.py").write_text("1")

    def installed() -> None:
        for folder in ("node_modules", ".git", "__pycache__"):
            (project / folder).mkdir()
            (project / folder / "gyp.py").write_text("1")

    names = ["4913", ".agents.yaml.swp", "agents.yaml~", "#agents.yaml#", "notes.txt", "tools/.weather.py.swp"]
    names += ["tools/weather.py~", "tools/__pycache__/weather.cpython-311.pyc", "prompts/unnamed.md", "LOCK"]
    files = [project / name for name in names]
    return [
        database,
        hidden_database,
        environment,
        installed,
        lambda: (project / "tools" / ".#weather.py").symlink_to("someone@somewhere.1"),
        lambda: (project / "uploads").mkdir(),
        *(lambda file=file: file.write_text("noise") for file in files),  # type: ignore[misc]
        *(lambda file=file: file.unlink() for file in files),  # type: ignore[misc]
        lambda: (project / "agents.yaml").read_text(),
    ]
