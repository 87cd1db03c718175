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


NESTED = """
from agents import (
    Agent, AgentHooks, GuardrailFunctionOutput, InputGuardrail, OutputGuardrail, ToolGuardrailFunctionOutput,
    ToolInputGuardrail, ToolOutputGuardrail, function_tool, handoff,
)
from tests.conversations.playing import find

MODEL = find({stage!r})

class Odd(BaseException):
    pass

{kind} fault(*args, **kwargs):
    {fault}

class Hooks(AgentHooks):
    async def on_start(self, context, agent):
        {fault}

@function_tool{decorated}
async def feed(food: str) -> str:
    return "fed"
{after}
other = Agent(name="Other", model=MODEL)
keeper = Agent(name="Keeper", model=MODEL, {keys})
owner = Agent(name="Owner", model=MODEL, tools=[keeper.as_tool("ask_keeper", "Ask the keeper.")])
"""
PARTS = {
    "input guardrail": "input_guardrails=[InputGuardrail(fault, name='g')]",
    "parallel input guardrail": "input_guardrails=[InputGuardrail(fault, name='g', run_in_parallel=True)]",
    "output guardrail": "output_guardrails=[OutputGuardrail(fault, name='g')]",
    "needs_approval": "tools=[feed]",
    "tool guardrail": "tools=[feed]",
    "instructions": "instructions=fault_of_two",
    "hooks": "hooks=Hooks()",
    "is_enabled": "tools=[feed]",
    "handoff": "handoffs=[handoff(other, on_handoff=lambda ctx: fault())]",
    "decision": "tools=[feed], tool_use_behavior=fault_of_two",
}
AFTER = {
    "needs_approval": "feed.needs_approval = fault",
    "tool guardrail": "feed.tool_input_guardrails = [ToolInputGuardrail(fault, name='g')]",
    "is_enabled": "feed.is_enabled = fault",
}
NAMED = {
    "input guardrail": "guardrail 'g' of agent 'Keeper'",
    "parallel input guardrail": "guardrail 'g' of agent 'Keeper'",
    "output guardrail": "guardrail 'g' of agent 'Keeper'",
    "needs_approval": "`needs_approval` of tool 'feed'",
    "tool guardrail": "guardrail 'g'",
    "handoff": "agent 'Other'",
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("part", PARTS)
async def test_a_part_of_an_agent_that_is_a_tool_that_raises_anything_ends_its_turn_with_an_error(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, part: str, kind: str, fault: str
) -> None:
    client = await chat()
    two = f"{kind} fault_of_two(context, agent):\n    {fault}\n"
    code = NESTED.format(
        kind=kind, fault=fault, decorated="", keys=PARTS[part], stage=client.player.stage_name,
        after=two + AFTER.get(part, ""),
    )  # fmt: skip
    agents = {"helper": {}, "a": {"python": "app.own:owner"}}
    await reloaded(client, {"agents": agents, "entry": "a"}, app__own_py=code)
    inner = call("transfer_to_other") if part == "handoff" else call("feed", food="fish")
    says = "guardrail" in part and part != "tool guardrail"
    client.player.replies = [[call("ask_keeper", input="hi")], "Hi." if says else [inner], "unexpected"]

    turn = await client.say("hello")

    assert turn.complete
    assert turn.broken is None
    assert turn.events[-1]["type"] == "error", turn.said
    assert "reference" in turn.events[-1]["message"]
    record = next(record for record in caplog.records if record.getMessage().startswith("turn failed"))
    assert NAMED.get(part, "agent 'Keeper'") in record.getMessage()
    assert record.exc_info is not None
    assert "app/own.py:" in record.getMessage()
    client.player.replies = ["Fine."]
    assert (await client.say("still there?")).said == ["Fine."]
