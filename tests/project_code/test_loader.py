"""The project's Python: private to each load, imported like any Python, and its errors shown as the user's own."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

from runtime.diagnostics.diagnostic import Place
from runtime.project_code.loader import ProjectCode, ResolveError
from tests.project_code.writing import write_modules

pytestmark = pytest.mark.usefixtures("modules_as_before")


def test_two_loads_of_one_folder_share_no_module(tmp_path: Path) -> None:
    write_modules(tmp_path, app__init="", app__state="seen = []", app__tools="from app.state import seen")
    one, two = ProjectCode(tmp_path), ProjectCode(tmp_path)
    one.resolve("app.tools:seen").append(1)
    assert two.resolve("app.tools:seen") == []
    assert one.resolve("app.state:seen") == [1]
    assert one.load("app") is not two.load("app")


def test_sources_are_read_once_so_that_later_edits_change_nothing(tmp_path: Path) -> None:
    write_modules(tmp_path, early="X = 1", late="X = 1")
    code = ProjectCode(tmp_path)
    assert code.resolve("early:X") == 1
    (tmp_path / "late.py").write_text("X = 2")
    assert code.resolve("late:X") == 1
    again = ProjectCode(tmp_path)
    assert again.resolve("late:X") == 2
    assert code.hash != again.hash


def test_circular_imports_work_as_in_python(tmp_path: Path) -> None:
    write_modules(
        tmp_path,
        app__init="",
        app__a="import app.b\nfrom app import b\n\ndef f():\n    return b.g() + 1",
        app__b="from app import a\n\ndef g():\n    return 41 if a.f else 0",
    )
    assert ProjectCode(tmp_path).resolve("app.a:f")() == 42
    assert ProjectCode(tmp_path).resolve("app.b:g")() == 41


def test_import_as_of_a_circular_submodule_works(tmp_path: Path) -> None:
    write_modules(tmp_path, app__init="", app__a="import app.b as b\nX = b.Y", app__b="import app.a as a\nY = 2")
    assert ProjectCode(tmp_path).resolve("app.a:X") == 2


def test_relative_imports_work_in_modules_and_packages(tmp_path: Path) -> None:
    write_modules(
        tmp_path,
        app__init="from .deep import VALUE\nfrom . import side",
        app__side="from .deep.leaf import VALUE as SIDE",
        app__deep__init="from .leaf import VALUE",
        app__deep__leaf="from ..names import NAME\nVALUE = NAME",
        app__names="NAME = 'x'",
    )
    code = ProjectCode(tmp_path)
    assert (code.resolve("app:VALUE"), code.resolve("app.side:SIDE"), code.resolve("app:side.SIDE")) == ("x", "x", "x")


def test_packages_without_an_init_file_work(tmp_path: Path) -> None:
    write_modules(
        tmp_path, pack__inner__leaf="X = 1", pack__other="from pack.inner.leaf import X\nimport pack.inner.leaf as leaf"
    )
    code = ProjectCode(tmp_path)
    assert code.resolve("pack.other:X") == 1
    assert code.resolve("pack.other:leaf.X") == 1


def test_star_imports_follow_all_and_load_submodules(tmp_path: Path) -> None:
    write_modules(
        tmp_path, app__init="__all__ = ['sub', 'X']\nX = 1", app__sub="Y = 2", user="from app import *\nZ = sub.Y + X"
    )
    assert ProjectCode(tmp_path).resolve("user:Z") == 3


def test_a_name_that_is_missing_from_a_module_is_an_import_error(tmp_path: Path) -> None:
    write_modules(tmp_path, app__init="", app__a="X = 1", user="from app.a import Y", other="import app.missing")
    with pytest.raises(ResolveError, match="cannot import name 'Y'"):
        ProjectCode(tmp_path).resolve("user:Y")
    with pytest.raises(ResolveError, match=r"app\.missing"):
        ProjectCode(tmp_path).resolve("other:app")


def test_optional_imports_may_fail_inside_try(tmp_path: Path) -> None:
    write_modules(
        tmp_path,
        app="try:\n    import not_installed_at_all\nexcept ImportError:\n    not_installed_at_all = None\nX = 5",
    )
    assert ProjectCode(tmp_path).resolve("app:X") == 5


def test_a_module_that_raises_leaves_nothing_behind_and_shows_the_users_error_and_line(tmp_path: Path) -> None:
    write_modules(tmp_path, broken_one="import inner_one\n", inner_one="X = 1\n\nraise ValueError('my own words')\n")
    before = set(sys.modules)
    code = ProjectCode(tmp_path)
    with pytest.raises(ResolveError) as caught:
        code.resolve("broken_one:X")
    assert str(caught.value) == "importing 'broken_one' raised ValueError: my own words at inner_one.py:3"
    assert (caught.value.code, caught.value.place) == ("A322", Place("inner_one.py", 3, 1))
    assert code.modules == {}
    assert set(sys.modules) == before


def test_a_failed_load_leaves_the_working_generation_in_sys_modules(tmp_path: Path) -> None:
    write_modules(tmp_path, serving_mod="X = 1")
    good = ProjectCode(tmp_path)
    assert good.resolve("serving_mod:X") == 1
    serving = sys.modules["serving_mod"]
    write_modules(tmp_path, serving_mod="raise RuntimeError('half written')")
    with pytest.raises(ResolveError, match="half written"):
        ProjectCode(tmp_path).resolve("serving_mod:X")
    assert sys.modules["serving_mod"] is serving


def test_what_a_broken_module_had_imported_leaves_nothing_behind_either(tmp_path: Path) -> None:
    write_modules(tmp_path, ok_mod="X = 1", half_mod="import ok_mod\nraise ValueError")
    before = set(sys.modules)
    code = ProjectCode(tmp_path)
    with pytest.raises(ResolveError):
        code.resolve("half_mod:X")
    assert set(sys.modules) == before
    assert code.resolve("ok_mod:X") == 1


def test_a_syntax_error_names_its_file_and_line(tmp_path: Path) -> None:
    write_modules(tmp_path, typo="def f():\n    return (\n")
    with pytest.raises(ResolveError, match=r"SyntaxError: .* at typo\.py:2"):
        ProjectCode(tmp_path).resolve("typo:f")


def test_a_near_miss_is_suggested(tmp_path: Path) -> None:
    write_modules(tmp_path, shop__tools="def forecast(): ...")
    code = ProjectCode(tmp_path)
    with pytest.raises(ResolveError) as attribute:
        code.resolve("shop.tools:forcast")
    assert attribute.value.hint == "did you mean 'forecast'?"
    with pytest.raises(ResolveError) as module:
        code.resolve("shop.tool:forecast")
    assert module.value.hint == "did you mean 'shop.tools'?"
    with pytest.raises(ResolveError, match=r"must look like 'package\.module:name'"):
        code.resolve("shop.tools")


def test_dataclasses_and_pydantic_models_with_postponed_annotations_work(tmp_path: Path) -> None:
    source = """
