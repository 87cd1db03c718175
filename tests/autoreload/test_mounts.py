"""Which files are mounted one by one, so that an edit by rename never reaches them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.autoreload.watch_set import find_mounted_files

_LINE = "{number} 27 254:1 /kubelet/volume-subpaths/config/0 {point} ro,relatime master:1 - ext4 /dev/vda1 rw\n"


def _mountinfo(*points: Path | str) -> str:
    """Write the mount points as Linux does, see proc_pid_mountinfo(5)."""
    escaped = [str(p).replace("\\", r"\134").replace(" ", r"\040").replace("\n", r"\012") for p in points]
    return "".join(_LINE.format(number=number, point=point) for number, point in enumerate(escaped, 28))


@pytest.mark.parametrize(
    "name", ["agents.yaml", "two words.yaml", "a\\b.yaml", "two\nlines.yaml", "caf\u00e9\u00a0\u2028.yaml"]
)
def test_a_file_that_is_a_mount_point_is_found(name: str, tmp_path: Path) -> None:
    mounted, plain = tmp_path / name, tmp_path / "plain.md"
    for file in (mounted, plain):
        file.touch()
    assert find_mounted_files([plain, mounted], _mountinfo("/", "/proc", mounted)) == [mounted]


def test_a_link_to_a_file_that_is_a_mount_point_is_found(tmp_path: Path) -> None:
    (tmp_path / "mounted.yaml").touch()
    (tmp_path / "agents.yaml").symlink_to("mounted.yaml")
    found = find_mounted_files([tmp_path / "agents.yaml"], _mountinfo((tmp_path / "mounted.yaml").resolve()))
    assert found == [tmp_path / "agents.yaml"]


def test_a_mounted_folder_and_a_missing_file_are_none(tmp_path: Path) -> None:
    folder, missing = tmp_path / "prompts", tmp_path / "agents.yaml"
    folder.mkdir()
    (folder / "helper.md").touch()
    files = [folder, folder / "helper.md", missing]
    assert find_mounted_files(files, _mountinfo(folder, missing)) == []


def test_lines_that_are_no_mounts_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").touch()
    assert find_mounted_files([tmp_path / "agents.yaml"], "\nnot a mount\n") == []


def test_an_ordinary_file_of_this_system_is_none(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").touch()
    assert find_mounted_files([tmp_path / "agents.yaml"]) == []
