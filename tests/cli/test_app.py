from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import runtime
from runtime.cli.commands import validate
from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.errors import ConfigError, RuntimeFault, UsageError

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
VERBS = ("init", "serve", "token", "dev", "chat", "validate", "explain", "show", "schema", "client")
HEAVY = ("agents", "chatkit", "openai", "fastapi", "starlette", "uvicorn", "sqlalchemy", "httpx")


def test_the_version_is_printed(cli: Callable[..., Any]) -> None:
    assert cli("--version").out == f"chatkit-runtime {runtime.__version__}\n"


def test_an_unknown_verb_is_wrong_usage_with_a_suggestion(cli: Callable[..., Any]) -> None:
    ran = cli("validat")
    assert ran.code == 2
    assert "'validate'" in ran.err


@pytest.mark.parametrize("arguments", [(), ("serve", "--port", "-1"), ("show", "--format", "xml"), ("chat", "--nope")])
def test_wrong_usage_ends_with_two(cli: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).code == 2


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            ConfigError([Diagnostic("A601", "no module 'x'", Place("agents.yaml", 3, 1))]),
            1,
            "agents.yaml:3:1: error A601",
        ),
        (UsageError("no such port"), 2, "error: no such port\n"),
        (RuntimeFault("it broke"), 3, "error: it broke\n"),
        (KeyError("k"), 3, "error: unexpected KeyError: 'k'\nto report a bug, attach .chatkit/bug-"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_every_exception_becomes_an_exit_code(
    project: Path,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(project)

    def fail(*args: Any, **kwargs: Any) -> int:
        raise error

    monkeypatch.setattr(validate, "validate_projects", fail)
    ran = cli("validate")
    assert ran.code == code
    assert text in ran.err
    assert "Traceback" not in ran.err


def test_debug_shows_the_traceback(project: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> int:
        raise KeyError("k")

    monkeypatch.setattr(validate, "validate_projects", fail)
    assert "Traceback" in cli("--debug", "validate").err
    monkeypatch.setenv("CHATKIT_DEBUG", "1")
    assert "Traceback" in cli("validate").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("validate", "small"),
        ("schema",),
        ("init", "new"),
        ("show", "small"),
        ("client", "types", "small"),
        ("client", "page", "small", "-o", "web"),
    ],
)
def test_what_needs_no_server_loads_no_sdk_and_no_web_framework(project: Path, arguments: tuple[str, ...]) -> None:
    code = (
        "import sys; from runtime.cli.app import run\n"
        f"code = run({list(arguments)!r})\n"
        f"print('LOADED', code, sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project.parent, check=True)
    assert ran.stdout.endswith("LOADED 0 []\n"), ran.stdout + ran.stderr


SAMPLE = ("agents.yaml", "demo", "prompts", "tools", "widgets")


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("validate",), ("validate", "--strict", "--format=json", "."), ("schema",), ("init", "new")],
)
def test_the_commands_of_editors_load_no_sdk_for_a_project_with_prompts_tools_and_widgets(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    root = DOCS.parents[1]
    for found in (root / name for name in SAMPLE):
        if found.is_dir():
            shutil.copytree(found, tmp_path / found.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif found.exists():
            shutil.copy(found, tmp_path)
    # As the installed command begins: `validate` has a way of its own, which passes the command line's library by.
    code = (
        "import sys; from runtime.__main__ import main\n"
        f"sys.argv = ['chatkit-runtime', *{list(arguments)!r}]\n"
        "try:\n    code = main()\nexcept SystemExit as end:\n    code = end.code\n"
        f"print('LOADED', code or 0, sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ran.stdout.endswith("LOADED 0 []\n"), ran.stdout + ran.stderr


def test_the_docs_hold_the_help_of_every_verb(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("typer.rich_utils.FORCE_TERMINAL", False)
    text = DOCS.read_text(encoding="utf-8")
    for verb in VERBS:
        text = _with_help(text, verb, cli(verb, "--help").out)
    if os.environ.get("UPDATE_EXPECTED"):
        DOCS.write_text(text, encoding="utf-8")
    assert DOCS.read_text(encoding="utf-8") == text, "docs/cli.md is old (UPDATE_EXPECTED=1 rewrites it)"


def _with_help(text: str, verb: str, printed: str) -> str:
    lines = "\n".join(line.rstrip() for line in printed.splitlines()).strip("\n")
    block = f"<!-- help: {verb} -->\n```text\n{lines}\n```\n<!-- end -->"
    new, count = re.subn(rf"<!-- help: {verb} -->\n.*?<!-- end -->", lambda match: block, text, flags=re.DOTALL)
    assert count == 1, f"docs/cli.md has no place for the help of {verb!r}"
    return new
