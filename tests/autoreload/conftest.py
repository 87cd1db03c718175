"""A small project to edit, and the two ways to detect an edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.autoreload.watching import BY_EVENTS, BY_SCANS, Detection

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


@pytest.fixture(params=[BY_EVENTS, BY_SCANS], ids=["events", "scans"])
def detection(request: pytest.FixtureRequest) -> Detection:
    """How changes are detected: by events only, or by continuous scans without events."""
    way: Detection = request.param
    return way
