"""Diagnostics of the project's Python: the right one, at the right place, once; and none where it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project
from tests.project_code.writing import write_modules

ROOT = Path(__file__).parents[2]
IMPORTS = """\
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated, Any, Optional
from agents import Agent, FunctionTool, Model, RunContextWrapper, WebSearchTool, function_tool
from agents.tool_context import ToolContext
from chatkit.agents import AgentContext, ThreadItemConverter
from chatkit.store import Store
from fastapi import APIRouter
from pydantic import BaseModel, Field
from runtime import RuntimeContext
"""
FIRST_LINE = IMPORTS.count("\n") + 1


def report(root: Path, lines: str, source: str, **modules: str) -> list[str]:
    """What the checks of Python say of a project whose app.py holds `source` below the usual imports."""
    write_modules(root, app=IMPORTS + source, **modules)
    agents = "" if "agents:" in lines else "agents: {guide: {model: gpt-6-luna}}\n"
    (root / "agents.yaml").write_text(f"version: 1\n{agents}{lines}\n")
    found = check_project(load_config(root, environ={"OPENAI_API_KEY": "k"}))
    return [f"{d.place}: {d.severity} {d.code}: {d.message}" for d in found if d.code[:3] in ("A32", "A33")]


def codes(found: list[str]) -> list[str]:
    return [line.split(": ")[1] for line in found]


TOOL = "tools: {it: app:it}"
ROLES = {
    "tool": TOOL,
    "inline": "agents: {guide: {model: gpt-6-luna, tools: ['app:it']}}",
    "factory": "tools: {it: {factory: app:it}}",
    "factory_with": "tools: {it: {factory: app:it, with: {size: 1}}}",
    "with": "tools: {it: {python: app:it, with: {size: 1}}}",
    "widget": "widgets: {it: {python: app:it}}",
    "action": "actions: {it: app:it}",
    "title": "chat: {title: {python: app:it}}",
    "summary": "chat: {history: {summary: {python: app:it}}}",
    "context": "context: app:it",
    "class": "context_class: app:it",
    "converter": "converter: app:it",
    "routes": "routes: ['app:it']",
    "method": "actions: {it: 'app:C.m'}",
    "method_of_state": "actions: {it: 'app:C.m'}\nstate: {c: {python: app:C, with: {size: 1}}}",
    "agent": "agents: {guide: {python: app:it}}",
    "judge": "agents: {guide: {model: gpt-6-luna, guardrails: {input: [it]}}}\n"
    "guardrails: {it: {judge: gpt-6-luna, instructions: {python: 'app:ASK'}}}",
    "state": "state: {it: app:it}",
    "state_with": "state: {it: {python: app:it, with: {size: 1}}}",
    "converter_with": "converter: {python: app:it, with: {size: 1}}",
    "store": "store: {python: app:it}",
    "model": "models: {default: {python: app:it}}\nagents: {guide: {tools: []}}",
    "instructions": "agents: {guide: {model: gpt-6-luna, instructions: {python: app:it}}}",
}
RIGHT = {
    "def it(x: str) -> str: ...": "tool inline widget title context",
    "async def it(ctx: RunContextWrapper[Any], x: str): ...": "tool inline",
    "def it(ctx: 'ToolContext[Any]', x: str): ...": "tool",
    "@function_tool\ndef it(x: str): ...": "tool inline state",
    "@function_tool(strict_mode=False)\ndef it(x: dict): ...": "tool",
    "@anything\ndef it(x): ...": "tool action widget title context class converter routes store model instructions",
    "it = WebSearchTool()": "tool inline",
    "it = unknown()": "tool factory action widget class converter routes store model instructions",
    "if Any: it = 1\nelse: it = print": "tool action widget class converter routes store model instructions",
    "def it(size: int): return WebSearchTool()": "factory_with with",
    "def it(**anything): return Any": "factory factory_with state_with",
    "class it(ThreadItemConverter):\n  def __init__(self, size): ...": "converter_with",
    "class it(ThreadItemConverter):\n  def __init__(self, size=1): ...": "converter converter_with",
    "class it:\n  def __init__(self, size, more=2): ...": "state_with",
    "it = unknown(size=1)": "state_with converter_with",
    "def it(*, size: int): return Any": "factory_with",
    "def it(size: Annotated[int, Field(alias='x')]): ...": "tool",
    "def it(n: Annotated[int, Field(alias='size')]): ...": "tool with",
    "class it:\n  def __init__(self, data): ...": "widget title context",
    "class it:\n  def __init__(self, size=1): ...": "state",
    "@dataclass\nclass it:\n  size: int = 1": "state",
    "class C:\n  def __call__(self, x: str): ...\nit = C()": "tool widget title context state",
    "class C(Unknown): ...\nit = C()": "tool widget title class converter routes store model instructions action",
    "class it(AgentContext[dict]): ...": "class",
    "class B(RuntimeContext): ...\nclass it(B): ...": "class",
    "class it(ThreadItemConverter): ...": "converter state",
    "class C(ThreadItemConverter): ...\nit = C()": "converter state",
    "it = APIRouter()": "routes state",
    "class R(APIRouter): ...\nit = R()": "routes",
    "class it(Store): ...": "store",
    "class it(Model): ...": "model",
    "class M(Model): ...\nit = M()": "model",
    "def it(): return Any": "store model",
    "def it(context, agent): ...": "instructions",
    "async def it(context, agent): ...": "instructions",
    "it = 'Help.'": "instructions state",
    "it = 'Help' + '.'": "instructions",
    "def it(ctx, action, sender=None, *more): ...": "action summary",
    "async def it(context, earlier, items): ...": "summary",
    "def it(*all): ...": "action widget title summary context state",
    "it = lambda data: {}": "widget title context",
    "class C:\n  def m(self, ctx, action, sender): ...": "method",
    "class B:\n  def m(self, *all): ...\nclass C(B):\n  def __init__(self, size=1): ...": "method",
    "class C:\n  @staticmethod\n  def m(ctx, action, sender): ...": "method",
    "class C:\n  @classmethod\n  def m(cls, ctx, action, sender): ...": "method",
    "class C:\n  def __init__(self, size): ...\n  def m(self, ctx, action, sender): ...": "method_of_state",
    "class C(Unknown):\n  def m(self, ctx, action, sender): ...": "method",
    "ASK = 'Is this about travel?'": "judge",
    "it = Agent(name='x')": "agent",
    "def make(): return Agent(name='x')\nit = make()": "agent",
    "class A(Agent): ...\nit = A(name='x')": "agent",
    "def ASK(context, agent): return 'Is this?'": "judge",
}
WRONG = {
    "it = 'text'": (
        "A324",
        "tool inline factory widget action title summary context class converter routes store model",
    ),
    "it = 1": ("A324", "tool instructions"),
    "it = None": ("A324", "tool factory widget instructions"),
    "it = [f for f in ()]": ("A324", "tool instructions"),
    "import json as it": ("A324", "tool factory widget action class converter routes store model instructions"),
    "class it: ...": ("A324", "tool class converter routes store model"),
    "class it(BaseModel):\n  x: int": ("A324", "tool class converter routes store"),
    "class B: ...\nclass it(B): ...": ("A324", "tool class converter"),
    "class C: ...\nit = C()": (
        "A324",
        "tool factory widget action title class converter routes store model instructions",
    ),
    "it = Agent(name='x')": ("A324", "tool widget instructions"),
    "it = APIRouter()": ("A324", "tool"),
    "def it(a, b, c): return Any": ("A324", "class converter routes"),
    "@function_tool\ndef it(x: str): ...": (
        "A324",
        "factory widget action title context class converter routes instructions",
    ),
    "async def it(): return Any": ("A324", "factory store model"),
    "def it(): print('x')": ("A324", "factory store model"),
    "def it(): yield 1": ("A324", "factory store"),
    "def it(): return 'gpt-6.1-sol'": ("A324", "factory store model"),
    "def it(x) -> str: ...": ("A323", "tool inline"),
    "def it(*x): ...": ("A323", "tool"),
    "it = lambda x: 1": ("A323", "tool"),
    "class C:\n  def m(self, ctx, action): ...": ("A331", "method"),
    "class C:\n  def m(ctx, action, sender): ...": ("A331", "method"),
    "class C:\n  def __init__(self, size): ...\n  def m(self, ctx, action, sender): ...": ("A331", "method"),
    "class C:\n  @staticmethod\n  def m(self, ctx, action, sender): ...": ("A331", "method"),
    "def ASK(text): ...": ("A331", "judge"),
    "ASK = 3": ("A324", "judge"),
    "class it(Agent): ...": ("A324", "agent"),
    "def it(): return Agent(name='x')": ("A324", "agent"),
    "class A: ...\nit = A()": ("A324", "agent"),
    "it = 3": ("A324", "agent"),
    "def it(n: int): return Any": ("A325", "factory_with with state_with"),
    "class it(ThreadItemConverter):\n  def __init__(self, n): ...": ("A325", "converter_with"),
    "class C(ThreadItemConverter): ...\nit = C()": ("A325", "converter_with state_with"),
    "it = {'a': 1}": ("A325", "state_with"),
    "class it(ThreadItemConverter):\n  def __init__(self, size, other): ...": ("A331", "converter converter_with"),
    "class it:\n  def __init__(self, size, *, more): ...": ("A331", "state_with"),
    "def it(ctx: RunContextWrapper[Any], n: int): ...": ("A325", "with"),
    "def it(size: RunContextWrapper[Any]): ...": ("A325", "with"),
    "@function_tool\ndef it(n: int): ...": ("A325", "with"),
    "def it(size: int, more: int): return Any": ("A331", "factory_with"),
    "def it(x: str, ctx: RunContextWrapper[Any]): ...": ("A331", "tool context"),
    "def it(a, b): ...": ("A331", "action widget title context state"),
    "def it(): ...": ("A331", "action widget title context instructions"),
    "def it(a, b, c): ...": ("A331", "instructions"),
    "def it(a, b, c=1): ...": ("A331", "instructions"),
    "class it:\n  def __init__(self, size): ...": ("A331", "state action"),
    "@dataclass\nclass it:\n  size: int": ("A331", "state action"),
    "class it: pass": ("A331", "action context widget summary"),
    "class it(RuntimeContext): ...": ("A331", "context action"),
    "@function_tool\ndef it(x: dict): ...": ("A326", "tool state"),
    "@function_tool\ndef it(x: Optional[list[dict[str, Any]]] = None): ...": ("A326", "tool"),
    "@function_tool\ndef it(**x: str): ...": ("A326", "tool"),
    "def it(x: dict[str, Any]): ...": ("A326", "tool"),
    "def it(x: Any): ...": ("A326", "tool"),
    "@function_tool(name_override='a b')\ndef it(x: str): ...": ("A328", "inline"),
    "def größe(x: str): ...\nit = größe": ("A328", "inline"),
}
right = [(source, role) for source, roles in RIGHT.items() for role in roles.split()]
wrong = [(source, role, code) for source, (code, roles) in WRONG.items() for role in roles.split()]


@pytest.mark.parametrize(("source", "role"), right)
def test_nothing_is_said_of_what_works_or_may_work(tmp_path: Path, source: str, role: str) -> None:
    assert report(tmp_path, ROLES[role], source) == []


@pytest.mark.parametrize(("source", "role", "code"), wrong)
def test_what_can_not_work_is_said_once(tmp_path: Path, source: str, role: str, code: str) -> None:
    found = report(tmp_path, ROLES[role], source)
    assert [line.split()[2].rstrip(":") for line in found] == [code], found


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tools.wether:x", "error A320: no module named 'tools.wether'"),
        ("tols.weather:forecast", "error A320: no module named 'tols'"),
        ("tols.weather:x", "warning A320: no module named 'tols'"),
        ("tools.weather.x:y", "error A320: no module named 'tools.weather.x'"),
        ("nowhere.at.all:x", "warning A320: no module named 'nowhere'"),
        ("json.nothing:x", "error A320: no module named 'json.nothing'"),
        ("tools.weather:forcast", "error A321: module 'tools.weather' has no 'forcast'"),
        ("tools:forecast", "error A321: module 'tools' has no 'forecast'"),
        ("tools.weather:Desk.anser", "error A321: 'tools.weather:Desk' has no 'anser'"),
        ("json:dmups", "error A321: module 'json' has no 'dmups'"),
        ("math:sqrt", "note A339: 'math:sqrt' can't be resolved without running Python: 'math' is compiled"),
    ],
)
def test_a_path_that_leads_nowhere_is_reported_where_it_stands(tmp_path: Path, path: str, said: str) -> None:
    weather = "def forecast(x: str): ...\nclass Desk:\n  def answer(self): ..."
    found = report(tmp_path, f"tools: {{it: '{path}'}}", "", tools__init="", tools__weather=weather)
    assert found == [f"agents.yaml:3:13: {said}"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import other.gone", "error A322: importing 'app' raises ModuleNotFoundError: no module named 'other.gone'"),
        ("from other import gone", "error A322: importing 'app' raises ImportError: module 'other' has no 'gone'"),
        (
            "from .x import y",
            "error A322: importing 'app' raises ImportError: the dots go beyond the top-level package",
        ),
        ("raise ValueError", "error A322: importing 'app' raises an error: this line always runs"),
        ("import threading as t\nt.Thread(target=print).start()", "warning A330: importing 'app' starts a thread"),
        (
            "from threading import Timer\nt = Timer(1, print)\nt.start()",
            "warning A330: importing 'app' starts a thread",
        ),
        ("import subprocess\nsubprocess.run(['ls'])", "warning A330: importing 'app' starts a process"),
        (
            "import importlib\ndef f(n): importlib.import_module(n)",
            "note A329: 'app' imports a module by a computed name, which is not checked",
        ),
    ],
)
def test_what_importing_does_is_reported_at_its_line(tmp_path: Path, source: str, said: str) -> None:
    found = report(tmp_path, "tools: {a: app:it, b: app:it}", f"def it(x: str): ...\n{source}", other__init="")
    assert [line.partition(": ")[2] for line in found] == [said]
    line = int(found[0].split(":")[1])
    assert found[0].startswith("app.py:")
    assert line >= FIRST_LINE + 1


@pytest.mark.parametrize(
    "source",
    [
        "try:\n  import other.gone\nexcept ImportError: ...",
        "if Any: from other import gone",
        "def f(): import other.gone",
        "import contextlib\nwith contextlib.suppress(ImportError): import other.gone",
        "if __name__ == '__main__':\n  import other.gone, subprocess\n  subprocess.run(['ls'])",
        "import not_installed_anywhere",
        "from json import nothing_of_this_name",
        "from other import leaf",
        "import threading\nt = threading.Thread(target=print)\ndef f(): t.start()",
        "import concurrent.futures\npool = concurrent.futures.ThreadPoolExecutor()",
        "import importlib\nimportlib.import_module('json')",
    ],
)
def test_nothing_is_said_of_what_may_be_fine(tmp_path: Path, source: str) -> None:
    found = report(tmp_path, TOOL, f"def it(x: str): ...\n{source}", other__init="", other__leaf="")
    assert found == []


def test_a_broken_module_is_reported_once_with_its_line_for_the_code_frame(tmp_path: Path) -> None:
    write_modules(tmp_path, broken="x = (\n", a="from broken import x\nit = x", b="import a, broken\nit = a.it")
    (tmp_path / "agents.yaml").write_text(
        "version: 1\nagents: {guide: {model: gpt-6-luna, tools: [one, two]}}\ntools: {one: a:it, two: b:it}\n"
    )
    loaded = load_config(tmp_path)
    before = loaded.hash
    found = [d for d in check_project(loaded) if d.severity == "error"]
    assert [(d.code, str(d.place)) for d in found] == [("A322", "broken.py:1:5")]
    assert loaded.files.texts["broken.py"] == "x = (\n"
    assert load_config(tmp_path).hash == before == loaded.files.hash()


def test_the_text_of_a_file_outside_of_the_project_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password = (")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "app.py").symlink_to(tmp_path / "secret")
    (tmp_path / "project" / "agents.yaml").write_text(f"version: 1\nagents: {{g: {{model: gpt-6.1-sol}}}}\n{TOOL}\n")
    loaded = load_config(tmp_path / "project")
    assert "A322" in {d.code for d in check_project(loaded)}
    assert set(loaded.files.texts) == {"agents.yaml"}


def test_an_unused_model_is_no_error(tmp_path: Path) -> None:
    found = report(tmp_path, "models: {spare: {python: app:nothing}}", "")
    assert codes(found) == ["warning A321"]


@pytest.mark.parametrize("project", [ROOT, ROOT / "examples" / "courier_desk"], ids=["sample", "courier_desk"])
def test_real_projects_are_left_in_peace(project: Path) -> None:
    found = check_project(load_config(project, environ={"OPENAI_API_KEY": "k"}))
    assert [str(d) for d in found if d.code[:3] in ("A32", "A33")] == []
