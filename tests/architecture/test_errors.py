"""Every exception class of the runtime has one root."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import runtime
from runtime.errors import RuntimeFault

ROOT = Path(runtime.__file__).parent


def exception_modules() -> Iterator[str]:
    """Name every module that defines a class whose base looks like an exception."""
    for file in sorted(ROOT.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        bases = [ast.unparse(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases]
        if any(base.endswith(("Error", "Exception", "Fault", "Warning")) for base in bases):
            yield ".".join(file.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", list(exception_modules()))
def test_every_exception_class_derives_from_the_root(name: str) -> None:
    module = importlib.import_module(name)
    classes = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == name]
    raised = [kind for kind in classes if issubclass(kind, BaseException) and not issubclass(kind, Warning)]
    assert [kind for kind in raised if not issubclass(kind, RuntimeFault)] == []
