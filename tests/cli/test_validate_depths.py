"""How deep `validate` looks: what the default leaves alone, what a build adds, and that no depth shows a secret."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from runtime.diagnostics.diagnostic import Diagnostic, Place

FORMATS = ("text", "json", "github", "sarif", "junit")
SECRET = "sk-proj-Zq8vN3mK7xW2pL5tR9yB4cD6fG1hJ0sA"
CODE = "agents: {helper: {model: gpt-6-luna, instructions: Help., tools: ['acts:stamp']}}\n"


def write(folder: Path, config: str, code: str = "") -> None:
    (folder / "agents.yaml").write_text("version: 1\n" + config)
    (folder / "acts.py").write_text(code)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Replace the build: it returns given diagnostics, and records how it was called."""
    calls: list[dict[str, Any]] = []

    def finds(*found: Diagnostic) -> list[dict[str, Any]]:
        def check_build(path: Path, loaded: Any, *, timeout_s: float, connect: bool) -> Sequence[Diagnostic]:
            calls.append({"path": path, "timeout_s": timeout_s, "connect": connect})
            return list(found)

        monkeypatch.setattr("runtime.cli.build_process.check.check_build", check_build)
        return calls

    return finds


def test_the_default_runs_nothing_of_the_project(cli: Callable[..., Any], project: Path) -> None:
    write(
        project, CODE, "from pathlib import Path\nPath('ran').touch()\ndef stamp() -> str:\n    'It.'\n    return ''\n"
    )
    assert cli("validate", "small").code == 0
    assert not list(project.parent.rglob("ran"))


def test_import_finds_what_only_a_build_can(cli: Callable[..., Any], project: Path) -> None:
    write(project, CODE, "import os\nif os.sep:\n    raise RuntimeError('no luck')\ndef stamp() -> str: return ''\n")
    ran = cli("validate", "small", "--import", "--format", "json")
    document = json.loads(ran.out)
    assert (ran.code, document["ok"], document["projects"][0]["built"]) == (1, False, True)
    assert "no luck" in document["diagnostics"][0]["message"]


def test_import_accepts_a_project_that_serves(cli: Callable[..., Any], project: Path) -> None:
    ran = cli("validate", "small", "--import")
    assert (ran.code, ran.out) == (0, "small/agents.yaml: ok (1 agent)\n")


def test_a_project_with_errors_is_not_built(
    cli: Callable[..., Any], project: Path, build: Callable[..., list[Any]]
) -> None:
    calls = build()
    write(project, "agents: {helper: {modle: x}}\n")
    ran = cli("validate", "small", "--import")
    assert (ran.code, calls) == (1, [])
    assert ran.out.splitlines()[-1].startswith("small/agents.yaml: 1 error")
    assert ran.out.endswith("not built because of the errors\n")


DEAD_BUTTON = """
agents: {helper: {model: default, instructions: Help., tools: [show]}}
models: {default: {scripted: script.yaml}}
tools: {show: {widget: card}}
widgets:
  card: {template: {type: Card, children: [{type: Button, label: Go, onClickAction: {type: go}}]}}
store: memory
"""


def test_what_the_server_serves_is_no_error_where_it_is_built(cli: Callable[..., Any], project: Path) -> None:
    write(project, DEAD_BUTTON)
    ran = cli("validate", "small")
    assert (ran.code, "error A422" in ran.out) == (1, True)
    ran = cli("validate", "small", "--import")
    assert (ran.code, "warning A422" in ran.out) == (0, True)


def test_what_the_files_say_of_an_entry_is_not_said_again_by_the_build(
    cli: Callable[..., Any], project: Path, build: Callable[..., list[Any]]
) -> None:
    write(project, DEAD_BUTTON)
    file = Place("agents.yaml", 3, 1)
    build(Diagnostic("A401", "no", file, path="widgets.card"), Diagnostic("A601", "no", file, path="models.default"))
    ran = cli("validate", "small", "--import", "--format", "json")
    assert [(each["code"], each["severity"]) for each in json.loads(ran.out)["diagnostics"]] == [
        ("A601", "error"),
        ("A422", "error"),
    ]


