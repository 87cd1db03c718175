"""What happens in a project's folder and is no change of the project calls nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from runtime.autoreload.watch_set import ProjectPaths, WatchSet, find_watch_set
from tests.autoreload.conftest import FILES
from tests.autoreload.watching import PATIENCE_S, Detection, Listener, refuse_to_watch, watching


async def test_what_is_no_change_of_the_project_calls_nothing(project: Path) -> None:
    listener = Listener()
    (project / "tools" / "__pycache__").mkdir()
    async with watching(project, FILES, Detection(open_watch=listener)) as at:
        for noise in _noises(project):
            noise()
            (project / "done.txt").write_text("noise")
            await listener.dealt_with("done.txt")
            (project / "done.txt").unlink()
            assert at.calls.found == []
        (project / "agents.yaml").write_text("# real\n")
        await at.calls.until(lambda contents: True)
        assert at.calls.found[0]["agents.yaml"] == "# real\n"


async def test_scans_call_nothing_where_nothing_is_changed(project: Path) -> None:
    scans = threading.Semaphore(0)

    def counted(paths: ProjectPaths) -> WatchSet:
        scans.release()
        return find_watch_set(paths)

    detection = Detection(0.001, refuse_to_watch, counted)
    (project / "tools" / "__pycache__").mkdir()
    async with watching(project, [*FILES, "prompts"], detection) as at:
        for noise in _noises(project):
            noise()
            # The running scan, and one that started after it, each of which may repeat.
            for _ in range(6):
                assert await asyncio.to_thread(scans.acquire, timeout=PATIENCE_S)
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
