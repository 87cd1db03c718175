"""The mistakes that only a real build finds: tests/configs/built, with the exact report (UPDATE_EXPECTED=1 writes it).

And that a build in order to validate accepts what the server accepts, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from runtime.cli.build_process.check import check_build
from runtime.cli.commands.init import init_project
from runtime.config.load import load_config
from runtime.diagnostics.diagnostic import Diagnostic, has_errors
from runtime.errors import RuntimeFault
from runtime.server.app import create_app
from runtime.server.generations.project_source import read_project
from runtime.server.preflight import try_build, try_connections
from runtime.server.runtime import Runtime, load
from runtime.validation.project import check_project
from tests.config.catalogue import BUILT, CONFIGS, bad_configs, good_configs

ROOT = CONFIGS.parents[1]
ENVIRON = {"PORT": "8080", "WORD": "s3cret-word", "OPENAI_API_KEY": "none", "CHATKIT_STORE": "memory"}
BUILT_CONFIGS = sorted((CONFIGS / "built").glob("A*.yaml"))
CONNECTED = ("A610", "A630", "A631", "A632", "A633")
ENDED = ("A611",)

pytestmark = pytest.mark.usefixtures("modules_as_before")


def build(config: Path, environ: Mapping[str, str], *, connect: bool = False) -> list[Diagnostic]:
    found, runtime = try_build(read_project(config.absolute(), environ))
    return [*found, *([] if runtime is None else asyncio.run(_end(runtime, connect)))]


async def _end(runtime: Runtime, connect: bool) -> list[Diagnostic]:
    if connect:
        return await try_connections(runtime)
    await runtime.close()
    return []


def in_words(found: Sequence[Diagnostic]) -> str:
    return "".join(f"{diagnostic}\n" for diagnostic in found).replace(f"{CONFIGS}{os.sep}", "")


def hold_against(expected: Path, text: str) -> None:
    if os.environ.get("UPDATE_EXPECTED"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("config", BUILT_CONFIGS, ids=lambda config: config.stem)
def test_a_project_that_can_not_be_built_is_refused_with_the_expected_text(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    loaded = load_config(config, environ={}, unset="error")
    assert not has_errors(check_project(loaded)), "the default mode finds it"
    if config.stem in ENDED:
        found = check_build(config, loaded, timeout_s=100, connect=False)
    else:
        found = build(config, {}, connect=config.stem in CONNECTED)
    hold_against(config.with_suffix(".txt"), in_words(found))
    assert config.stem in {diagnostic.code for diagnostic in found}
    assert config.read_text(encoding="utf-8").startswith("# ")


STATIC = [config for config in bad_configs() if config.is_file()]


@pytest.mark.parametrize("config", STATIC, ids=lambda config: config.stem)
def test_a_mistake_has_the_same_code_and_place_in_validate_and_where_it_is_served(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    loaded = load_config(config, environ=ENVIRON, unset="error")
    if loaded.config is None:
        return  # both report what loading found
    checked = {(each.code, each.place, each.message) for each in check_project(loaded)}
    served = [each for each in build(config, ENVIRON) if each.severity == "error"]
    assert [str(each) for each in served if (each.code, each.place, each.message) not in checked] == []


async def test_an_object_that_can_not_take_over_is_refused_with_the_expected_text(tmp_path: Path) -> None:
    edits = CONFIGS / "built" / "A316"
    shutil.copytree(edits / "before", tmp_path, dirs_exist_ok=True)
    runtime = load(tmp_path, environ={})
    await runtime.open()
    shutil.copytree(edits / "after", tmp_path, dirs_exist_ok=True)
    outcome = await runtime.reload()
    await runtime.close()
    hold_against(edits.with_suffix(".txt"), in_words(outcome.diagnostics))
    assert [diagnostic.code for diagnostic in outcome.diagnostics] == ["A316"]


@pytest.mark.parametrize("code", BUILT)
def test_each_of_their_codes_has_a_config_that_is_refused_and_one_that_is_built(code: str) -> None:
    assert (CONFIGS / "built" / f"{code}.txt").is_file()
    assert build(CONFIGS / "good" / f"{code}.yaml", {}) == []


def test_no_built_config_is_left_over() -> None:
    texts = {path.stem for path in (CONFIGS / "built").glob("*.txt")}
    assert texts == {config.stem for config in BUILT_CONFIGS} | {"A316"} == set(BUILT)


# --- what is accepted


MODULES = {
    "right": 'def one(city: str) -> str:\n    "One."\n    return city\n',
    "no annotation": "def one(city):\n    return city\n",
    "too few parameters": "def one(city: str) -> str:\n    return city\n",
    "three parameters": "async def one(ctx: str, action: str, sender: str) -> None: ...\n",
    "no parameters": "def one() -> dict:\n    return {}\n",
    "another name": "def two() -> str:\n    return ''\n",
    "raises": "def one() -> str:\n    return ''\n1 / 0\n",
    "raises in a function": "def make():\n    return [][1]\none = make()\n",
    "exits": "import sys\nsys.exit(2)\n",
    "no Python": "def one(:\n",
    "null bytes": "one = 1\0\n",
    "an import that is not there": "import nowhere_to_be_found\none = print\n",
    "imports itself": "from own import one\n",
    "a number": "one = 3\n",
    "nothing": "one = None\n",
    "a text": "one = 'text'\n",
    "a class": "class one:\n    pass\n",
    "a class that needs something": "class one:\n    def __init__(self, url): ...\n",
    "a tool": "from agents import function_tool\n@function_tool\ndef one(city: str) -> str:\n    return city\n",
    "a tool that asks": "from agents import function_tool as tool\n@tool(needs_approval=True)\ndef one() -> str: ...\n",
    "a hosted tool": "from agents import WebSearchTool\none = WebSearchTool()\n",
    "a free-form parameter": "def one(city: dict) -> str:\n    return ''\n",
    "a parameter without a schema": "class X: ...\ndef one(city: X) -> str:\n    return ''\n",
    "a context class": "from chatkit.agents import AgentContext\nclass one(AgentContext): ...\n",
    "a converter": "from chatkit.agents import ThreadItemConverter\nclass one(ThreadItemConverter): ...\n",
    "a router": "from fastapi import APIRouter\none = APIRouter()\n",
    "an app": "from fastapi import FastAPI\none = FastAPI()\n",
    "a model": "from runtime.testing import ScriptedConversation as S\none = S.from_data({'otherwise': 'x'})\n",
    "a function that makes a tool": "from agents import WebSearchTool\ndef one():\n    return WebSearchTool()\n",
    "a store": "from tests.conversations.bare import DictStore as one\n",
    "lazy": "def __getattr__(name):\n    raise OSError(name)\n",
    "a lambda": "one = lambda city: city\n",
    "a builtin": "one = dict\n",
    "a module": "import json as one\n",
    "no module": "",
}
AGENT = {"helper": {"instructions": "Help."}}
USES: dict[str, dict[str, object]] = {
    "tool": {"tools": {"t": "own:one"}},
    "tool with": {"tools": {"t": {"python": "own:one", "with": {"city": "Oslo"}}}},
    "inline": {"agents": {"helper": {"tools": ["own:one"]}}},
    "factory": {"tools": {"t": {"factory": "own:one"}}},
    "instructions": {"agents": {"helper": {"instructions": {"python": "own:one"}}}},
    "action": {"actions": {"a": "own:one"}},
    "widget": {"widgets": {"w": {"python": "own:one"}}},
    "model": {"models": {"default": {"python": "own:one"}}},
    "title": {"chat": {"title": {"python": "own:one"}}},
    "context": {"context": "own:one"},
    "context_class": {"context_class": "own:one"},
    "converter": {"converter": "own:one"},
    "route": {"routes": ["own:one"]},
    "state": {"state": {"s": "own:one"}},
    "store": {"store": {"python": "own:one"}},
}


FIRST_CALLED_IN_A_TURN = ("instructions", "context")


def is_served(config: Path, environ: Mapping[str, str]) -> bool:
    """Say whether the server accepts the project."""
    try:
        app = create_app(config.absolute(), environ=environ)
    except RuntimeFault:
        return False
    asyncio.run(app.state.runtime.close())
    return True


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str, str], Path]:
    def write(use: str, module: str) -> Path:
        declared = {"version": 1, "models": {"default": {"scripted": "s.yaml"}}, "store": "memory", "agents": AGENT}
        (tmp_path / "agents.yaml").write_text(json.dumps({**declared, **USES[use]}))
        (tmp_path / "s.yaml").write_text("otherwise: hi\n")
        source = MODULES[module]
        (tmp_path / "own.py").unlink(missing_ok=True)
        if source:
            (tmp_path / "own.py").write_text(source)
        return tmp_path

    return write


@pytest.mark.parametrize("use", USES)
def test_a_build_accepts_exactly_what_the_server_accepts_of_the_projects_python(
    own: Callable[[str, str], Path], use: str
) -> None:
    served = {module: is_served(own(use, module), ENVIRON) for module in MODULES}
    built = {module: not has_errors(build(own(use, module), ENVIRON)) for module in MODULES}
    assert built == served
    assert set(served.values()) == {True, False}, "a corpus that decides nothing"


@pytest.mark.parametrize("use", [use for use in USES if use not in FIRST_CALLED_IN_A_TURN])
def test_what_the_default_mode_calls_an_error_the_build_refuses(own: Callable[[str, str], Path], use: str) -> None:
    for module in MODULES:
        project = own(use, module)
        if has_errors(check_project(load_config(project, environ=ENVIRON, unset="error"))):
            assert has_errors(build(project, ENVIRON)), f"{module!r} as {use!r} works"


CORPUS = [
    *(config for config in bad_configs() if config.suffix == ".yaml"),
    *good_configs(),
    ROOT / "agents.yaml",
    ROOT / "examples" / "courier_desk" / "agents.yaml",
]


@pytest.mark.parametrize("config", CORPUS, ids=lambda config: f"{config.parent.name}-{config.stem}")
def test_a_build_accepts_exactly_the_configs_that_the_server_accepts(config: Path) -> None:
    assert (not has_errors(build(config, ENVIRON))) == is_served(config, ENVIRON)


def test_the_project_that_init_writes_is_built_in_a_child(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init_project(tmp_path, force=False)
    assert check_build(tmp_path, load_config(tmp_path), timeout_s=100, connect=True) == []


def test_the_child_finds_the_same_as_a_build_in_this_process(own: Callable[[str, str], Path]) -> None:
    for use, module in (
        ("tool", "raises"),
        ("action", "too few parameters"),
        ("state", "a class that needs something"),
    ):
        project = own(use, module)
        loaded = load_config(project, unset="error")
        in_child = check_build(project, loaded, timeout_s=100, connect=False)
        assert in_child == [found for found in build(project, os.environ) if found not in loaded.diagnostics]
        assert has_errors(in_child)
