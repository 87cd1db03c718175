"""A module as text: whatever its source contains, reading it ends in an answer."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from runtime.static_analysis.bindings import read_names
from runtime.static_analysis.module import MAX_MODULE_BYTES, BrokenModule, Modules, parse
from runtime.static_analysis.resolver import Missing, Resolver, Symbol, Undecided
from tests.project_code.writing import write_modules


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"x = 1\ny = (", 2),
        (b"x = 1\0", 1),
        (b"\n\nx = '\0'", 3),
        (b"if x:\npass", 2),
        (b"# -*- coding: no-such-thing -*-\n", 1),
        (b"x = '\xff'", 1),
        (b"\xef\xbb\xbf# -*- coding: latin-1 -*-\n", 1),
        (b"def f():\n  pass\nreturn 1", 3),
        (b"x = " + b"(" * 300 + b")" * 300, 1),
    ],
)
def test_a_source_that_python_refuses_is_broken_at_its_line(text: bytes, line: int) -> None:
    found = parse(text, "m.py")
    assert isinstance(found, BrokenModule)
    assert found.line == line
    with pytest.raises((SyntaxError, ValueError)):
        compile(text, "m.py", "exec")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"x = '\\d'",
        b"assert (1, 'always')",
        "# -*- coding: latin-1 -*-\nx = 'é'".encode("latin-1"),
        b"\xef\xbb\xbfx = 1",
        b"x = 1\r\ny = 2\r\n",
    ],
)
def test_a_source_that_python_takes_is_a_tree(text: bytes) -> None:
    assert isinstance(parse(text, "m.py"), ast.Module)


@pytest.mark.parametrize("text", [b"x = " + b"-" * 100_000 + b"1", b"x = " + b"1+" * 100_000 + b"1"])
def test_a_source_that_is_nested_too_deep_says_nothing(text: bytes) -> None:
    assert parse(text, "m.py") == "is nested too deep to be read"


def test_a_chain_of_elif_may_be_long() -> None:
    text = "if a: x = 1\n" + "".join(f"elif a == {n}: x{n} = 1\n" for n in range(700))
    tree = parse(text.encode(), "m.py")
    assert isinstance(tree, ast.Module)
    assert list(read_names(tree.body).bound) == ["x", *(f"x{n}" for n in range(700))]


def test_a_module_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "huge.py").write_bytes(b"#" * (MAX_MODULE_BYTES + 1))
    module = Modules.of(tmp_path).get("huge")
    assert module is not None
    assert module.opaque == "is too large to be read"


def test_a_place_counts_characters(tmp_path: Path) -> None:
    write_modules(tmp_path, app="größe = 'ä'; x = 1\n")
    module = Modules.of(tmp_path).get("app")
    assert module is not None
    assert module.place(module.body[1]).column == 14


BOUND = """
import os, os.path as p
from json import dumps as d
a = b = 1
c, (e, *f) = 1, (2, 3)
g: int = 1
h: int
i += 1
for j, k in []: pass
with open(x) as l, open(x) as (m, n): pass
try: import o
except ValueError as q: r = 1
else: s = 1
finally: t = 1
while x: u = 1
if x: v = 1
elif x: w = 1
else: y = 1
match x:
    case {"k": z, **aa}: ab = 1
    case [ac, *ad] | ad: pass
    case str() as ae: pass
