"""The rules that keep the tree readable. `python3 dev.py check` runs them, after import-linter's layers and circles."""

from __future__ import annotations

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- modules: generated from their docstrings -->", "<!-- end of modules -->"
MOST_LINES = 400
MOST_LEVELS = 3
"""Folders and the module below runtime/, as in server/turns/turn.py."""
NOT_OURS = ("cli/templates", "stores/migrations/versions")
"""Files that a user gets as theirs, and migrations, which are history and never change."""
SHORTEST_CONSTANT = 26
"""Characters of source below which two constants may be equal by chance."""


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax tree of every module by its path below runtime/."""
    paths = sorted(path for path in RUNTIME.rglob("*.py"))
    names = {path.relative_to(RUNTIME).as_posix(): path for path in paths}
    return {name: ast.parse(path.read_text("utf-8")) for name, path in names.items() if not name.startswith(NOT_OURS)}


def test_every_module_says_why_it_exists() -> None:
    assert [name for name, tree in modules().items() if len(ast.get_docstring(tree) or "") < 10] == []


def test_no_module_is_longer_than_the_limit() -> None:
    lengths = {name: len((RUNTIME / name).read_text("utf-8").splitlines()) for name in modules()}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_no_module_is_deeper_than_three_levels() -> None:
    assert [name for name in modules() if len(Path(name).parts) > MOST_LEVELS] == []


def test_one_class_name_is_one_class() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for name, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name)
    assert {kind: names for kind, names in homes.items() if len(names) > 1} == {}


def test_no_constant_is_written_twice() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for name, tree in modules().items():
        for constant, value in _constants(tree):
            source = ast.unparse(value)
            if len(source) >= SHORTEST_CONSTANT:
                homes[source].append(f"{name}: {constant}")
    assert {value: names for value, names in homes.items() if len(names) > 1} == {}


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name) and target.id.strip("_").isupper():
                    yield target.id, node.value


def test_no_test_uses_a_private_name_of_the_runtime() -> None:
    private = re.compile(r"runtime(\.\w+)*\._[a-zA-Z]\w*")
    used: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if "configs" in path.parts:
            continue
        text = path.read_text("utf-8")
        names = [found[0] for found in private.finditer(text)]
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "runtime":
                names += [f"{node.module}.{alias.name}" for alias in node.names if alias.name.startswith("_")]
        if names:
            used[path.relative_to(ROOT).as_posix()] = names
    assert used == {}


def test_the_architecture_page_lists_every_module() -> None:
    page = PAGE.read_text("utf-8")
    before, found, rest = page.partition(BEGIN)
    assert found, f"docs/architecture.md has no line {BEGIN!r}"
    _, found, after = rest.partition(END)
    assert found, f"docs/architecture.md has no line {END!r}"
    expected = f"{before}{BEGIN}\n\n{module_list()}\n{END}{after}"
    if os.environ.get("UPDATE_EXPECTED"):
        PAGE.write_text(expected, encoding="utf-8")
    assert page == expected, "run UPDATE_EXPECTED=1 python3 dev.py test tests/architecture"


def module_list() -> str:
    """A Markdown list of all packages and modules, each with the first sentence of its docstring."""
    lines: list[str] = []
    for name, tree in sorted(modules().items(), key=lambda item: _order(item[0])):
        path = Path(name)
        is_package = path.name == "__init__.py"
        parts = path.parent.parts if is_package else path.parts
        label = f"`{'/'.join(parts) or 'runtime'}/`" if is_package else f"`{path.stem}`"
        depth = len(parts) - 1 if parts else 0
        first = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
        lines.append(
            f"{'  ' * max(0, depth)}- **{label}** {first}" if is_package else f"{'  ' * depth}- {label} {first}"
        )
    return "\n".join(lines) + "\n"


def _order(name: str) -> tuple[tuple[int, str], ...]:
    """A package before its modules, modules before the packages beside them."""
    path = Path(name)
    folders = tuple((1, part) for part in path.parent.parts)
    return (*folders, (-1, "") if path.name == "__init__.py" else (0, path.stem))
