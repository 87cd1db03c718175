"""Modules of a project with the name of an installed package: the server refuses them, or programs miss the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

CONFIG = """version: 1
models: {{default: {{name: gpt-6-luna, api_key: none}}}}
agents: {{guide: {{instructions: Hi, tools: ["{tool}"]}}}}
"""
TOOL = 'def look(at: str) -> str:\n    """Look."""\n    return at\n'


def report(project: Path) -> list[tuple[str, str, str]]:
    diagnostics = check_project(load_config(project, environ={}))
    return [(each.severity, each.code, each.hint) for each in diagnostics if each.severity != "note"]


def write(project: Path, tool: str, **files: str) -> None:
    (project / "agents.yaml").write_text(CONFIG.format(tool=tool))
    for name, text in files.items():
        file = project / name.replace("__", "/").replace("_py", ".py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize("name", ["agents", "types", "openai", "runtime", "yaml"])
def test_a_module_with_the_name_of_one_that_the_server_has_loaded_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"{name}:look", **{f"{name}_py": TOOL})
    assert report(tmp_path) == [("error", "A322", f"rename {name}.py")]


def test_a_package_is_an_error_as_well_and_so_is_a_module_that_a_tool_imports(tmp_path: Path) -> None:
    write(tmp_path, "shop:look", shop_py=f"from openai import client\n{TOOL}", openai__client_py="")
    (tmp_path / "openai" / "__init__.py").touch()
    assert report(tmp_path) == [("error", "A322", "rename openai/")]


def test_a_module_that_nothing_imports_hides_the_package_from_programs_that_start_there(tmp_path: Path) -> None:
    write(tmp_path, "shop:look", shop_py=TOOL, runtime_py="")
    assert report(tmp_path) == [
        ("warning", "A322", "rename runtime.py: there, 'from runtime import create_app' imports it")
    ]


def test_a_folder_without_modules_and_a_module_that_is_installed_nowhere_are_fine(tmp_path: Path) -> None:
    write(tmp_path, "shop:look", shop_py=TOOL)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "more.yaml").write_text("agents: {}")
    assert report(tmp_path) == []
