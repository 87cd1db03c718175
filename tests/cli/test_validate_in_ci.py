"""The pre-commit hook, the GitHub action and the page about them, run as their users would run them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
import yaml

from runtime.cli import PROGRAM
from runtime.cli.app import app

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guide" / "ci.md"
BIN = Path(sys.executable).parent
FINE = "version: 1\nagents: {helper: {instructions: Help.}}\nmodels: {default: {name: gpt-6-luna, api_key: none}}\n"
WRONG = "version: 1\nagents: {helper: {modle: gpt-6-luna}}\n"
[HOOK] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
FORMATS = ("text", "json", "github", "sarif", "junit")


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page(), re.DOTALL | re.MULTILINE)


def workflow(name: str) -> Any:
    [text] = [block for block in blocks("yaml") if block.startswith(f"# {name}\n")]
    return yaml.safe_load(text)


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **variables}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, encoding="utf-8", check=False)


# --- pre-commit


def test_the_hook_has_what_pre_commit_asks_for() -> None:
    assert {"id", "name", "entry", "language", "files"} <= HOOK.keys()
    assert (HOOK["id"], HOOK["language"]) == ("chatkit-validate", "python")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert shlex.split(HOOK["entry"])[0] in scripts


@pytest.mark.parametrize(
    "file", ["agents.yaml", "bot/agents.yml", ".env", "prompts/a.md", "w/card.widget", "w/card.json", "tools/a.py"]
)
def test_the_hook_runs_for_what_a_project_is_made_of(file: str) -> None:
    assert re.search(HOOK["files"], file)


@pytest.mark.parametrize("file", ["logo.png", "Makefile", "src/main.rs", "my.env", "pyproject.toml"])
def test_the_hook_does_not_run_for_other_files(file: str) -> None:
    assert not re.search(HOOK["files"], file)


def test_the_hook_covers_every_file_of_the_sample_and_of_the_examples() -> None:
    folders = ("tools", "widgets", "prompts", "demo", "examples/courier_desk")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert len(files) > 10
    named = [path.name for path in files if "__pycache__" not in path.parts and ".chatkit" not in path.parts]
    assert [name for name in named if not re.search(HOOK["files"], name)] == []


@pytest.mark.skipif(os.name == "nt", reason="the path of a script ends otherwise")
def test_the_hook_checks_the_project_once_whatever_changed(tmp_path: Path) -> None:
    # pre-commit adds the names of the changed files only where this is true.
    assert HOOK["pass_filenames"] is False
    (tmp_path / "agents.yaml").write_text(FINE)
    ran = run(shlex.split(HOOK["entry"]), tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "agents.yaml: ok (1 agent)\n")
    (tmp_path / "agents.yaml").write_text(WRONG)
    assert run(shlex.split(HOOK["entry"]), tmp_path).returncode == 1


def test_the_hook_on_the_page_is_the_one_that_there_is() -> None:
    [repository] = workflow(".pre-commit-config.yaml")["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == [HOOK["id"]]


# --- the GitHub action


def test_the_action_has_what_github_asks_for() -> None:
    assert {"name", "description", "inputs", "runs"} <= ACTION.keys()
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert "uses" in step or {"run", "shell"} <= step.keys()
        # An input in a script would be a part of the program.
        assert "${{" not in step.get("run", "")
    for name, entry in ACTION["inputs"].items():
        assert entry["description"], name
        assert isinstance(entry["default"], str), f"{name}: GitHub's inputs are texts"


def test_the_page_lists_the_inputs_with_their_defaults() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (?:`(.*?)`)? ?\| .+\|$", page().partition("| input |")[2], re.MULTILINE)
    listed = dict(rows[: len(ACTION["inputs"])])
    assert listed == {name: entry["default"] for name, entry in ACTION["inputs"].items()}


@pytest.mark.parametrize("name", [".github/workflows/validate.yml", ".github/workflows/scan.yml"])
def test_the_workflows_on_the_page_use_inputs_that_there_are(name: str) -> None:
    [job] = workflow(name)["jobs"].values()
    [step] = [step for step in job["steps"] if "/chatkit-runtime@" in step["uses"]]
    assert step["with"].keys() <= ACTION["inputs"].keys()


def act(folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the last step of the action as GitHub does, the package being installed already."""
    step = ACTION["runs"]["steps"][-1]
    values = {name: inputs.get(name.replace("-", "_"), entry["default"]) for name, entry in ACTION["inputs"].items()}
    names = {variable: re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", text) for variable, text in step["env"].items()}
    variables = {variable: values[match[1]] for variable, match in names.items() if match}
    assert variables.keys() == step["env"].keys()
    return run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], folder, **variables)