def af(): global ag; ag = 1
async def ah(): pass
class ai: aj = 1
[(ak := 1) for al in x]
if TYPE_CHECKING: am = 1
else: an = 1
if __name__ == "__main__": ao = 1
del ap
"""
NAMES = [
    *(
        "os",
        "p",
        "d",
        "a",
        "b",
        "c",
        "e",
        "f",
        "g",
        "i",
        "j",
        "k",
        "l",
        "m",
        "n",
        "o",
        "q",
        "r",
        "s",
        "t",
        "u",
        "v",
        "w",
    ),
    *("y", "z", "aa", "ab", "ac", "ad", "ae", "af", "ag", "ah", "ai", "ak", "an", "ap"),
]


@pytest.mark.parametrize(
    "name",
    [
        "os",
        "p",
        "d",
        "a",
        "b",
        "c",
        "e",
        "f",
        "g",
        "i",
        "j",
        "k",
        "l",
        "m",
        "n",
        "o",
        "q",
        "r",
        "s",
        "t",
        "u",
        "v",
        "w",
        "y",
        "z",
        "aa",
        "ab",
        "ac",
        "ad",
        "ae",
        "af",
        "ag",
        "ah",
        "ai",
        "ak",
        "an",
        "ap",
    ],
)
def test_whatever_binds_a_name_at_the_top_of_a_module_is_seen(tmp_path: Path, name: str) -> None:
    resolver = Resolver(Modules.of(write_modules(tmp_path, app=BOUND)))
    module = resolver.modules.get("app")
    assert module is not None
    assert isinstance(resolver.resolve_name(module, name), Symbol)


@pytest.mark.parametrize("name", ["h", "aj", "al", "am", "ao", "nothing", "print"])
def test_what_is_not_bound_there_is_missing(tmp_path: Path, name: str) -> None:
    resolver = Resolver(Modules.of(write_modules(tmp_path, app=BOUND)))
    module = resolver.modules.get("app")
    assert module is not None
    assert isinstance(resolver.resolve_name(module, name), Missing)


@pytest.mark.parametrize(
    "text",
    [
        "def __getattr__(name): return 1",
        "globals()['x'] = 1",
        "exec('x = 1')",
        "vars()['x'] = 1",
        "import sys\nsys.modules[__name__] = object()",
        "import sys\nsetattr(sys.modules[__name__], 'x', 1)",
        "from math import *",
        "from not_installed_here import *",
        "import app\napp.x = 1",
        "import app\nsetattr(app, 'x', 1)",
        "import app\nfor n in 'xyz': setattr(app, n, 1)",
    ],
)
def test_a_module_that_binds_as_it_likes_is_not_decided(tmp_path: Path, text: str) -> None:
    resolver = Resolver(Modules.of(write_modules(tmp_path, app=text)))
    module = resolver.modules.get("app")
    assert module is not None
    assert isinstance(resolver.resolve_name(module, "x"), Undecided)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("front:call", "function"),
        ("front:renamed", "function"),
        ("front:again", "function"),
        ("front:starred", "function"),
        ("front:back", "module"),
        ("front:back.call", "function"),
        ("front:Desk.answer", "function"),
        ("front:desk.answer", "function"),
        ("front:desk.inherited", "function"),
        ("front:desk", "instance"),
        ("front:tool", "tool"),
        ("front:made", "tool"),
        ("front:curried", "tool"),
        ("front:NUMBER", "literal"),
        ("front:maybe", "unknown"),
        ("front:circle", "unknown"),
        ("front:Desk.nothing", "missing"),
        ("front:desk.nothing", "missing"),
        ("front:desk.set_later", "undecided"),
        ("front:Fields.size", "undecided"),
    ],
)
def test_a_path_is_followed_to_what_it_names(tmp_path: Path, path: str, kind: str) -> None:
    write_modules(
        tmp_path,
        front="""
import dataclasses, agents
from agents import function_tool as ft
import back
from back import call, call as renamed, circle
from back import *
again = renamed
NUMBER = 1
class Base:
    def inherited(self): self.set_later = 1
class Desk(Base):
    def answer(self): pass
desk = Desk()
@dataclasses.dataclass
class Fields:
    size: int
@ft
def tool(x: str): pass
made = agents.function_tool(call)
curried = ft(name_override="x")(call)
maybe = call if NUMBER else None
""",
        back="""
def call(): pass
def starred(): pass
from front import circle
""",
    )
    resolver = Resolver(Modules.of(tmp_path))
    module = resolver.modules.get("front")
    assert module is not None
    found = resolver.follow(module, path.partition(":")[2].split("."))
    answer = found.kind if isinstance(found, Symbol) else type(found).__name__.lower()
    assert answer == kind
