"""`chatkit-runtime token`: the token that it prints logs in with the lines that it prints."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project


def _printed(out: str) -> tuple[str, str]:
    """Return the token, and the lines for agents.yaml."""
    lines = out.splitlines()
    token = next(line.strip() for line in lines if line.startswith("  chatkit_"))
    at = lines.index("  auth:")
    return token, "\n".join(line[2:] for line in lines[at : at + 3]) + "\n"


@pytest.mark.parametrize("user", ["ada", "ada@example.com", "12", "a b", 'quo"te', "true", "ci-bot_1"])
def test_the_lines_that_are_printed_declare_the_token(cli: Callable[..., Any], tmp_path: Path, user: str) -> None:
    ran = cli("token", user, "--days", "90")
    assert (ran.code, ran.err) == (0, "")
    token, lines = _printed(ran.out)
    assert len(token) >= 43
    (tmp_path / "agents.yaml").write_text(f"version: 1\nagents: {{a: {{model: m, instructions: Hi.}}}}\n{lines}")
    loaded = load_config(tmp_path, environ={"OPENAI_API_KEY": "none"})
    assert [str(each) for each in check_project(loaded) if each.code.startswith(("A2", "A5"))] == []
    assert loaded.config is not None
    declared = loaded.config.auth.bearer[user]  # type: ignore[union-attr]  # bearer
    assert declared.token == f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"
    assert declared.expires == (datetime.now(UTC) + timedelta(days=90)).date().isoformat()


def test_each_token_is_another_one_and_may_have_no_expiry(cli: Callable[..., Any]) -> None:
    printed = [_printed(cli("token", "ada").out) for _ in range(3)]
    assert len({token for token, _ in printed}) == 3
    assert not any("expires" in lines for _, lines in printed)


@pytest.mark.parametrize("user", ["", " ", "local", "a\tb"])
def test_an_id_that_nobody_can_have_is_refused(cli: Callable[..., Any], user: str) -> None:
    ran = cli("token", user)
    assert (ran.code, ran.out) == (2, "")
    assert "can't be the id of a user" in ran.err


def test_a_token_in_plain_text_is_found_by_validate(cli: Callable[..., Any], tmp_path: Path) -> None:
    token, _ = _printed(cli("token", "ada").out)
    text = f'version: 1\nagents: {{a: {{model: m, instructions: "Send {token}"}}}}\n'
    (tmp_path / "agents.yaml").write_text(text)
    ran = cli("validate", str(tmp_path))
    assert "A503" in ran.out + ran.err
    assert token not in ran.out + ran.err
