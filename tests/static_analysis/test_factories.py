"""Tools that a factory makes of a function inside it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from runtime.static_analysis.factories import made_tool
from runtime.static_analysis.module import Modules
from runtime.static_analysis.resolver import Resolver, Symbol

HEAD = "from agents import function_tool\n"


def made(folder: Path, body: str) -> Symbol | None:
    (folder / "app.py").write_text(HEAD + "def make(unit):\n" + body)
    resolver = Resolver(Modules.of(folder))
    module = resolver.modules.get("app")
    assert module is not None
    factory = resolver.follow(module, ["make"])
    assert isinstance(factory, Symbol)
    return made_tool(resolver, factory)


DEFINED = "    def look(day: str) -> str:\n        return day\n"


@pytest.mark.parametrize(
    "body",
    [
        f"{DEFINED}    return function_tool(look)\n",
        f"{DEFINED}    return function_tool(look, name_override='see')\n",
        f"{DEFINED}    made = function_tool\n    return made(look)\n",
        f"    @function_tool\n{DEFINED}    return look\n",
        f"    @function_tool(strict_mode=False)\n{DEFINED}    return look\n",
    ],
)
def test_the_function_inside_is_found(tmp_path: Path, body: str) -> None:
    symbol = made(tmp_path, body)
    assert symbol is not None
    assert symbol.kind == "tool"
    assert isinstance(symbol.node, ast.FunctionDef)
    assert symbol.node.name == "look"


@pytest.mark.parametrize(
    "body",
    [
        f"{DEFINED}    return look\n",
        f"{DEFINED}    return other(look)\n",
        f"{DEFINED}    function_tool = other\n    return function_tool(look)\n",
        f"{DEFINED}    look = other(look)\n    return function_tool(look)\n",
        f"    if unit:\n        return None\n{DEFINED}    return function_tool(look)\n",
        f"    if unit:\n    {DEFINED.replace('        return', '            return')}    return function_tool(look)\n",
        "    return function_tool(other)\n",
    ],
)
def test_what_another_function_may_make_is_not_guessed(tmp_path: Path, body: str) -> None:
    assert made(tmp_path, body) is None
