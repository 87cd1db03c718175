"""The YAML that we write for others can be read by their tools, which are mostly PyYAML."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SKIPPED = {".venv", "node_modules", "tests", ".git"}
FILES = [
    path
    for suffix in ("yaml", "yml")
    for path in ROOT.rglob(f"*.{suffix}")
    if SKIPPED.isdisjoint(path.relative_to(ROOT).parts)
]
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "guide").rglob("*.md")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_yaml_file_is_read_by_pyyaml(path: Path) -> None:
    list(yaml.safe_load_all(path.read_text("utf-8")))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_yaml_block_of_the_docs_is_read_by_pyyaml(path: Path) -> None:
    for block in BLOCK.findall(path.read_text("utf-8")):
        # Blocks may have `…` in the place of what is left out.
        yaml.compose(block)