needs_bash = pytest.mark.skipif(os.name == "nt" or not shutil.which("bash"), reason="GitHub's runners bring bash")


@needs_bash
def test_the_action_annotates_the_pull_request(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(WRONG)
    ran = act(tmp_path)
    assert ran.returncode == 1
    assert ran.stdout.startswith(
        "::error file=agents.yaml,line=2,endLine=2,col=19,endColumn=24,title=A101::unknown key"
    )


@needs_bash
def test_the_action_takes_several_projects_and_hostile_names(tmp_path: Path) -> None:
    names = ("bot", "a b", "--help", "$(touch pwned)", "'; touch pwned; '")
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "agents.yaml").write_text(FINE)
    ran = act(tmp_path, path="\n".join([*names, ""]), format="text")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith(f"{len(names)} projects: ok\n")
    assert not (tmp_path / "pwned").exists()


@needs_bash
def test_the_action_writes_a_report_and_fails_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(WRONG)
    ran = act(tmp_path, format="sarif", output="out.sarif")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert json.loads((tmp_path / "out.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"


@needs_bash
def test_the_action_can_be_strict(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(FINE.replace("default:", "spare: gpt-6.1-sol, default:"))
    assert act(tmp_path).returncode == 0
    assert act(tmp_path, strict="true").returncode == 1


# --- the page


def commands() -> list[str]:
    """Every call of the program on the page: in its programs, in its workflows, and within a sentence."""
    text = "\n".join(re.findall(r"`(chatkit-runtime [^`]*)`", page()) + blocks("sh") + blocks("yaml"))
    lines = [line.partition("#")[0].strip().removeprefix("- ") for line in text.splitlines()]
    return [line.partition(" > ")[0] for line in lines if line.startswith(f"{PROGRAM} ")]


def test_there_are_commands_on_the_page() -> None:
    assert len(commands()) >= 4


@pytest.mark.parametrize("command", commands())
def test_each_command_on_the_page_exists(command: str) -> None:
    verb, *arguments = shlex.split(command)[1:]
    parser: Any = typer.main.get_command(app)
    assert verb in parser.commands
    parser.commands[verb].make_context(verb, arguments)


@pytest.mark.parametrize("output", FORMATS)
def test_an_example_on_the_page_is_what_is_printed(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    [example] = [block for block in blocks("yaml") if block.startswith("# bot/agents.yaml\n")]
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "agents.yaml").write_text(example, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    ran = cli("validate", "bot", "--format", output)
    assert ran.code == 1
    language = {"json": "json", "sarif": "json", "junit": "xml"}.get(output, "text")
    command = f"$ chatkit-runtime validate bot{f' --format {output}' if output != 'text' else ''}\n"
    shown = ran.out if language != "text" else command + ran.out
    block = f"<!-- report: {output} -->\n```{language}\n{shown}```\n<!-- end -->"
    pattern = re.compile(rf"<!-- report: {output} -->\n.*?<!-- end -->", re.DOTALL)
    if os.environ.get("UPDATE_EXPECTED"):
        PAGE.write_text(pattern.sub(lambda _: block, page()), encoding="utf-8")
    assert pattern.findall(page()) == [block], "docs/guide/ci.md is old (UPDATE_EXPECTED=1 rewrites it)"


def test_the_page_explains_every_field_of_the_document(cli: Callable[..., Any], project: Path) -> None:
    (project / "agents.yaml").write_text(WRONG)
    document = json.loads(cli("validate", "small", "--format", "json").out)
    fields = set(document)
    for part in ("projects", "diagnostics"):
        fields |= {f"{part}[].{name}" for name in document[part][0]}
    # These have the same name and meaning at both places.
    fields -= {f"projects[].{name}" for name in ("errors", "warnings", "notes")}

    table = page().partition("| field | meaning |")[2].partition("\n\n")[0]
    explained: list[str] = []
    for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE):
        names = re.findall(r"`(.*?)`", row)
        part = names[0].rpartition(".")[0]
        explained += [names[0], *(f"{part}.{name}" if part else name for name in names[1:])]
    assert sorted(explained) == sorted(fields)


def test_the_junit_report_is_what_the_recipe_of_gitlab_collects(cli: Callable[..., Any], project: Path) -> None:
    job = workflow(".gitlab-ci.yml")["validate"]
    written = job["script"][-1].partition(" > ")[2]
    assert job["artifacts"]["reports"]["junit"] == written
    assert job["artifacts"]["when"] == "always"
    ran = cli(*shlex.split(job["script"][-1].partition(" > ")[0])[1:4], "small")
    # Nobody but the command has written it.
    assert ElementTree.fromstring(ran.out.split("\n", 1)[1]).tag == "testsuites"
