"""Secrets in plain text: warned of where they stand, and no placeholder, header or local word is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

HEAD = "version: 1\nagents: {a: {model: m}}\n"
KEY = "sk-proj-" + "a1B2c3D4e5" * 4


def warned(folder: Path, text: str, **environ: str) -> list[str]:
    (folder / "agents.yaml").write_text(text, encoding="utf-8")
    found = check_project(load_config(folder, environ=environ))
    return [f"{d.place}: {d.message} ({d.hint})" for d in found if d.code == "A503" and d.severity == "warning"]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("models: {m: {name: x, api_key: hunter2}}", "3:32: the secret of 'api_key' is in plain text"),
        ("admin: {token: s3cret}", "3:16: the secret of 'token' is in plain text"),
        ("models: {m: {name: x, headers: {Authorization: Basic YTpi}}}", "3:48: the secret of 'Authorization'"),
        ("models: {m: {name: x, headers: {X-Api-Key: abcdef}}}", "3:44: the secret of 'X-Api-Key'"),
        ("store: postgresql://me:hunter2@db.example.com/x", "3:8: a password is in plain text"),
        ("models: {m: {name: x, base_url: 'https://me:hunter2@host/v1'}}", "3:33: a password is in plain text"),
        ("tools: {t: {python: 'a:b', with: {api_key: abcdef123}}}", "3:44: the secret of 'api_key'"),
        (f"chat: {{greeting: 'use {KEY}'}}", "3:18: an API key is in plain text"),
        (f"# key: {KEY}", "3:8: an API key is in plain text"),
        (f"chat: {{greeting: '${{WORDS:-{KEY}}}'}}", "3:18: an API key is in plain text"),
    ],
)
def test_a_secret_in_plain_text_is_warned_of(tmp_path: Path, section: str, expected: str) -> None:
    found = warned(tmp_path, f"{HEAD}{section}\n")
    assert len(found) == 1
    assert found[0].startswith(f"agents.yaml:{expected}")
    assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    "section",
    [
        "models: {m: {name: x, api_key: none}}",
        "models: {m: {name: x, api_key: ''}}",
        "models: {m: {name: x, api_key: '${KEY}'}}",
        "models: {m: {name: x, api_key: '${NO_SUCH}'}}",
        "models: {m: {name: x, api_key: '${NO_SUCH:-none}'}}",
        "models: {m: {name: x, base_url: 'http://127.0.0.1:1234/v1', api_key: lm-studio-word}}",
        "models: {m: {name: x, headers: {HTTP-Referer: 'https://example.com', X-Title: My App}}}",
        "models: {m: {name: x, headers: {Authorization: 'Bearer ${KEY}'}}}",
        "store: sqlite:///x.db",
        "store: postgresql://postgres:postgres@localhost/x",
        "store: postgresql://me:${KEY}@db/x",
        "store: postgresql://db:5432/x",
        "tools: {t: {python: 'a:b', with: {token_url: 'https://example.com/token', secret: app.keys:load}}}",
        "actions: {reset.password: {message: hello}}",
        "chat: {greeting: 'write to me@example.com: it works'}",
    ],
)
def test_what_is_no_secret_is_not_warned_of(tmp_path: Path, section: str) -> None:
    assert warned(tmp_path, f"{HEAD}{section}\n", KEY=KEY) == []


def test_a_key_in_a_prompt_is_warned_of_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "p.md").write_text(f"Hello.\nUse {KEY} for all.\n", encoding="utf-8")
    found = warned(tmp_path, "version: 1\nagents: {a: {model: m, instructions: {file: p.md}}}\n")
    assert [line.partition(" (")[0] for line in found] == ["p.md:2:5: an API key is in plain text"]


def test_an_anchor_that_two_models_use_is_warned_of_once(tmp_path: Path) -> None:
    found = warned(
        tmp_path, f"{HEAD}x-k: &k hunter2\nmodels: {{m: {{name: x, api_key: *k}}, n: {{name: y, api_key: *k}}}}\n"
    )
    assert [line.partition(" (")[0] for line in found] == ["agents.yaml:3:6: the secret of 'api_key' is in plain text"]


def test_the_hint_names_a_variable(tmp_path: Path) -> None:
    found = warned(tmp_path, f"{HEAD}models: {{my-own: {{name: x, api_key: hunter2}}}}\n")
    assert found[0].endswith("(write ${MY_OWN_API_KEY} and put MY_OWN_API_KEY=… into .env)")
