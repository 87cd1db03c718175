"""The project's Python, served: projects side by side in one process, and errors at their place in the file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.errors import ConfigError
from tests.conversations.conftest import MakeChat
from tests.conversations.playing import call


@pytest.fixture(autouse=True)
def _modules_as_before(tmp_path: Path) -> Iterator[None]:
    before = dict(sys.modules)
    yield
    for name in [name for name in sys.modules if name not in before]:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


async def test_two_projects_with_the_same_package_names_live_in_one_process(chat: MakeChat) -> None:
    config = {"agents": {"helper": {"tools": ["tools.where:where"]}}}
    tool = """
from tools.place import NAME

def where() -> str:
    "Where."
    from tools import place
    return NAME + place.NAME
"""
    north = await chat(config, name="north", tools__where_py=tool, tools__place_py="NAME = 'north'")
    south = await chat(config, name="south", tools__where_py=tool, tools__place_py="NAME = 'south'")
    for client, name in ((north, "north"), (south, "south"), (north, "north")):
        client.player.replies = [[call("where")], "Done."]
        await client.say("go")
        # Also what a tool imports while it runs.
        assert client.player.asked[-1].of("function_call_output")[0]["output"] == name * 2


async def test_a_project_that_can_not_be_built_leaves_the_one_that_serves_in_sys_modules(chat: MakeChat) -> None:
    tools = {"agents": {"helper": {"tools": ["own_tools:one"]}}}
    one = "def one() -> str:\n    'One.'\n    return 'one'\n"
    await chat(tools, name="first", own_tools_py=one)
    serving = sys.modules["own_tools"]
    with pytest.raises(ConfigError):
        await chat({"agents": {"helper": {"tools": ["own_tools:one", "own_tools:two"]}}}, own_tools_py=one)
    assert sys.modules["own_tools"] is serving


async def test_a_broken_tool_module_is_reported_at_its_own_line(chat: MakeChat) -> None:
    with pytest.raises(ConfigError) as caught:
        await chat({"agents": {"helper": {"tools": ["acts:tool"]}}}, acts_py="\nX = 1 / 0\ndef tool() -> str: ...\n")
    assert str(caught.value) == (
        "acts.py:2:5: error A322: importing 'acts' raised ZeroDivisionError: division by zero "
        "(agents.yaml:1:83 needs it) [agents.helper.tools[0]]"
    )
