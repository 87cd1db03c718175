"""Every file of tests/configs/bad, and the exact text that it is refused with (UPDATE_EXPECTED=1 writes it)."""

import os
from pathlib import Path

import pytest

from runtime.config.codes import CODES
from runtime.config.load import load_config
from runtime.diagnostics import has_errors

CONFIGS = Path(__file__).parent.parent / "configs"
BAD = sorted((CONFIGS / "bad").glob("*.yaml"))
GOOD = sorted((CONFIGS / "good").glob("*.yaml"))
ENVIRON = {"PORT": "8080", "WORD": "s3cret-word"}
# What no file alone can show: no file at all, no permission, a broken .env, and a mistake that the schema doesn't see.
ELSEWHERE = {"A001", "A002", "A502", "A199"} | {code for code in CODES if code > "A300"}


def render(file: Path) -> str:
    return "".join(f"{diagnostic}\n" for diagnostic in load_config(file, environ=ENVIRON).diagnostics)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_bad_file_is_refused_with_the_expected_text(file: Path) -> None:
    expected = file.with_suffix(".txt")
    if os.environ.get("UPDATE_EXPECTED"):
        expected.write_text(render(file), encoding="utf-8")
    assert render(file) == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_the_value_of_a_variable_is_never_repeated(file: Path) -> None:
    assert ENVIRON["WORD"] not in render(file)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_config_is_none_exactly_when_there_are_errors(file: Path) -> None:
    loaded = load_config(file, environ=ENVIRON)
    assert (loaded.config is None) == has_errors(loaded.diagnostics)


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.stem)
def test_a_good_file_loads_without_errors_and_warnings(file: Path) -> None:
    loaded = load_config(file, environ=ENVIRON, unset="error")
    assert [str(d) for d in loaded.diagnostics if d.severity != "note"] == []
    assert loaded.config is not None


def test_every_code_has_a_bad_file_and_every_bad_file_only_known_codes() -> None:
    emitted = {diagnostic.code for file in BAD for diagnostic in load_config(file, environ=ENVIRON).diagnostics}
    assert emitted == CODES.keys() - ELSEWHERE


def test_the_documentation_lists_every_code_and_its_meaning() -> None:
    page = (CONFIGS.parent.parent / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| A")]
    assert dict(rows) == CODES