def test_a_variable_without_a_value_fails_where_the_project_is_built(
    cli: Callable[..., Any], project: Path, build: Callable[..., list[Any]]
) -> None:
    build()
    write(project, "agents: {helper: {model: '${CLI_TEST_UNSET}', instructions: Help.}}\n")
    assert cli("validate", "small").code == 0
    assert cli("validate", "small", "--import").code == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--import",), {"timeout_s": 60.0, "connect": False}),
        (("--connect",), {"timeout_s": 60.0, "connect": True}),
        (("--import", "--timeout", "2.5"), {"timeout_s": 2.5, "connect": False}),
    ],
)
def test_the_build_gets_the_depth_that_was_asked_for(
    cli: Callable[..., Any],
    project: Path,
    build: Callable[..., list[Any]],
    arguments: tuple[str, ...],
    expected: dict[str, Any],
) -> None:
    calls = build()
    assert cli("validate", "small", *arguments).code == 0
    assert calls == [{"path": Path("small"), **expected}]


def test_what_a_build_is_sure_of_replaces_what_was_only_probable(
    cli: Callable[..., Any], project: Path, build: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place("agents.yaml", 1, 1)
    probable = Diagnostic("A324", "may be no tool", place, "warning")
    unknown = Diagnostic("A339", "can't be followed", place, "note")
    monkeypatch.setattr("runtime.validation.project.check_project", lambda loaded: [probable, unknown])

    build()
    assert "1 warning" in cli("validate", "small", "--import").out.splitlines()[-1]
    build(Diagnostic("A324", "is no tool", place))
    ran = cli("validate", "small", "--import")
    assert "may be no tool" not in ran.out
    assert ran.out.endswith("small/agents.yaml: 1 error, 1 note\n")


def test_an_error_of_the_files_hides_no_error_of_the_build_in_another_entry(
    cli: Callable[..., Any], project: Path, build: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a = Diagnostic("A324", "no tool", Place("agents.yaml", 1, 1), path='actions."order.a".python')
    monkeypatch.setattr("runtime.validation.project.check_project", lambda loaded: [in_a])
    build(*(Diagnostic("A322", f"{name} broke", Place("agents.yaml", 2, 1), path=path) for name, path in PATHS))
    out = cli("validate", "small", "--import").out
    assert [name for name, _ in PATHS if f"{name} broke" in out] == ["b", "c"]


PATHS = [("a", 'actions."order.a"'), ("b", 'actions."order.b".python'), ("c", "actions")]


def test_what_a_change_breaks_stands_with_the_other_mistakes(
    cli: Callable[..., Any], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_changes(loaded: Any, base: Path) -> list[Diagnostic]:
        return [Diagnostic("A701", f"{base.name} has another agent", Place("agents.yaml", 3, 1))]

    module = ModuleType("runtime.validation.breaking_changes")
    vars(module)["check_changes"] = check_changes
    monkeypatch.setitem(sys.modules, module.__name__, module)
    (project.parent / "before.yaml").write_text("version: 1\nagents: {other: {}}\n")

    ran = cli("validate", "small", "--base", "before.yaml")
    assert ran.code == 1
    assert ran.out.startswith("small/agents.yaml:3:1: error A701: before.yaml has another agent\n")
    (project / "agents.yaml").write_text("version: 1\nagents: {helper: {modle: x}}\n")
    assert "A701" not in cli("validate", "small", "--base", "before.yaml").out


@pytest.mark.parametrize("output", FORMATS)
def test_no_format_shows_a_secret(
    cli: Callable[..., Any], project: Path, build: Callable[..., list[Any]], output: str
) -> None:
    found = [
        Diagnostic("A610", f"the store said {SECRET}", Place("agents.yaml", 2, 1), hint=f"not {SECRET}"),
        Diagnostic("A322", "it broke", Place("acts.py", 1, 1)),
    ]
    build(*found)
    write(
        project, f"models: {{default: {{name: gpt-6.1-sol, api_key: {SECRET}}}}}\n" + CODE, f"def stamp(): '{SECRET}'\n"
    )
    ran = cli("validate", "small", "--import", "--format", output)
    assert ran.code == 1
    assert "it broke" in ran.out
    assert SECRET not in ran.out + ran.err
    assert SECRET[8:20] not in ran.out + ran.err
