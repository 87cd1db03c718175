"""Which folders belong to a project."""

from __future__ import annotations

import os
from pathlib import Path

import runtime
from runtime.autoreload.watch_set import ProjectPaths, find_watch_set
from tests.autoreload.conftest import FILES


def test_only_the_folders_of_a_project_are_watched(project: Path) -> None:
    for folder in ("node_modules/x", ".git/x", "tools/__pycache__", "venv/lib", ".chatkit", "shop/orders", "data-2"):
        (project / folder).mkdir(parents=True)
    (project / "venv" / "pyvenv.cfg").touch()
    watch_set = find_watch_set(ProjectPaths(project, frozenset(project / name for name in FILES)))
    folders = {Path(folder).relative_to(os.path.realpath(project)).as_posix() for folder in watch_set.folders}
    assert folders == {".", "prompts", "tools", "shop", "shop/orders"}


def test_the_runtime_itself_is_no_part_of_a_project_beside_it() -> None:
    package = Path(runtime.__file__).resolve().parent
    watch_set = find_watch_set(ProjectPaths(package.parent, frozenset([package.parent / "agents.yaml"])))
    assert str(package.parent) in watch_set.folders
    assert not any(Path(folder).is_relative_to(package) for folder in watch_set.folders)
