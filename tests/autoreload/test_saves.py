"""Every way to save a file is detected every time, by events and by scans."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.autoreload.conftest import FILES
from tests.autoreload.saves import SAVES, mount_as_kubernetes
from tests.autoreload.watching import Detection, watching


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.parametrize("name", ["agents.yaml", "prompts/helper.md", "tools/weather.py"])
async def test_every_way_to_save_is_seen_three_times_in_a_row(
    how: str, name: str, project: Path, detection: Detection
) -> None:
    if how == "kubernetes":
        mount_as_kubernetes(project / name)
    async with watching(project, FILES, detection) as at:
        for number in range(1, 4):
            text = f"# edit {number}{'.' * number}\n"
            SAVES[how](project / name, text)
            await at.calls.saw(name, text)


async def test_an_edit_of_the_same_size_within_the_same_second_is_seen(project: Path, detection: Detection) -> None:
    file = project / "agents.yaml"
    async with watching(project, FILES, detection) as at:
        for number in range(3):
            _wait_for_tick(file)
            file.write_text(f"# same size {number}\n")
            await at.calls.saw("agents.yaml", f"# same size {number}\n")


async def test_an_edit_that_leaves_the_times_as_they_were_is_seen(project: Path, detection: Detection) -> None:
    file = project / "agents.yaml"
    before = file.stat()
    async with watching(project, FILES, detection) as at:
        _wait_for_tick(file)
        file.write_text("# AGENTS.YAML\n")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        await at.calls.saw("agents.yaml", "# AGENTS.YAML\n")
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_size == before.st_size


async def test_saves_that_follow_each_other_at_once_end_in_a_call_that_finds_the_last(
    project: Path, detection: Detection
) -> None:
    async with watching(project, FILES, detection) as at:
        for how, save in SAVES.items():
            if how != "kubernetes":
                save(project / "agents.yaml", f"# {how}\n")
        (project / "agents.yaml").write_text("# the last\n")
        await at.calls.saw("agents.yaml", "# the last\n")


def _wait_for_tick(file: Path) -> None:
    """Wait until the file system's clock, which stands still for some milliseconds, is past the file's last edit."""
    probe = file.with_name("probe.tmp")
    for _ in range(1_000_000):
        probe.write_text("")
        if probe.stat().st_ctime_ns > file.stat().st_ctime_ns:
            break
    probe.unlink()
