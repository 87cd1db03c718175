"""A store's address in another form: the hint shows the right one, unless the value may contain a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config


def hint(folder: Path, address: str, **environ: str) -> str:
    (folder / "agents.yaml").write_text(f"version: 1\nstore: '{address}'\nagents: {{a: {{model: gpt-6-luna}}}}\n")
    [diagnostic] = load_config(folder, environ=environ).diagnostics
    assert (diagnostic.code, diagnostic.place.line) == ("A105", 2)
    return diagnostic.hint


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("./x.db", "sqlite:///x.db"),
        ("data/threads.sqlite3", "sqlite:///data/threads.sqlite3"),
        ("/var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("sqlite://x.db", "sqlite:///x.db"),
        ("sqlite:./x.db", "sqlite:///x.db"),
        ("sqlite3:///x.db", "sqlite:///x.db"),
        ("file:x.db", "sqlite:///x.db"),
        (":memory:", "memory"),
        ("in-memory", "memory"),
    ],
)
def test_a_file_is_written_as_an_address(tmp_path: Path, address: str, meant: str) -> None:
    assert hint(tmp_path, address) == f"did you mean {meant!r}?"


@pytest.mark.parametrize("address", ["mysql://me:pa55@host/x.db", "me:pa55@host/x.db", "pa55?x.db"])
def test_an_address_that_may_hold_a_password_is_not_shown(tmp_path: Path, address: str) -> None:
    assert hint(tmp_path, address) == "memory, sqlite:///FILE or postgresql://…"


def test_a_value_of_a_variable_is_not_shown(tmp_path: Path) -> None:
    assert "x.db" not in hint(tmp_path, "${STORE}", STORE="./x.db")
