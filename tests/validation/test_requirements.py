"""A module that exists nowhere here: an error, unless the project may get it where it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

CONFIG = """version: 1
models: {default: {name: gpt-6-luna, api_key: none}}
agents: {guide: {instructions: Hi, tools: ["nowhere.tools:look"]}}
"""


def severity(folder: Path, **files: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "agents.yaml").write_text(CONFIG)
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    [found] = [each for each in check_project(load_config(folder, environ={})) if each.code == "A320"]
    assert "'nowhere'" in found.message
    return found.severity


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements.txt", "# tools\npydantic>=2  # models\n-r more.txt\n"),
        ("pyproject.toml", '[project]\nname = "p"\ndependencies = ["chatkit-runtime[postgres]", "pydantic>=2"]\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.11"\npydantic = "*"\n'),
        ("Dockerfile", "RUN pip install --no-cache-dir -r requirements.txt && pip install -e . 'pydantic>=2'\n"),
    ],
)
def test_it_is_an_error_where_all_that_is_required_is_installed(tmp_path: Path, file: str, text: str) -> None:
    assert severity(tmp_path) == "error"
    assert severity(tmp_path, **{file: text}) == "error"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements.txt", "acme-that-is-not-here==1\n"),
        ("requirements-dev.txt", "git+https://example.com/acme.git\n"),
        ("requirements/base.txt", "./wheels/acme.whl\n"),
        ("pyproject.toml", '[project]\nname = "p"\ndependencies = ["acme-that-is-not-here"]\n'),
        ("pyproject.toml", '[project]\nname = "p"\n[project.optional-dependencies]\nx = ["acme-that-is-not-here"]\n'),
        ("pyproject.toml", '[project]\nname = "p"\ndynamic = ["dependencies"]\n'),
        ("pyproject.toml", '[dependency-groups]\ndev = ["acme-that-is-not-here"]\n'),
        ("pyproject.toml", '[tool.poetry.group.web.dependencies]\nacme-that-is-not-here = "*"\n'),
        ("pyproject.toml", "not = = toml"),
        ("Dockerfile", "RUN pip install --no-cache-dir acme-that-is-not-here[x]\n"),
        ("setup.py", ""),
        ("Pipfile", ""),
        ("environment.yml", ""),
        ("vendored/nowhere/__init__.py", ""),
        ("libs/src/nowhere.py", ""),
    ],
)
def test_it_is_a_warning_where_the_module_may_come_from_elsewhere(tmp_path: Path, file: str, text: str) -> None:
    assert severity(tmp_path, **{file: text}) == "warning"


def test_the_requirements_of_the_repository_count(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\ndependencies = ["acme-that-is-not-here"]\n')
    assert severity(tmp_path / "chat") == "error"
    (tmp_path / ".git").mkdir()
    assert severity(tmp_path / "chat") == "warning"
