"""What a command shows of a project's files."""

from __future__ import annotations

from pathlib import Path

from runtime.cli.project import frame_texts
from runtime.diagnostics.diagnostic import Diagnostic, Place


def test_the_python_that_a_mistake_stands_in_is_shown_and_no_file_outside_of_the_project(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "private.py").write_text("secret = 1\n")
    (root / "own.py").write_text("x = (\n")
    (root / "linked.py").symlink_to(tmp_path / "private.py")
    names = ("own.py", "linked.py", "../private.py", "gone.py")
    found = [Diagnostic("A322", "wrong", Place(name, 1, 1)) for name in names]
    assert frame_texts(found, {}, root) == {"own.py": "x = (\n"}
