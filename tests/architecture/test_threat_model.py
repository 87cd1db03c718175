"""The threat model names tests that exist, and every requirement is locked by a hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)


def test_the_threat_model_names_a_test_for_every_defence() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| who ")]
    assert len(rows) > 15
    assert all("`tests/" in row.rsplit("|", 2)[1] for row in rows)


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_a_test_that_the_threat_model_names_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file()
    if name:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("file", ["runtime.txt", "dev.txt", "extras.txt"])
def test_every_requirement_has_a_hash(file: str) -> None:
    text = (ROOT / "requirements" / file).read_text("utf-8")
    packages = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(packages) > 20
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []


def test_all_locks_have_the_same_versions_and_no_address() -> None:
    locks: list[dict[str, set[str]]] = []
    for file in ("runtime.txt", "dev.txt", "extras.txt"):
        text = (ROOT / "requirements" / file).read_text("utf-8")
        assert "://" not in text
        pins: dict[str, set[str]] = {}
        # A package may have a version for each Python.
        for name, version in re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)", text, re.MULTILINE):
            pins.setdefault(name, set()).add(version)
        locks.append(pins)
    *smaller, largest = locks
    for pins in smaller:
        assert {name: versions for name, versions in pins.items() if largest[name] != versions} == {}
