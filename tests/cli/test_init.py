from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.commands.init import TEMPLATES


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, encoding="utf-8", check=False
    )


def test_it_lists_what_it_wrote_and_what_to_do_next(cli: Callable[..., Any], here: Path) -> None:
    ran = cli("init", "my-chat")
    assert ran.code == 0
    written = {str(file.relative_to(here)) for file in here.rglob("*") if file.is_file()}
    assert written == {f"my-chat/{name}" for name in [*TEMPLATES, "agents.schema.json"]}
    assert {line.strip() for line in ran.out.splitlines() if line.startswith("  my-chat/")} == written
    assert "  cd my-chat\n  chatkit-runtime chat" in ran.out
    assert (here / "my-chat" / "README.md").read_text().startswith("# my-chat\n")


def test_the_folder_one_stands_in_needs_no_cd(cli: Callable[..., Any], here: Path) -> None:
    ran = cli("init")
    assert ran.code == 0
    assert "cd " not in ran.out
    assert (here / "README.md").read_text().startswith(f"# {here.name}\n")


def test_nothing_is_overwritten_without_force(cli: Callable[..., Any], here: Path) -> None:
    (here / "README.md").write_text("mine")
    ran = cli("init", ".")
    assert ran.code == 1
    assert "README.md exists (pass --force to overwrite)" in ran.err
    assert [file.name for file in here.iterdir()] == ["README.md"]
    assert cli("init", ".", "--force").code == 0
    assert (here / "README.md").read_text() != "mine"


def test_a_file_is_no_folder(cli: Callable[..., Any], here: Path) -> None:
    (here / "taken").write_text("")
    ran = cli("init", "taken")
    assert ran.code == 2
    assert "'taken' is a file" in ran.err


def test_the_project_validates_without_a_warning(cli: Callable[..., Any], here: Path) -> None:
    cli("init", "p")
    ran = cli("validate", "p", "--strict")
    assert (ran.code, ran.out) == (0, "p/agents.yaml: ok (1 agent, 2 tools, 1 widget)\n")


def test_the_project_passes_its_own_test(cli: Callable[..., Any], here: Path) -> None:
    cli("init", "p")
    ran = shell(here / "p", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout
    assert not (here / "p" / ".chatkit").exists()


def test_the_project_chats_and_keeps_its_threads(cli: Callable[..., Any], here: Path) -> None:
    cli("init", "p")
    ran = shell(here, "-m", "runtime", "chat", "p", "-m", "/1", "-m", "/1", "-m", "/threads")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Who should I greet?" in ran.stdout
    assert "… Looking up how to greet Ada\nHere you are.\n" in ran.stdout
    assert "│ Hello, Ada! " in ran.stdout
    assert "you: Greet Ada in Spanish" in ran.stdout
    assert "│ Hola, Ada! " in ran.stdout
    assert "\n  1  thr_" in ran.stdout
    assert (here / "p" / ".chatkit" / "threads.db").is_file()