from __future__ import annotations
from dataclasses import dataclass, field, fields
from typing import ClassVar, Optional, get_type_hints
from pydantic import BaseModel

@dataclass(slots=True)
class Point:
    kind: ClassVar[str] = "p"
    x: int = 0
    names: list[str] = field(default_factory=list)

class Node(BaseModel):
    point: Optional[Point] = None
    children: list[Node] = []

def f(node: Node) -> Point: ...
HINTS = get_type_hints(f)
FIELDS = [f.name for f in fields(Point)]
TREE = Node.model_validate({"children": [{"point": {"x": 3}}]})
"""
    code = ProjectCode(write_modules(tmp_path, annotated=source))
    assert code.resolve("annotated:FIELDS") == ["x", "names"]
    assert code.resolve("annotated:TREE").children[0].point.x == 3
    assert code.resolve("annotated:HINTS")["return"] is code.resolve("annotated:Point")


def test_objects_of_the_project_can_be_pickled(tmp_path: Path) -> None:
    source = """
from dataclasses import dataclass

@dataclass
class Thing:
    x: int

def double(n):
    return n * 2
"""
    code = ProjectCode(write_modules(tmp_path, pickled_mod=source))
    thing = code.resolve("pickled_mod:Thing")(7)
    assert pickle.loads(pickle.dumps(thing)) == thing
    assert pickle.loads(pickle.dumps(code.resolve("pickled_mod:double")))(4) == 8


def test_modules_know_their_names_files_and_packages(tmp_path: Path) -> None:
    write_modules(
        tmp_path,
        app__init="",
        app__deep__leaf="NAME, FILE, PACKAGE = __name__, __file__, __package__\n\ndef f():\n    return 1\n",
    )
    code = ProjectCode(tmp_path)
    assert code.resolve("app.deep.leaf:NAME") == "app.deep.leaf"
    assert Path(code.resolve("app.deep.leaf:FILE")) == tmp_path.resolve() / "app" / "deep" / "leaf.py"
    assert code.resolve("app.deep.leaf:PACKAGE") == "app.deep"
    import inspect

    assert inspect.getsource(code.resolve("app.deep.leaf:f")).startswith("def f():")


def test_what_is_installed_is_shared_and_not_loaded_anew(tmp_path: Path) -> None:
    write_modules(tmp_path, app="import json, agents\nfrom chatkit.types import Thread\nJ, T = json, Thread")
    code = ProjectCode(tmp_path)
    import json

    from chatkit.types import Thread

    assert code.resolve("app:J") is json
    assert code.resolve("app:T") is Thread
    assert code.resolve("json:dumps") is json.dumps


def test_virtual_environments_and_caches_are_no_part_of_the_project(tmp_path: Path) -> None:
    write_modules(tmp_path, own_env__lib__json="X = 'wrong'", node_modules__x="X = 1", app="X = 1")
    (tmp_path / "own_env" / "pyvenv.cfg").write_text("")
    with pytest.raises(ResolveError, match="no module named 'own_env'"):
        ProjectCode(tmp_path).resolve("own_env.lib.json:X")
    with pytest.raises(ResolveError, match="no module named 'node_modules'"):
        ProjectCode(tmp_path).resolve("node_modules.x:X")


def test_no_bytecode_is_written_into_the_project(tmp_path: Path) -> None:
    write_modules(tmp_path, app="X = 1")
    ProjectCode(tmp_path).resolve("app:X")
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]
