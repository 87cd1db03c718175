"""Count what each example takes: by hand and declared, in lines of Python, YAML and JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "examples.md"
KINDS = {".py": "Python", ".yaml": "YAML", ".json": "JSON", ".widget": "JSON"}
SHARED = {"courier_desk": ("app", "widgets")}
"""The folders that both sides of an example use; `app` where none are named."""


def examples() -> list[Path]:
    return sorted(path.parent for path in EXAMPLES.glob("*/agents.yaml"))


def lines_of(path: Path) -> int:
    """Count the lines that say something: neither blank nor only a comment."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    comment = "#" if path.suffix in (".py", ".yaml") else None
    return sum(1 for line in lines if line and not (comment and line.startswith(comment)))


def count(example: Path) -> dict[str, dict[str, int]]:
    """The lines by side ('handwritten', 'declared', 'shared') and language."""
    sides: dict[str, dict[str, int]] = {side: {} for side in ("handwritten", "declared", "shared")}
    for path, side in (*_files(example), (EXAMPLES / "memory_store.py", "handwritten")):
        kind = KINDS[path.suffix]
        sides[side][kind] = sides[side].get(kind, 0) + lines_of(path)
    return sides


def _files(example: Path) -> Iterator[tuple[Path, str]]:
    shared = SHARED.get(example.name, ("app",))
    for path in sorted(example.rglob("*")):
        if path.suffix not in KINDS or "__pycache__" in path.parts or ".chatkit" in path.parts:
            continue
        top = path.relative_to(example).parts[0]
        yield path, "shared" if top in shared else "handwritten" if top == "handwritten" else "declared"


def table() -> str:
    rows = ["| example | by hand | declared | both use |", "|---|---|---|---|"]
    for example in examples():
        cells = [_cell(count(example)[side]) for side in ("handwritten", "declared", "shared")]
        rows.append(f"| [{example.name}](../examples/{example.name}) | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(counts: dict[str, int]) -> str:
    by_kind = ", ".join(f"{counts[kind]} {kind}" for kind in ("Python", "YAML", "JSON") if counts.get(kind))
    total = sum(counts.values())
    return f"**{total}**: {by_kind}" if len(counts) > 1 else by_kind or "none"


def test_the_page_has_the_counts_of_every_example() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split("<!-- counts -->\n")
    _, after = rest.split("<!-- end of counts -->")
    wanted = f"{before}<!-- counts -->\n{table()}\n<!-- end of counts -->{after}"
    if os.environ.get("UPDATE_EXPECTED"):
        PAGE.write_text(wanted, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == wanted


@pytest.mark.parametrize("example", examples(), ids=lambda path: path.name)
def test_every_example_has_both_sides_and_says_how_it_is_run(example: Path) -> None:
    sides = count(example)
    assert sides["handwritten"].get("Python")
    assert sides["declared"].get("YAML")
    assert "chatkit-runtime serve" in (example / "README.md").read_text(encoding="utf-8")
