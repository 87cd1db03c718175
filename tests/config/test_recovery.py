"""Error recovery: a missing or superfluous part of a file is reported, and no check fails on the rest."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from runtime.config.load import load_config
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.validation.project import check_project
from tests.config.catalogue import CONFIGS, ENVIRON, TODAY, good_configs

GOOD = CONFIGS / "good"
TOKEN = re.compile(r"[\w./:-]+|[\[\]{},:'\"]")
# A file of hundreds of lines has more places than a test can try: these many of each kind, chosen at random.
MOST = 6
Item = TypeVar("Item")


def damaged(text: str, seed: str) -> Iterator[str]:
    """The text without its end, without a line or a word, and with a word too much."""
    chosen = random.Random(seed)
    words = [match.span() for match in TOKEN.finditer(text)]
    lines = text.splitlines(keepends=True)
    for end in some(range(len(text)), chosen):
        yield text[:end]
    for index in some(range(len(lines)), chosen):
        yield "".join([*lines[:index], *lines[index + 1 :]])
    for start, end in some(words, chosen):
        yield text[:start] + text[end:]
        yield f"{text[:start]}, me, {text[end:]}"
        yield f"{text[:start]}null{text[end:]}"


def some(items: Sequence[Item], chosen: random.Random) -> list[Item]:
    return chosen.sample(items, min(MOST, len(items)))


def report(config: Path) -> list[Diagnostic]:
    return check_project(load_config(config, environ=ENVIRON), TODAY)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The good configs, with the files that they name."""
    return Path(shutil.copytree(GOOD, tmp_path / "project"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("config", good_configs(), ids=lambda config: config.stem)
def test_a_damaged_config_is_checked_to_its_end(project: Path, config: Path) -> None:
    for text in damaged(config.read_text(encoding="utf-8"), config.stem):
        (project / config.name).write_text(text, encoding="utf-8")
        report(project / config.name)


NAMED = ("demo/script.yaml", "widgets/order.json", "parts/robust.widget", "parts/team.yaml", "parts/pets.yaml")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMED)
def test_a_damaged_file_that_a_config_names_is_checked_to_its_end(project: Path, name: str) -> None:
    naming = next(config for config in good_configs() if name in config.read_text(encoding="utf-8"))
    file = project / name
    for text in damaged(file.read_text(encoding="utf-8"), name):
        file.write_text(text, encoding="utf-8")
        report(project / naming.name)


UNQUOTED_COMMA = """version: 1
agents: {a: {model: gpt-6-luna, instructions: Hi}}
chat: {start_prompts: [{label: Ask, me, prompt: Hello}]}
"""
HALF_AN_ENTRY = """version: 1
entry: a
agents:
  a: {model: gpt-6-luna, instructions: Hi, handoffs: [{agent: b, description: }, {agnt: b, tool_name: }]}
  b: {model: gpt-6-luna, instructions: Hi}
"""
NO_VALUE_IN_A_LIST = """version: 1
entry: [{when: , agent: a}, {wen: x, agent: }, a]
agents: {a: {model: gpt-6-luna, instructions: Hi}}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (UNQUOTED_COMMA, [("A101", 3, 37)]),
        (HALF_AN_ENTRY, [("A101", 4, 83)]),
        (NO_VALUE_IN_A_LIST, [("A102", 2, 16), ("A101", 2, 30)]),
    ],
)
def test_what_recovery_drops_is_reported_at_its_place(
    tmp_path: Path, text: str, expected: list[tuple[str, int, int]]
) -> None:
    (tmp_path / "agents.yaml").write_text(text)
    errors = [each for each in report(tmp_path) if each.severity == "error"]
    places = [(each.code, each.place.line, each.place.column) for each in errors]
    assert [place for place in expected if place not in places] == [], list(map(str, errors))
