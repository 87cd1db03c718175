"""The report file of an unexpected error: what it contains, where it is, and that it contains no secret."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import runtime
from runtime.cli.bug_report import write_bug_report
from runtime.cli.commands import chat, validate

KEY = "correct-horse-battery-staple"
CONFIG = (
    "version: 1\nmodels: {{default: {{name: gpt-6-luna, api_key: {key}}}}}\nagents: {{helper: {{instructions: x}}}}\n"
)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make the commands `validate` and `chat` raise an unexpected error with this message."""

    def set_message(message: str) -> None:
        def broken(*_: object, **__: object) -> int:
            raise KeyError(message)

        monkeypatch.setattr(validate, "validate_projects", broken)
        monkeypatch.setattr(chat, "chat_with", broken)

    return set_message


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def only_file(folder: Path) -> Path:
    [file] = folder.glob("*bug-*.txt")
    return file


def test_a_bug_ends_with_three_and_a_report_in_the_project(
    project: Path, cli: Callable[..., Any], fail: Callable[[str], None]
) -> None:
    fail("lost")
    ran = cli("validate", "small", "--strict")
    file = only_file(project / ".chatkit")
    name = file.relative_to(project.parent)
    assert ran.code == 3
    assert ran.err == f"error: unexpected KeyError: 'lost'\nto report a bug, attach {name} (review it first)\n"
    text = file.read_text()
    assert text.startswith(f"chatkit-runtime {runtime.__version__}\n")
    assert "command: chatkit-runtime validate small --strict\n" in text
    for line in ("python: ", "platform: ", "openai-agents: ", "openai-chatkit: ", "pydantic: "):
        assert f"\n{line}" in text
    assert "Traceback (most recent call last)" in text
    assert text.endswith("KeyError: 'lost'\n")
    assert os.name == "nt" or stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_same_bug_has_one_file(project: Path, cli: Callable[..., Any], fail: Callable[[str], None]) -> None:
    fail("lost")
    for _ in range(3):
        cli("validate", "small/agents.yaml")
    assert only_file(project / ".chatkit")
    fail("another")
    cli("validate", "small")
    assert len(list((project / ".chatkit").iterdir())) == 2


@pytest.mark.parametrize("where", ["the file", ".env", "the environment"])
@pytest.mark.parametrize("is_broken", [False, True])
def test_a_secret_of_the_project_is_masked(
    project: Path,
    cli: Callable[..., Any],
    fail: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    is_broken: bool,
) -> None:
    (project / "agents.yaml").write_text(CONFIG.format(key=KEY if where == "the file" else "${SHOP_API_KEY}"))
    if where == ".env":
        (project / ".env").write_text(f"SHOP_API_KEY={KEY}\n")
    elif where == "the environment":
        monkeypatch.setenv("SHOP_API_KEY", KEY)
    if is_broken and where != "the file":

        def broken(*_: object, **__: object) -> None:
            raise ValueError("the loader has a bug")

        monkeypatch.setattr("runtime.config.load.load_config", broken)
    fail(f"the endpoint refused {KEY}")
    assert cli("validate", "small").code == 3
    text = only_file(project / ".chatkit").read_text()
    assert "the endpoint refused ***" in text
    assert KEY not in text


@pytest.mark.parametrize(
    "header", [("-H", f"X-Api-Key: {KEY}"), ("--header", f"X-Api-Key:{KEY}"), (f"--header=X-Api-Key: Token {KEY}",)]
)
def test_the_command_line_shows_no_header_and_no_password(
    project: Path, cli: Callable[..., Any], fail: Callable[[str], None], header: tuple[str, ...]
) -> None:
    fail(f"the server said {KEY}")
    assert cli("chat", "small", "--url", "https://ann:hunter22@chat.example.com/chatkit", *header).code == 3
    text = only_file(project / ".chatkit").read_text()
    assert "X-Api-Key: ***" in text
    assert "https://ann:***@chat.example.com" in text
    assert KEY not in text
    assert "hunter22" not in text


def test_without_a_project_the_report_is_a_temporary_file(
    tmp_path: Path,
    temporary: Path,
    cli: Callable[..., Any],
    fail: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(temporary.parent)
    fail("lost")
    ran = cli("validate")
    assert f"attach temporary/{only_file(temporary).name} " in ran.err
    assert not (tmp_path / ".chatkit").exists()


def test_a_project_that_can_not_be_written_gets_a_temporary_file(project: Path, temporary: Path) -> None:
    (project / ".chatkit").write_text("a file where the folder should be")
    file = write_bug_report(KeyError("lost"), ["validate", str(project)], {})
    assert file == only_file(temporary)


def test_a_report_that_can_not_be_written_fails_no_command(
    project: Path, cli: Callable[..., Any], fail: Callable[[str], None], monkeypatch: Any
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(tempfile, "mkstemp", broken)
    fail("lost")
    assert write_bug_report(KeyError("lost"), ["x" * 5000, "nul\0", "\ud800"], {}) is None
    ran = cli("validate", "small")
    assert ran.code == 3
    assert ran.err.endswith("(run `chatkit-runtime --debug …` or set CHATKIT_DEBUG=1 to see the traceback)\n")


def test_a_mistake_of_the_user_writes_no_report(project: Path, cli: Callable[..., Any]) -> None:
    assert cli("schema", "mine.json").code == 2
    (project / "agents.yaml").write_text("version: 2\n")
    assert cli("validate", "small").code == 1
    assert not (project / ".chatkit").exists()
