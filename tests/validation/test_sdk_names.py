"""Names imported from the SDKs, held against the installed packages, which are read and never imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

CONFIG = "version: 1\nagents: {guide: {model: gpt-6-luna, instructions: Help., tools: ['app:look']}}\n"
TOOL = "\n\ndef look(place: str) -> str:\n    return place\n"
ROOT = Path(__file__).parents[2]


def reports(folder: Path, code: str) -> list[str]:
    (folder / "agents.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "app.py").write_text(code + TOOL, encoding="utf-8")
    found = check_project(load_config(folder, environ={"OPENAI_API_KEY": "none"}))
    return [f"{each.severity} {each.code} {each.place}: {each.message} ({each.hint})" for each in found]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "from chatkit.types import ClientToolCall",
            "module 'chatkit.types' has no 'ClientToolCall' (this release has it in 'chatkit.agents')",
        ),
        ("from agents import function_tol", "module 'agents' has no 'function_tol' (did you mean 'function_tool'?)"),
        ("from chatkit.widgets import Crad", "module 'chatkit.widgets' has no 'Crad' (did you mean 'Card'?)"),
        (
            "from agents.extensions.handoff import remove_all_tools",
            "no module named 'agents.extensions.handoff' (this release has it in 'agents.extensions.handoff_filters')",
        ),
        ("import chatkit.nowhere", "no module named 'chatkit.nowhere' ()"),
    ],
)
def test_a_name_that_the_installed_sdk_does_not_have_is_reported_with_its_place_now(
    tmp_path: Path, line: str, said: str
) -> None:
    (found,) = reports(tmp_path, line)
    assert found.startswith("error A322 app.py:1:1: importing 'app' raises ")
    assert found.endswith(said)


@pytest.mark.parametrize(
    "line",
    [
        "from agents import *",
        "from chatkit import types, widgets, store",
        "from agents.mcp import MCPServerStdio",
        "from agents import __version__ as version",
        "try:\n    from chatkit.types import ClientToolCall\nexcept ImportError:\n    ClientToolCall = None",
        "from agents import SQLiteSession",
        "from agents.extensions.memory import SQLAlchemySession",
        "import typing\nif typing.TYPE_CHECKING:\n    from chatkit.types import ClientToolCall",
        "def later() -> None:\n    from chatkit.types import ClientToolCall",
        "from somewhere_else import anything",
    ],
)
def test_what_may_work_is_not_reported(tmp_path: Path, line: str) -> None:
    assert [each for each in reports(tmp_path, line) if "A322" in each] == []


def test_a_package_of_the_project_with_the_name_of_an_sdk_is_the_project_s(tmp_path: Path) -> None:
    (tmp_path / "chatkit").mkdir()
    (tmp_path / "chatkit" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "chatkit" / "types.py").write_text("ClientToolCall = 1\n", encoding="utf-8")
    assert [each for each in reports(tmp_path, "from chatkit.types import ClientToolCall") if "ToolCall" in each] == []


def imported_names() -> list[str]:
    """Every import from an SDK in the sample, the examples and the runtime itself, which all work."""
    lines: set[str] = set()
    for folder in ("tools", "examples", "runtime", "tests/conversations"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                is_sdk = isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in (
                    "agents",
                    "chatkit",
                )
                if is_sdk:
                    lines.add(ast.unparse(node))
    return sorted(lines)


def test_no_import_that_works_is_reported(tmp_path: Path) -> None:
    lines = imported_names()
    assert len(lines) > 40
    assert [each for each in reports(tmp_path, "\n".join(lines)) if "A322" in each] == []


def test_neither_sdk_is_imported(tmp_path: Path) -> None:
    reports(tmp_path, "from chatkit.types import ClientToolCall")
    code = (
        "import sys; from pathlib import Path; from runtime.config.load import load_config; "
        "from runtime.validation.project import check_project; "
        f"found = check_project(load_config(Path({str(tmp_path)!r}), environ={{}})); "
        "assert 'A322' in {each.code for each in found}; "
        "assert not {'agents', 'chatkit', 'openai'} & sys.modules.keys()"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
