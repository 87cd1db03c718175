"""The name `chatkit_runtime`: what it says, and what the command does, where a project's `runtime` hides ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import chatkit_runtime
import runtime

CONFIG = """version: 1
models: {default: {name: gpt-6-luna, api_key: none}}
agents: {guide: {instructions: Hi}}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a project with a package `runtime` and a module `agents` of its own."""
    (tmp_path / "agents.yaml").write_text(CONFIG)
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "__init__.py").write_text("JOBS = 1\n")
    return tmp_path


def python(folder: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_the_module_has_the_names_of_runtime() -> None:
    assert [name for name in runtime.__all__ if getattr(chatkit_runtime, name) is not getattr(runtime, name)] == []
    with pytest.raises(AttributeError, match=r"module 'runtime' has no attribute 'nothing'"):
        _ = chatkit_runtime.nothing  # type: ignore[attr-defined]


def test_an_import_says_which_folder_hides_the_package(shop: Path) -> None:
    ran = python(shop, "-c", "from chatkit_runtime import create_app")
    file = str(shop / "runtime" / "__init__.py")
    assert ran.stderr.splitlines()[-1] == (
        f"ImportError: {file!r} hides the package 'runtime' of chatkit-runtime (rename it, or remove its folder from "
        "PYTHONPATH)"
    )


@pytest.mark.parametrize("command", [["-m", "chatkit_runtime"], [str(Path(sys.executable).parent / "chatkit-runtime")]])
def test_the_command_runs_whatever_hides_the_package_and_reports_it(shop: Path, command: list[str]) -> None:
    ran = python(shop, *command, "validate", path=".")
    assert ran.stdout == (
        "agents.yaml: warning A322: 'runtime/__init__.py' hides the installed package 'runtime' from programs that "
        "start in this folder\n"
        "   = hint: rename runtime/: there, 'from runtime import create_app' imports it\n\n"
        "agents.yaml: ok (1 agent), 1 warning\n"
    ), ran.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [("agents", "DESK = 1\n"), ("openai", ""), ("chatkit", "")],
)
def test_a_module_that_hides_a_package_of_ours_is_named(shop: Path, name: str, text: str) -> None:
    (shop / "runtime" / "__init__.py").unlink()
    (shop / f"{name}.py").write_text(text)
    ran = python(shop, "-c", "from runtime import create_app")
    file = str(shop / f"{name}.py")
    expected = f"ImportError: {file!r} hides the installed package {name!r}, which 'runtime' imports (rename it)"
    assert ran.stderr.splitlines()[-1] == expected


def test_an_import_error_of_another_cause_stays_as_it_is(shop: Path) -> None:
    (shop / "runtime" / "__init__.py").unlink()
    code = "import sys; sys.modules['uvicorn'] = sys.modules['starlette'] = None; from runtime import create_app"
    ran = python(shop, "-c", code)
    assert ran.stderr.splitlines()[-1].startswith("ModuleNotFoundError: import of starlette")
