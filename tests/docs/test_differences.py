"""Every row of docs/sdk-differences.md has its tests, and each of them is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r'^\| <a id="([a-z-]+)"></a>', (ROOT / "docs" / "sdk-differences.md").read_text(), re.MULTILINE)
TESTS: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("differences.yaml").read_text())


def test_every_row_has_its_tests() -> None:
    assert len(ROWS) == len(set(ROWS)) > 40
    assert list(TESTS) == ROWS
    assert [row for row, tests in TESTS.items() if not tests] == []


def test_each_of_these_tests_is_there() -> None:
    defined: dict[str, set[str]] = {}
    for name in {test.partition("::")[0] for tests in TESTS.values() for test in tests}:
        tree = ast.parse((ROOT / name).read_text())
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        defined[name] = {node.name for node in ast.walk(tree) if isinstance(node, functions)}
    wanted = [test.partition("::") for tests in TESTS.values() for test in tests]
    assert [f"{file}::{name}" for file, _, name in wanted if name not in defined[file]] == []
