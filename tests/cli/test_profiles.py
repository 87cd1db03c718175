"""`--profile`, and where `show --resolved` says that values come from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROJECT = """
version: 1
include: [more.yaml]
models: {default: {scripted: script.yaml}}
agents: {helper: {instructions: Help., max_turns: 4}}
server: {port: "${PORT:-8000}"}
admin: {token: "${TOKEN:-}"}
profiles:
  prod: {store: memory, agents: {helper: {max_turns: 9}}}
  wrong: {agents: {helper: {max_turns: none}}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agents.yaml").write_text(PROJECT)
    (tmp_path / "more.yaml").write_text("chat:\n  greeting: Hello\n")
    (tmp_path / "script.yaml").write_text("turns: [{reply: Hi}]\n")
    (tmp_path / ".env").write_text("TOKEN=hunter2-hunter2\n")
    return tmp_path


def test_show_prints_the_file_with_its_parts_and_the_profile(cli: Callable[..., Any], project: Path) -> None:
    data = json.loads(cli("show", str(project), "--format", "json", "--profile", "prod").out)
    assert (data["store"]["url"], data["agents"]["helper"]["max_turns"]) == ("memory", 9)
    assert data["chat"]["greeting"] == "Hello"
    assert not {"include", "profiles"} & data.keys()
    assert "CHATKIT_PROFILE" not in os.environ


def test_show_resolved_says_where_each_value_comes_from(
    cli: Callable[..., Any], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("PORT", "81")
    lines = cli("show", "--resolved", "--profile", "prod").out.splitlines()
    assert 'chat.greeting = "Hello"  # more.yaml:2' in lines
    assert "agents.helper.max_turns = 9  # agents.yaml:9, profile prod" in lines
    assert "server.port = 81  # agents.yaml:6, ${PORT} from the environment" in lines
    assert 'admin.token = "***"  # agents.yaml:7, ${TOKEN} from .env' in lines
    assert 'server.host = "127.0.0.1"  # default' in lines
    assert not any("hunter2" in line for line in lines)
    found = json.loads(cli("show", "--resolved", "--format", "json").out)
    port = next(each for each in found if each["path"] == "server.port")
    place = {"file": "agents.yaml", "line": 6, "column": 16, "profile": None}
    assert port == {"path": "server.port", "value": 81, **place, "variables": {"PORT": "environment"}}


def test_validate_checks_every_profile_and_with_one_named_just_this(cli: Callable[..., Any], project: Path) -> None:
    every = cli("validate", str(project))
    assert every.code == 1
    assert "agents.yaml:10:40: error A102" in every.out
    assert "with the profile 'wrong'" in every.out
    assert cli("validate", str(project), "--profile", "prod").code == 0
    assert cli("validate", str(project), "--profile", "wrong").code == 1
    misspelt = cli("validate", str(project), "--profile", "prd")
    assert misspelt.code == 1
    assert "did you mean 'prod'?" in misspelt.out


def test_the_build_of_a_profile_is_that_of_the_process_it_runs_in(cli: Callable[..., Any], project: Path) -> None:
    text = (project / "agents.yaml").read_text()
    (project / "agents.yaml").write_text(text.replace("store: memory", "store: {python: app.gone:store}"))
    assert cli("validate", "--import", str(project), "--profile", "prod").code == 1


def test_the_schemas_of_parts_are_printed_and_written(cli: Callable[..., Any], tmp_path: Path) -> None:
    assert json.loads(cli("schema", "--of", "profile").out)["title"] == "a profile of agents.yaml"
    assert cli("schema", "--of", "included", "--write", str(tmp_path)).code == 0
    assert "required" not in json.loads((tmp_path / "included.schema.json").read_text())
