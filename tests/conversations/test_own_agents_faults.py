"""Agents of the project's own Python: what their tools raise ends the turn, and nothing else."""

from __future__ import annotations

import pytest

from tests.conversations.conftest import MakeChat
from tests.conversations.editing import reloaded
from tests.conversations.playing import call

FAULTS = ["raise SystemExit(3)", "raise KeyboardInterrupt", "raise Odd('odd')"]
CODE = """
from agents import Agent, function_tool
from tests.conversations.playing import find

MODEL = find({stage!r})

class Odd(BaseException):
    pass

@function_tool
{kind} feed(food: str) -> str:
    {fault}

keeper = Agent(name="Keeper", model=MODEL, handoff_description="Keeps.", tools=[feed])
cat = Agent(name="Cat", model=MODEL, tools=[feed])
owner = Agent(name="Owner", model=MODEL, tools=[keeper.as_tool("ask_keeper", "Ask the keeper.")])
deep = Agent(name="Deep", model=MODEL, tools=[keeper.as_tool("ask_keeper", "Ask.")])
zoo = Agent(name="Zoo", model=MODEL, tools=[deep.as_tool("deep", "Deep.")])
guide = Agent(name="Guide", model=MODEL, handoffs=[keeper])
"""
PLAYS = {
    "its own": ("cat", [[call("feed", food="fish")]]),
    "of an agent as tool": ("owner", [[call("ask_keeper", input="hi")], [call("feed", food="fish")]]),
    "of an agent as tool of an agent as tool": (
        "zoo",
        [[call("deep", input="hi")], [call("ask_keeper", input="hi")], [call("feed", food="fish")]],
    ),
    "after a handoff": ("guide", [[call("transfer_to_keeper")], [call("feed", food="fish")]]),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("play", PLAYS)
async def test_a_tool_that_raises_anything_ends_its_turn_with_an_error(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, play: str, kind: str, fault: str
) -> None:
    name, replies = PLAYS[play]
    client = await chat()
    agents = {"a": {"python": f"app.own:{name}"}, "keeper": {"python": "app.own:keeper"}}
    code = CODE.format(kind=kind, fault=fault, stage=client.player.stage_name)
    await reloaded(client, {"agents": {"helper": {}, **agents}, "entry": "a"}, app__own_py=code)
    client.player.replies = [*replies, "unexpected"]

    turn = await client.say("hello")

    assert turn.complete
    assert turn.broken is None
    assert turn.events[-1]["type"] == "error", turn.said
    assert "reference" in turn.events[-1]["message"]
    assert "tool 'feed' of agent" in caplog.text
    client.player.replies = ["Fine."]
    assert (await client.say("still there?")).said == ["Fine."]
