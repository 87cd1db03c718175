import os
import re
from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.diagnostics.diagnostic import has_errors
from tests.docs.reference import draw_reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("guide/**/*.md"))]
WHOLE_FILES = [
    pytest.param(block, page, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```yaml\n(version: 1\n.*?)```", page.read_text(), re.DOTALL))
]


def test_the_reference_is_what_the_schema_says() -> None:
    page = ROOT / "docs" / "reference.md"
    if os.environ.get("UPDATE_EXPECTED"):
        page.write_text(draw_reference())
    assert page.read_text() == draw_reference()


def test_there_are_whole_files_in_the_docs() -> None:
    assert len(WHOLE_FILES) >= 3


@pytest.mark.parametrize(("block", "page"), WHOLE_FILES)
def test_a_file_in_the_docs_has_no_mistake(block: str, page: Path, tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(block)
    # A block that begins with the name of a file is what the others of its page include.
    for name, part in re.findall(r"```yaml\n# ([\w/]+\.yaml)\n(.*?)```", page.read_text(), re.DOTALL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(part)

    loaded = load_config(tmp_path, environ={})

    assert not has_errors(loaded.diagnostics), "\n".join(map(str, loaded.diagnostics))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_in_the_docs_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_every_page_is_listed_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    pages = [page.relative_to(DOCS).as_posix() for page in PAGES[1:] if page != DOCS / "README.md"]
    assert [page for page in pages if f"]({page})" not in index] == []
