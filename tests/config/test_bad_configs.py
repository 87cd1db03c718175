"""Every config of tests/configs/bad, and the exact text that it is refused with (UPDATE_EXPECTED=1 writes it)."""

import os
from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.diagnostics.codes import read_codes
from runtime.diagnostics.diagnostic import has_errors
from runtime.validation.project import check_project
from tests.config.catalogue import (
    BUILT,
    CONFIGS,
    ENVIRON,
    FOLDERS,
    TODAY,
    WITHOUT_FIXTURE,
    bad_configs,
    expected_codes,
    expected_of,
    good_configs,
    render,
)

BAD = bad_configs()
GOOD = good_configs()
CODES = read_codes()
PAIRED = [code for code in CODES if code not in (*BUILT, *WITHOUT_FIXTURE)]


@pytest.mark.parametrize("config", BAD, ids=lambda config: config.stem)
def test_a_bad_config_is_refused_with_the_expected_text(config: Path) -> None:
    expected = expected_of(config)
    if os.environ.get("UPDATE_EXPECTED"):
        expected.write_text(render(config), encoding="utf-8")
    said = render(config)
    assert said == expected.read_text(encoding="utf-8")
    assert said, "a bad config without a mistake"
    assert ENVIRON["WORD"] not in said, "the value of a variable is repeated"


@pytest.mark.parametrize("config", BAD, ids=lambda config: config.stem)
def test_a_config_is_none_exactly_when_loading_it_has_errors(config: Path) -> None:
    loaded = load_config(config, environ=ENVIRON)
    assert (loaded.config is None) == has_errors(loaded.diagnostics)


@pytest.mark.parametrize("config", GOOD, ids=lambda config: config.stem)
def test_a_good_file_has_no_errors_and_no_warnings(config: Path) -> None:
    loaded = load_config(config, environ=ENVIRON, unset="error")
    # Which packages are installed is the machine's affair; full.yaml has every kind of model.
    allowed = {"A624"} if config.stem == "full" else set()
    assert [str(d) for d in check_project(loaded, TODAY) if d.severity != "note" and d.code not in allowed] == []
    assert loaded.config is not None


@pytest.mark.parametrize("code", PAIRED)
def test_each_code_has_a_config_that_shows_it_and_one_that_does_it_right(code: str) -> None:
    bad = CONFIGS / "bad" / (code if code in FOLDERS else f"{code}.yaml")
    good = CONFIGS / "good" / f"{code}.yaml"
    assert bad.exists(), f"{code} has no config that shows it"
    assert good.is_file(), f"{code} has no config that does it right"
    assert code in {code for _, code in expected_codes(bad)}


@pytest.mark.parametrize("config", [config for config in BAD if config.stem in CODES], ids=lambda config: config.stem)
def test_the_config_of_a_code_shows_nothing_else_and_says_in_its_first_line_what_is_wrong(config: Path) -> None:
    codes = {code for severity, code in expected_codes(config) if severity != "note" or code == config.stem}
    assert codes == {config.stem}
    if config.is_file() and config.stem != "A003":
        assert config.read_text(encoding="utf-8").startswith("# ")


def test_bad_configs_show_only_codes_of_the_catalogue_and_there_are_more_than_a_hundred() -> None:
    shown = {code for config in BAD for _, code in expected_codes(config)}
    assert shown <= CODES.keys()
    assert not shown & {*BUILT, *WITHOUT_FIXTURE}, "these need no list of exceptions"
    assert len(BAD) >= 100


def test_no_fixture_is_left_over() -> None:
    texts = {path.stem for path in (CONFIGS / "bad").glob("*.txt")}
    assert texts == {config.stem for config in BAD}
    assert {config.stem for config in GOOD if config.stem[1:].isdigit()} <= CODES.keys()
    assert [code for code in (*FOLDERS, *BUILT, *WITHOUT_FIXTURE) if code not in CODES] == []
