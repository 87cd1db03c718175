"""What users are shown imports public names only: `runtime`, `runtime.testing` and `runtime.stores`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC = ("runtime", "runtime.testing", "runtime.stores")
FOLDERS = ("tools", "demo", "examples", "benchmarks/project", "runtime/cli/templates")
# A module in the text, such as `runtime.server.turns`; names of attributes, such as `runtime.store`, are allowed.
MODULE = re.compile(r"\bruntime\.(?:assemble|autoreload|config|project_code|server|testing|stores)\.[\w.]+")


def guides() -> list[Path]:
    """Return the pages for users. Pages of diagnostics show mistakes; architecture.md is for maintainers."""
    pages = (ROOT / "docs").rglob("*.md")
    return [
        path
        for path in pages
        if path.name not in ("architecture.md", "README.md") and path.parent.name != "diagnostics"
    ]


def shown_code() -> Iterator[tuple[str, str]]:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *guides()):
        for block in re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            yield path.relative_to(ROOT).as_posix(), block


def imported_names(code: str) -> Iterator[tuple[str, str]]:
    """Yield the module and the name of each import from the runtime."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "runtime":
            yield from ((str(node.module), alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "runtime")


def is_public(module: str, name: str) -> bool:
    if f"{module}.{name}" in PUBLIC:
        return True
    return module in PUBLIC and (not name or name in import_module(module).__all__)


def test_what_users_are_shown_imports_public_names_only() -> None:
    imports = [(where, *found) for where, code in shown_code() for found in imported_names(code)]
    assert len(imports) > 10
    assert [found for found in imports if not is_public(*found[1:])] == []


def test_the_guides_name_no_internal_module() -> None:
    named = [(path.name, match[0]) for path in guides() for match in MODULE.finditer(path.read_text(encoding="utf-8"))]
    assert named == []


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_exists(module: str) -> None:
    package = import_module(module)
    assert [name for name in package.__all__ if not hasattr(package, name)] == []
