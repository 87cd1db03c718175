"""The attributes of instances and of what functions return: certain, or unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.static_analysis.instances import attributes_of, required_fields, returned_by
from runtime.static_analysis.module import Modules
from runtime.static_analysis.resolver import Resolver, Symbol

BASE = """
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, TypedDict
from pydantic import BaseModel, ConfigDict

"""


def resolve(tmp_path: Path, text: str, name: str) -> tuple[Resolver, Symbol]:
    (tmp_path / "shop.py").write_text(BASE + text)
    resolver = Resolver(Modules.of(tmp_path))
    module = resolver.modules.get("shop")
    assert module is not None
    symbol = resolver.follow(module, [name])
    assert isinstance(symbol, Symbol)
    return resolver, symbol


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("class A:\n    x = 1\n    y: int\n    def f(self): self.z = 1", {"x", "y", "f", "z"}),
        ("@dataclass\nclass A:\n    x: int\n    y: list = field(default_factory=list)", {"x", "y"}),
        ("class B:\n    x = 1\nclass A(B):\n    y = 1", {"x", "y"}),
        ("class A(BaseModel):\n    x: int", {"x", "model_dump"}),
        ("class A(TypedDict):\n    x: int", {"x", "items"}),
        ("class A(NamedTuple):\n    x: int", {"x", "_asdict"}),
    ],
)
def test_the_attributes_of_an_instance_are_those_of_its_class_and_of_its_bases(
    tmp_path: Path, text: str, names: set[str]
) -> None:
    resolver, symbol = resolve(tmp_path, text, "A")
    attributes = attributes_of(resolver, symbol)
    assert attributes is not None
    assert names <= attributes
    assert "nothing" not in attributes


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    def __getattr__(self, name): return 1",
        "class A(metaclass=Meta):\n    pass",
        "import other\nclass A(other.B):\n    pass",
        "class A(BaseModel):\n    model_config = ConfigDict(extra='allow')",
        "class A:\n    def __init__(self, **more): self.__dict__.update(more)",
        "class A:\n    def __init__(self, names):\n        for name in names: setattr(self, name, 1)",
    ],
)
def test_a_class_that_may_have_any_attribute_is_unknown(tmp_path: Path, text: str) -> None:
    resolver, symbol = resolve(tmp_path, text, "A")
    assert attributes_of(resolver, symbol) is None


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        ("class A: pass\ndef make() -> A: return A()", True),
        ("class A: pass\nasync def make() -> 'A': return A()", True),
        ("class A: pass\ndef make(): return A()", True),
        ("class A: pass\nclass B(A): pass\ndef make() -> A: return B()", False),
        ("class A(Protocol): pass\ndef make() -> A: return other()", False),
        ("class A: pass\ndef make(A): return A()", False),
        ("class A: pass\ndef make():\n    if x: return A()\n    return 1", False),
        ("class A: pass\ndef make() -> A | int: return A()", False),
        ("class A: pass\ndef make(): yield A()", False),
    ],
)
def test_what_a_function_returns_is_known_by_its_hint_or_its_return(tmp_path: Path, text: str, is_known: bool) -> None:
    resolver, symbol = resolve(tmp_path, text, "make")
    assert (returned_by(resolver, symbol) is not None) == is_known


def test_required_fields_are_those_without_a_value(tmp_path: Path) -> None:
    base = "class B(BaseModel):\n    a: int\n    b: int\n"
    text = f"{base}class A(B):\n    b: int = 1\n    c: str\n    d: ClassVar[int]\n    _e: int\n"
    resolver, symbol = resolve(tmp_path, text, "A")
    assert required_fields(resolver, symbol) == ["a", "c"]
