"""The verb `explain`, and an explanation for every code."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.diagnostics.codes import read_codes


def test_every_code_is_explained_in_two_to_five_sentences() -> None:
    lengths = {code: entry.explanation.replace("…", "").count(". ") + 1 for code, entry in read_codes().items()}
    assert {code: count for code, count in lengths.items() if not 2 <= count <= 5} == {}


@pytest.mark.parametrize("code", ["A203", "a203", " A203 "])
def test_a_code_is_explained(cli: Callable[..., Any], code: str) -> None:
    ran = cli("explain", code)
    assert ran.code == 0
    assert ran.out.startswith(
        "A203: an agent's tool that is not declared\n\nAn agent's `tools` are keys of the section"
    )
    assert "\033" not in ran.out


def test_no_line_is_wider_than_the_terminal(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert all(len(line) <= 60 for line in cli("explain", "A316").out.splitlines())


def test_without_a_code_all_are_listed(cli: Callable[..., Any]) -> None:
    ran = cli("explain")
    assert ran.code == 0
    assert ran.out.splitlines() == [f"{code}  {entry.summary}" for code, entry in read_codes().items()]


@pytest.mark.parametrize(
    ("code", "hint"),
    [("A217", "did you mean 'A216'?"), ("203", "did you mean 'A203'?"), ("B203", "did you mean 'A203'?")],
)
def test_an_unknown_code_is_wrong_usage_and_the_nearest_is_named(cli: Callable[..., Any], code: str, hint: str) -> None:
    ran = cli("explain", code)
    assert ran.code == 2
    assert f"unknown code {code!r} ({hint}" in ran.err


def test_what_is_no_code_at_all_has_no_nearest(cli: Callable[..., Any]) -> None:
    ran = cli("explain", "everything")
    assert ran.code == 2
    assert "unknown code 'everything' (without a code, explain lists all codes)" in ran.err
