"""The pages of the diagnostics are what codes, explanations and fixtures say (UPDATE_EXPECTED=1 writes them)."""

import os
import re
from pathlib import Path

import pytest

from runtime.diagnostics.codes import read_codes
from tests.config.catalogue import WITHOUT_FIXTURE
from tests.docs.diagnostics import SECTIONS, draw_index, draw_page, fixtures_of

CODES = read_codes()
DOCS = Path(__file__).parents[2] / "docs"
PAGES = DOCS / "diagnostics"


def hold(page: Path, text: str) -> None:
    if os.environ.get("UPDATE_EXPECTED"):
        page.parent.mkdir(exist_ok=True)
        page.write_text(text, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == text, f"{page.name} is old (UPDATE_EXPECTED=1 rewrites it)"


def test_the_index_lists_every_code() -> None:
    hold(DOCS / "diagnostics.md", draw_index())
    rows = re.findall(r"^\| \[(A\d+)\]\(diagnostics/\1\.md\) \| (.*) \|$", draw_index(), re.MULTILINE)
    assert dict(rows) == {code: entry.summary for code, entry in CODES.items()}
    assert {code[:2] for code in CODES} == SECTIONS.keys()


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_both_fixtures_and_a_page_that_shows_them(code: str) -> None:
    if code not in WITHOUT_FIXTURE:
        for fixture in fixtures_of(code):
            assert fixture.exists(), f"{code} has no {fixture}"
    hold(PAGES / f"{code}.md", draw_page(code))
    if code not in WITHOUT_FIXTURE:
        assert f" {code}: " in draw_page(code)


def test_there_is_no_page_for_what_is_no_code() -> None:
    assert {page.stem for page in PAGES.iterdir()} == CODES.keys()
