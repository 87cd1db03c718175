"""A module that is not here: a warning where the project may get it elsewhere, an error where it certainly does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

CONFIG = """version: 1
models: {{default: {{name: gpt-6-luna, api_key: none}}}}
agents: {{guide: {{instructions: Hi, tools: ["{path}"]}}}}
"""


def found(folder: Path, path: str, **files: str) -> tuple[str, str]:
    """Return the severity and the text of what is reported about an import path."""
    folder.mkdir(exist_ok=True)
    (folder / "agents.yaml").write_text(CONFIG.format(path=path))
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    [diagnostic] = [each for each in check_project(load_config(folder, environ={})) if each.code == "A320"]
    return diagnostic.severity, str(diagnostic)


TOOL = "def look() -> str:\n    '''Look.'''\n    return ''\n"


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("acme_tools.weather:look", {}),
        ("acme_tools.weather:look", {"requirements.txt": "pydantic\n"}),
        ("acme_tools.weather:look", {"pyproject.toml": '[project]\nname = "p"\ndependencies = ["pydantic"]\n'}),
        ("acme_tools.weather:look", {"Dockerfile": "FROM acme/base\n"}),
        # The nearest module has not what the path names: it need not be meant.
        ("util:look", {"utils.py": "def other() -> None: ...\n"}),
        ("util.weather:look", {"utils/__init__.py": TOOL}),
    ],
)
def test_another_package_or_python_path_may_provide_a_top_level_module(
    tmp_path: Path, path: str, files: dict[str, str]
) -> None:
    assert found(tmp_path, path, **files)[0] == "warning"


@pytest.mark.parametrize(
    ("path", "files", "meant"),
    [
        ("tols.weather:look", {"tools/__init__.py": "", "tools/weather.py": TOOL}, "tools.weather"),
        ("wether:look", {"weather.py": TOOL}, "weather"),
        ("tools.wether:look", {"tools/__init__.py": "", "tools/weather.py": TOOL}, "tools.weather"),
        ("weather.py:look", {"weather.py": TOOL}, "weather:look"),
        ("tools.weather.py:look", {"tools/__init__.py": "", "tools/weather.py": TOOL}, "tools.weather:look"),
        ("tools.nowhere:look", {"tools/__init__.py": ""}, ""),
        ("json.nowhere:look", {}, ""),
    ],
)
def test_a_slip_and_a_package_that_is_here_are_certain(
    tmp_path: Path, path: str, files: dict[str, str], meant: str
) -> None:
    severity, text = found(tmp_path, path, **files)
    assert severity == "error"
    assert not meant or f"(did you mean {meant!r}?)" in text


def test_a_folder_of_the_repository_that_has_the_module_is_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "libs" / "tols").mkdir(parents=True)
    (tmp_path / "libs" / "tols" / "weather.py").write_text(TOOL)
    files = {"tools/__init__.py": "", "tools/weather.py": TOOL}
    severity, text = found(tmp_path / "chat", "tols.weather:look", **files)
    assert severity == "warning"
    assert "('../libs' has it: add the folder to PYTHONPATH where 'validate' runs)" in text


def test_other_distributions_may_add_to_a_namespace_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site" / "acme_space" / "one").mkdir(parents=True)
    (tmp_path / "site" / "acme_space" / "one" / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    assert found(tmp_path / "chat", "acme_space.two:look")[0] == "warning"
    assert found(tmp_path / "chat", "acme_space.one.two:look")[0] == "error"
