"""What is read of a project's Python: all of it at one moment, and never an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.project_code.loader import ProjectCode, ResolveError
from runtime.project_code.sources import read_sources, sources_from
from tests.project_code.writing import write_modules

pytestmark = pytest.mark.usefixtures("modules_as_before")


def _contents(root: Path) -> dict[str, bytes]:
    sources = read_sources(root)
    return {path.relative_to(sources.root).as_posix(): text for path, text in sources.files.items()}


def test_files_are_the_bytes_of_real_files_only(tmp_path: Path) -> None:
    write_modules(tmp_path, app__init="", space__leaf="X = 1", top="Y = 2")
    (tmp_path / "notes.txt").write_text("no module")
    (tmp_path / "not-a-module.py").write_text("no module either")
    sources = read_sources(tmp_path)
    assert _contents(tmp_path) == {"app/__init__.py": b"", "space/leaf.py": b"X = 1", "top.py": b"Y = 2"}
    assert set(sources.modules) == {"app", "space", "space.leaf", "top"}
    assert sources.folders == {sources.root, sources.root / "app", sources.root / "space"}


def test_what_is_kept_elsewhere_makes_the_same_project(tmp_path: Path) -> None:
    write_modules(tmp_path / "here", app__init="X = 1", space__deep__leaf="from app import X", agents__odd="")
    read = read_sources(tmp_path / "here")
    given = sources_from(tmp_path / "here", _contents(tmp_path / "here"))
    assert (given.hash, given.modules, given.files) == (read.hash, read.modules, read.files)
    elsewhere = sources_from(tmp_path / "gone", _contents(tmp_path / "here"))
    assert elsewhere.hash == read.hash
    assert ProjectCode(tmp_path / "gone", elsewhere).resolve("space.deep.leaf:X") == 1


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": "X = 1"}, {"a": "X = 2"}),
        ({"a": ""}, {"b": ""}),
        ({"a": ""}, {"a__init": ""}),
        ({"a": "", "b": ""}, {"a": ""}),
        ({"a": "1", "b": "2"}, {"a": "1\0b.py\0\0001\0002"}),
    ],
)
def test_every_difference_is_another_hash(tmp_path: Path, one: dict[str, str], two: dict[str, str]) -> None:
    hashes = {read_sources(write_modules(tmp_path / name, **files)).hash for name, files in (("1", one), ("2", two))}
    assert len(hashes) == 2


def test_what_is_no_module_changes_no_hash(tmp_path: Path) -> None:
    before = read_sources(write_modules(tmp_path, app="X = 1")).hash
    write_modules(tmp_path, node_modules__x="", agents__extra="")
    (tmp_path / "app.pyc").write_bytes(b"\0")
    (tmp_path / ".#app.py").symlink_to("somebody@somewhere")
    # agents/ without __init__.py gives way to the installed package.
    assert read_sources(tmp_path).hash == before


def test_a_package_wins_over_a_module_of_its_name(tmp_path: Path) -> None:
    write_modules(tmp_path, both="X = 'module'", both__init="X = 'package'")
    assert ProjectCode(tmp_path).resolve("both:X") == "package"


def test_links_are_followed_to_files_as_a_mounted_folder_has_them(tmp_path: Path) -> None:
    write_modules(tmp_path / "..2026_11_24", mounted="X = 1")
    (tmp_path / "..data").symlink_to("..2026_11_24")
    (tmp_path / "mounted.py").symlink_to("..data/mounted.py")
    assert ProjectCode(tmp_path).resolve("mounted:X") == 1


def test_a_file_that_vanishes_while_it_is_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_modules(tmp_path, gone="X = 1", kept="X = 1")
    read_bytes = Path.read_bytes

    def vanishing(path: Path) -> bytes:
        if path.name == "gone.py":
            path.unlink()
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", vanishing)
    assert set(read_sources(tmp_path).modules) == {"kept"}


def test_a_file_that_can_not_be_read_fails_when_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_modules(tmp_path, locked="X = 1", kept="X = 1", user="import locked")
    readable = read_sources(tmp_path).hash
    read_bytes = Path.read_bytes

    def locked(path: Path) -> bytes:
        if path.name == "locked.py":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", locked)
        code = ProjectCode(tmp_path)
    assert code.resolve("kept:X") == 1
    with pytest.raises(
        ResolveError, match=r"importing 'user' raised ImportError: 'locked\.py' can't be read: Permission"
    ):
        code.resolve("user:locked")
    # Not the hash of an empty file, nor that of none.
    assert len({code.hash, readable, read_sources(write_modules(tmp_path, locked="")).hash}) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert read_sources(tmp_path).modules == {}


def test_a_project_folder_that_is_not_there_has_no_modules(tmp_path: Path) -> None:
    assert read_sources(tmp_path / "nowhere").modules == {}
