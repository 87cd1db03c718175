from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

WRONG = "version: 1\nagents:\n  helper:\n    modle: x\n    tools: 7\n"
UNUSED = """version: 1
models: {default: {name: gpt-6-luna, api_key: none}, spare: gpt-6.1-sol}
agents: {helper: {instructions: Help.}}
"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "agents.yaml").write_text(text)
    return folder


def test_a_valid_project_is_ok(cli: Callable[..., object], project: Path) -> None:
    ran = cli("validate", "small")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "small/agents.yaml: ok (1 agent)\n"


def test_the_file_itself_may_be_named(cli: Callable[..., object], project: Path) -> None:
    assert cli("validate", "small/agents.yaml").code == 0


def test_the_default_is_the_folder_one_stands_in(
    cli: Callable[..., object], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    assert cli("validate").out.startswith("agents.yaml: ok")


def test_every_mistake_is_shown_with_its_frame(cli: Callable[..., object], project: Path) -> None:
    write(project, WRONG)
    ran = cli("validate", "small")
    assert ran.code == 1
    assert "small/agents.yaml:4:5: error A101: unknown key 'modle'" in ran.out
    assert "  4 |     modle: x\n    |     ^^^^^\n    = hint: did you mean 'model'?" in ran.out
    assert "small/agents.yaml:5:12: error A102" in ran.out
    assert ran.out.endswith("\n\nsmall/agents.yaml: 2 errors\n")


def test_json_stands_alone_on_standard_output(cli: Callable[..., object], project: Path) -> None:
    write(project, WRONG)
    ran = cli("validate", "small", "--format", "json")
    report = json.loads(ran.out)
    assert (ran.code, ran.err, report["ok"], report["errors"]) == (1, "", False, 2)
    first = report["diagnostics"][0]
    assert (first["file"], first["line"], first["column"], first["length"]) == ("small/agents.yaml", 4, 5, 5)
    assert (first["code"], first["path"], first["hint"]) == ("A101", "agents.helper.modle", "did you mean 'model'?")


def test_warnings_fail_only_when_strict(cli: Callable[..., object], project: Path) -> None:
    write(project, UNUSED)
    loose, strict = cli("validate", "small"), cli("validate", "small", "--strict")
    assert (loose.code, strict.code) == (0, 1)
    assert loose.out.endswith("small/agents.yaml: ok (1 agent), 1 warning\n")
    assert "ok" not in strict.out
    assert strict.out.endswith("small/agents.yaml: 1 warning, warnings fail because of --strict\n")


def test_several_projects_are_checked_in_one_run(cli: Callable[..., object], project: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", WRONG)
    ran = cli("validate", "other/agents.yaml", "small")
    assert ran.code == 1
    assert "other/agents.yaml:4:5" in ran.out
    assert ran.out.endswith("other/agents.yaml: 2 errors\nsmall/agents.yaml: ok (1 agent)\n2 projects: 2 errors\n")


def test_a_project_that_is_named_twice_is_checked_once(cli: Callable[..., object], project: Path) -> None:
    ran = cli("validate", "small", "small/agents.yaml", str(project))
    assert ran.out == "small/agents.yaml: ok (1 agent)\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--base", "nowhere.yaml"), "--base needs a file, but 'nowhere.yaml' does not exist"),
        (("--base", "small"), "--base needs a file, but 'small' is a folder"),
        (("other", "--base", "small/agents.yaml"), "--base compares one project with its earlier file"),
        (("--watch", "--format", "sarif"), "can't be combined with --format sarif"),
        (("--watch", "--format", "junit"), "can't be combined with --format junit"),
    ],
)
def test_what_can_not_work_is_wrong_usage(
    cli: Callable[..., object], project: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = cli("validate", "small", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_a_failure_of_the_runtime_itself_ends_with_three(
    cli: Callable[..., object], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("k")

    monkeypatch.setattr("runtime.validation.project.check_project", fail)
    assert cli("validate", "small").code == 3


def test_a_missing_file_names_the_way_out(cli: Callable[..., object], project: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = cli("validate", "empty")
    assert ran.code == 1
    assert "A001" in ran.out
    assert "chatkit-runtime init" in ran.out


def test_an_unset_variable_is_a_warning(cli: Callable[..., object], project: Path) -> None:
    write(project, "version: 1\nagents: {helper: {model: gpt-6-luna}}\nstore: ${CLI_TEST_UNSET}\n")
    ran = cli("validate", "small")
    assert ran.code == 0
    assert "CLI_TEST_UNSET" in ran.out


def test_show_prints_the_resolved_config_without_its_secrets(
    cli: Callable[..., object], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLI_TEST_KEY", "sk-very-secret")
    monkeypatch.setenv("CLI_TEST_STORE", "postgresql://ann:hunter2@db/chat")
    write(
        project,
        "version: 1\nmodels: {default: {name: gpt-6-luna, api_key: '${CLI_TEST_KEY}'}}\n"
        "agents: {helper: {instructions: Help.}}\nstore: ${CLI_TEST_STORE}\n",
    )
    yaml, as_json = cli("show", "small"), cli("show", "small", "--format", "json")
    assert (yaml.code, as_json.code) == (0, 0)
    for ran in (yaml, as_json):
        assert "very-secret" not in ran.out
        assert "hunter2" not in ran.out
    assert json.loads(as_json.out)["models"]["default"]["name"] == "gpt-6-luna"
    assert "name: gpt-6-luna" in yaml.out


def test_show_refuses_a_config_with_errors(cli: Callable[..., object], project: Path) -> None:
    write(project, WRONG)
    ran = cli("show", "small")
    assert (ran.code, ran.out) == (1, "")
    assert "A101" in ran.err


def test_schema_prints_and_writes_the_same(cli: Callable[..., object], project: Path, tmp_path: Path) -> None:
    printed = cli("schema")
    assert json.loads(printed.out)["$schema"].endswith("2020-12/schema")
    assert cli("schema", "--write", "small").out == "wrote small/agents.schema.json\n"
    assert cli("schema", "--write", "mine.json").code == 0
    assert cli("schema", "--write").code == 0
    for file in ("small/agents.schema.json", "mine.json", "agents.schema.json"):
        assert (tmp_path / file).read_text() == printed.out


def test_schema_needs_write_for_a_file(cli: Callable[..., object], project: Path) -> None:
    ran = cli("schema", "mine.json")
    assert ran.code == 2
    assert "--write" in ran.err


def test_schema_says_why_it_can_not_write(cli: Callable[..., object], project: Path) -> None:
    ran = cli("schema", "--write", "no/such/folder.json")
    assert ran.code == 2
    assert "can't write 'no/such/folder.json'" in ran.err
