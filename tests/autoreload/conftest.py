"""A small project to be edited, and the two ways of noticing an edit."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.autoreload.watching import NEVER_S

FILES = ("agents.yaml", "prompts/helper.md", "tools/__init__.py", "tools/weather.py", ".env")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    (root / ".env").unlink()
    return root


@pytest.fixture(params=["events", "looks"])
def poll_s(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """How often the disk is looked at: never, so that events must tell; or all the time, and there are no events."""
    if request.param == "events":
        return NEVER_S
    turn_events_off(monkeypatch)
    return 0.01


def turn_events_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "OS file watch limit reached")

    monkeypatch.setattr("runtime.autoreload.file_events.open_watch", refuse)
