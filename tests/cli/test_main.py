"""`validate` as editors and hooks call it: without Typer, and with the same words as with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.__main__ import parse_plain_validate

# What a run that finds nothing has no use for.
SPARED = [
    "typer",
    "click",
    "rich",
    "jsonschema",
    "jinja2",
    "agents",
    "chatkit",
    "openai",
    "fastapi",
    "starlette",
    "uvicorn",
    "email",
]
WRONG = "version: 1\nagents:\n  helper:\n    modle: x\n"


def command(*arguments: str, before: str = "", after: str = "") -> subprocess.CompletedProcess[str]:
    call = f"from runtime.__main__ import run\ncode = run({list(arguments)!r})"
    code = f"import sys\n{before}\n{call}\n{after}\nsys.exit(code)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["validate"], {"paths": [Path()], "output": "text", "strict": False}),
        (["validate", "a", "b"], {"paths": [Path("a"), Path("b")], "output": "text", "strict": False}),
        (["validate", "--strict", "a"], {"paths": [Path("a")], "output": "text", "strict": True}),
        (["validate", "a", "--format", "json"], {"paths": [Path("a")], "output": "json", "strict": False}),
        (["validate", "--format=sarif"], {"paths": [Path()], "output": "sarif", "strict": False}),
    ],
)
def test_plain_arguments_are_read(arguments: list[str], expected: dict[str, Any]) -> None:
    assert parse_plain_validate(arguments) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["serve"],
        ["--debug", "validate"],
        ["validate", "--help"],
        ["validate", "--import"],
        ["validate", "--format"],
        ["validate", "--format", "xml"],
        ["validate", "--stric"],
    ],
)
def test_whatever_else_there_is_is_left_to_typer(arguments: list[str]) -> None:
    assert parse_plain_validate(arguments) is None


@pytest.mark.parametrize("options", [[], ["--strict"], ["--format", "json"]])
@pytest.mark.parametrize("text", [WRONG, None])
def test_the_quick_way_says_what_the_long_way_says(
    cli: Callable[..., Any], project: Path, options: list[str], text: str | None
) -> None:
    if text is not None:
        (project / "agents.yaml").write_text(text)
    quick, long = command("validate", "small", *options), cli("validate", "small", *options)
    assert (quick.returncode, quick.stdout, quick.stderr) == (long.code, long.out, long.err)


def test_a_run_that_finds_nothing_imports_nothing_that_it_has_no_use_for(project: Path) -> None:
    (project / "agents.yaml").write_text(
        "version: 1\nmodels: {default: {scripted: script.yaml}}\n"
        'agents: {helper: {instructions: "Help {{ user.name }}."}}\nserver: {port: "${PORT:-8000}"}\n'
    )
    ran = command("validate", "small", after=f"print(sorted(set({SPARED!r}) & set(sys.modules)))")
    assert ran.stdout == "small/agents.yaml: ok (1 agent)\n[]\n", ran.stderr


def test_a_failure_has_the_words_and_the_exit_code_of_every_command(project: Path) -> None:
    broken = "import runtime.cli.commands.validate as v\nv.validate_projects = lambda **_: 1 / 0"
    ran = command("validate", "small", before=broken)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.startswith("error: unexpected ZeroDivisionError")
