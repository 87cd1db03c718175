"""Agents that the project's Python holds, named by their path, with the keys of agents.yaml laid over them."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import ConfigError
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call

CODE = """
from agents import (
    Agent, GuardrailFunctionOutput, ModelSettings, RunContextWrapper, StopAtTools, function_tool, handoff,
    input_guardrail,
)
from agents.agent import ToolsToFinalOutputResult
from pydantic import BaseModel
from chatkit.agents import ClientToolCall

taken = []

@function_tool
def feed(food: str) -> str:
    "Feed the cat."
    return f"ate {food}"

@function_tool
async def ask_page(ctx: RunContextWrapper) -> str:
    "Ask the page."
    ctx.context.client_tool_call = ClientToolCall(name="pick", arguments={})
    return ""

@input_guardrail
async def no_dogs(ctx, agent, text):
    return GuardrailFunctionOutput(output_info="a dog", tripwire_triggered="dog" in str(text))

def say_who(ctx, agent):
    return f"I am {agent.name} for {ctx.context.user.id}."

def ends(context, results):
    return ToolsToFinalOutputResult(is_final_output=True, final_output="ended")

class Brief(BaseModel):
    brief: str

dog = Agent(name="Dog", handoff_description="Knows bones.", instructions="I bark.")
bird = Agent(name="Bird", instructions="I sing.")
cat = Agent(
    name="The Cat",
    handoff_description="Knows mice.",
    instructions=say_who,
    tools=[feed, ask_page],
    tool_use_behavior=StopAtTools(stop_at_tool_names=["feed"]),
    model_settings=ModelSettings(temperature=0.3, top_p=0.5),
    input_guardrails=[no_dogs],
    handoffs=[dog, handoff(bird, on_handoff=lambda ctx: taken.append("bird"))],
)
ender = Agent(name="ender", tools=[feed], tool_use_behavior=ends)
writer = Agent(name="writer", output_type=Brief)
lost = Agent(name="lost", handoffs=[Agent(name="nobody")])
number = 3
twin = Agent(name=cat.name)
"""
ALL = {"cat": {"python": "pets:cat"}, "dog": {"python": "pets:dog"}, "bird": {"python": "pets:bird"}}


async def _client(chat: MakeChat, agents: dict[str, Any] | None = None, **more: Any) -> Chat:
    return await chat({"entry": next(iter(agents or ALL)), "agents": agents or ALL, **more}, pets_py=CODE)


async def test_the_object_gives_its_name_instructions_tools_settings_and_handoffs(chat: MakeChat) -> None:
    client = await _client(chat)
    assert (await client.say("hello")).said == ["Fine."]
    asked = client.player.asked[0]
    assert asked.instructions == "I am The Cat for local."
    assert asked.tools == ["feed", "ask_page"]
    assert asked.handoffs == ["transfer_to_dog", "transfer_to_bird"]
    assert (asked.settings.temperature, asked.settings.top_p) == (0.3, 0.5)


async def test_the_keys_of_the_file_are_laid_over_it(chat: MakeChat) -> None:
    own = {
        "python": "pets:cat",
        "name": "Tom",
        "instructions": "You are {{ user.id }}'s cat.",
        "tools": ["nap"],
        "handoffs": ["dog"],
        "settings": {"temperature": 0.9},
        "guardrails": {},
    }
    tools = {"nap": {"effect": "nap"}}
    client = await _client(chat, {"cat": own, "dog": ALL["dog"]}, tools=tools)
    await client.say("a dog?")
    asked = client.player.asked[0]
    assert (asked.instructions, asked.tools, asked.handoffs) == ("You are local's cat.", ["nap"], ["transfer_to_dog"])
    assert (asked.settings.temperature, asked.settings.top_p) == (0.9, 0.5)
    assert client.runtime.agents["cat"].name == "Tom"
    # The project's object stays as it is.
    held = client.runtime.generation.snapshot.code.resolve("pets:cat")
    assert (held.name, len(held.tools), held.model) == ("The Cat", 2, None)


async def test_its_stops_end_the_turn_and_so_does_a_call_of_the_browser(chat: MakeChat) -> None:
    client = await _client(chat)
    client.player.replies = [[call("feed", food="mice")], "never said"]
    assert (await client.say("feed it")).said == []
    assert len(client.player.asked) == 1
    client.player.replies = [[call("ask_page")], "never said"]
    answer = await client.say("ask")
    assert [item["name"] for item in answer.done("client_tool_call")] == ["pick"]
    assert len(client.player.asked) == 2


async def test_its_own_function_decides_when_the_turn_ends(chat: MakeChat) -> None:
    client = await _client(chat, {"ender": {"python": "pets:ender"}})
    client.player.replies = [[call("feed", food="mice")], "never said"]
    await client.say("feed it")
    assert len(client.player.asked) == 1


async def test_its_guardrails_and_handoffs_work_as_declared_ones(chat: MakeChat) -> None:
    client = await _client(chat)
    assert (await client.say("a dog?")).said == ["I can't help with that."]
    assert client.player.asked == []
    client.player.replies = [[call("transfer_to_dog")], "Woof."]
    assert (await client.say("woof?")).said == ["Woof."]
    assert client.player.asked[-1].instructions == "I bark."
    client.player.replies = [[call("transfer_to_bird")], "Tweet."]
    assert (await client.say("tweet?")).said == ["Tweet."]
    assert client.runtime.generation.snapshot.code.resolve("pets:taken") == ["bird"]


async def test_its_output_type_is_shown_by_a_template(chat: MakeChat) -> None:
    client = await _client(chat, {"writer": {"python": "pets:writer", "output": {"template": "**{{ brief }}**"}}})
    client.player.replies = ['{"brief": "Be bold."}']
    assert (await client.say("go")).said == ["**Be bold.**"]


async def test_an_agent_from_python_may_be_a_tool(chat: MakeChat) -> None:
    agents = {"helper": {"tools": ["ask"]}, "writer": {"python": "pets:writer"}}
    client = await _client(chat, agents, tools={"ask": {"agent": "writer"}})
    client.player.replies = [[call("ask", input="go")], '{"brief": "Be bold."}', "Done."]
    assert (await client.say("go")).said == ["Done."]
    assert client.player.asked[-1].of("function_call_output")[0]["output"] == '{"brief": "Be bold."}'


@pytest.mark.parametrize(
    ("agents", "message"),
    [
        ({"x": {"python": "pets:number"}}, "'pets:number' is an int, not an agents.Agent"),
        ({"x": {"python": "pets:feed"}}, "'pets:feed' is a tool of the Agents SDK, not an agents.Agent"),
        ({"x": {"python": "pets:lost"}}, "hands over to the agent 'nobody', which agents.yaml does not declare"),
        ({"x": {"python": "pets:writer"}}, "'pets:writer' has an 'output_type', and nothing shows its answer"),
        ({**ALL, "y": {"python": "pets:twin"}}, "the agents 'cat' and 'y' are both named 'The Cat'"),
    ],
)
async def test_what_can_not_work_is_refused_with_the_way_out(
    chat: MakeChat, agents: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        await _client(chat, agents)
