"""Agents: their models and settings, handoffs between them, and the cost of a run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agents import Agent

from runtime.errors import ConfigError
from tests.conversations.conftest import MakeChat
from tests.conversations.playing import call


async def test_an_agent_hands_over_and_the_other_one_answers(chat: MakeChat) -> None:
    agents = {
        "helper": {"handoffs": [{"agent": "billing", "description": "For invoices."}], "instructions": "I help."},
        "billing": {"instructions": "I bill.", "name": "Billing desk"},
    }
    client = await chat({"entry": "helper", "agents": agents})
    client.player.replies = [["One moment.", call("transfer_to_billing_desk")], "Your invoice is paid."]
    answer = await client.say("my invoice?")
    assert answer.said == ["One moment.", "Your invoice is paid."]
    assert [asked.instructions for asked in client.player.asked] == ["I help.", "I bill."]
    assert client.player.asked[0].handoffs == ["transfer_to_billing_desk"]


async def test_the_next_turn_begins_with_the_entry_agent_and_knows_what_was_said(chat: MakeChat) -> None:
    agents = {"helper": {"handoffs": ["billing"], "instructions": "I help."}, "billing": {"instructions": "I bill."}}
    client = await chat({"entry": "helper", "agents": agents})
    client.player.replies = [[call("transfer_to_billing")], "Paid.", "Bye."]
    thread = (await client.say("my invoice?")).thread_id
    answer = await client.say("thanks", thread)
    assert answer.said == ["Bye."]
    assert client.player.asked[2].instructions == "I help."
    asked = client.player.asked[2]
    assert len(asked.of("function_call")) == len(asked.of("function_call_output"))
    assert "Paid." in json.dumps(asked.input)


async def test_agents_may_hand_over_in_a_circle(chat: MakeChat) -> None:
    agents = {"a": {"handoffs": ["b"], "instructions": "A"}, "b": {"handoffs": ["a"], "instructions": "B"}}
    client = await chat({"entry": "a", "agents": agents})
    client.player.replies = [[call("transfer_to_b")], [call("transfer_to_a")], [call("transfer_to_b")], "Here."]
    assert (await client.say("go")).said == ["Here."]
    assert [asked.instructions for asked in client.player.asked] == ["A", "B", "A", "B"]


async def test_handoffs_hold_no_reference_that_a_run_would_walk_along(chat: MakeChat) -> None:
    names = [f"agent{n}" for n in range(50)]
    agents: dict[str, Any] = {name: {"handoffs": [other for other in names if other != name][:3]} for name in names}
    client = await chat({"entry": "agent0", "agents": agents})
    seen: set[int] = set()

    def walk(agent: Agent[Any]) -> None:
        seen.add(id(agent))
        for handoff in agent.handoffs:
            reference = None if isinstance(handoff, Agent) else handoff._agent_ref
            target = handoff if isinstance(handoff, Agent) else reference and reference()
            if isinstance(target, Agent) and id(target) not in seen:
                walk(target)

    walk(client.runtime.agents["agent0"])
    assert len(seen) == 1
    client.player.replies = [[call("transfer_to_agent1")], "Here."]
    assert (await client.say("go")).said == ["Here."]


async def test_an_agents_settings_override_its_models_key_by_key(chat: MakeChat) -> None:
    player: dict[str, Any] = {"python": "tests.conversations.playing:find"}
    config: dict[str, Any] = {
        "agents": {
            "plain": {},
            "own": {"settings": {"temperature": 0.9, "tool_choice": "none"}},
        },
        "entry": "own",
    }
    client = await chat(config)
    config["models"] = {
        "default": {
            **player,
            "with": {"name": client.player.stage_name},
            "settings": {"temperature": 0.1, "top_p": 0.5, "reasoning": {"effort": "low"}},
        }
    }
    client = await chat(config, name="again")
    await client.say("hi")
    settings = client.player.asked[0].settings
    assert (settings.temperature, settings.top_p, settings.tool_choice) == (0.9, 0.5, "none")
    assert settings.reasoning is not None
    assert settings.reasoning.effort == "low"
    assert client.runtime.agents["plain"].model_settings.temperature == 0.1


@pytest.mark.parametrize(
    ("model", "effort", "verbosity"),
    [
        ({"name": "gpt-5"}, "low", "low"),
        ({"name": "gpt-5.6-luna"}, "none", "low"),
        ({"name": "gpt-5.2-pro"}, "medium", "low"),
        ({"name": "gpt-6-luna"}, None, None),
        ({"name": "gpt-5", "settings": {"verbosity": "high"}}, "low", "high"),
        ({"name": "gpt-5", "settings": {"reasoning": {"effort": "high"}}}, "high", "low"),
        ({"name": "gpt-5", "base_url": "https://api.openai.com/v1"}, "low", "low"),
        ({"name": "gpt-5", "base_url": "http://127.0.0.1:9/v1"}, None, None),
    ],
)
async def test_a_model_of_openais_has_the_settings_that_the_agents_sdk_gives_it_by_its_name(
    chat: MakeChat, model: dict[str, Any], effort: str | None, verbosity: str | None
) -> None:
    client = await chat({"models": {"m": {"api_key": "none", **model}}, "agents": {"helper": {"model": "m"}}})
    settings = client.runtime.agents["helper"].model_settings
    assert (settings.reasoning and settings.reasoning.effort, settings.verbosity) == (effort, verbosity)
    if model.keys() == {"name"}:
        assert settings == Agent(name="bare", model=model["name"]).model_settings


async def test_the_limit_of_turns_is_the_entry_agents(chat: MakeChat) -> None:
    code = "def look_up(city: str) -> str:\n    'Look up.'\n    return city\n"
    client = await chat({"agents": {"helper": {"tools": ["acts:look_up"]}}}, acts_py=code)
    client.player.replies = [[call("look_up", city="Oslo")]]
    assert (await client.say("go")).types[-1] == "error"
    assert len(client.player.asked) == 10


async def test_input_of_a_turn_does_not_grow_with_the_tools_of_other_agents(chat: MakeChat) -> None:
    agents: dict[str, Any] = {"helper": {}, **{f"other{n}": {"tools": ["acts:look_up"]} for n in range(20)}}
    code = "def look_up(city: str) -> str:\n    'Look up.'\n    return city\n"
    client = await chat({"entry": "helper", "agents": agents}, acts_py=code)
    await client.say("hi")
    assert client.player.asked[0].tools == []
    tools = {id(agent.tools[0]) for key, agent in client.runtime.agents.items() if key != "helper"}
    assert len(tools) == 1


async def test_a_model_that_can_not_be_built_is_reported_at_its_place(chat: MakeChat) -> None:
    with pytest.raises(ConfigError, match="the model 'default' has no key"):
        await chat({"models": {"default": "gpt-6-luna"}})
    with pytest.raises(ConfigError, match=r"not an agents\.Model"):
        await chat(
            {"models": {"default": {"python": "own:thing"}}}, name="second", own_py="def thing():\n    return 1\n"
        )


async def test_a_declared_model_that_nobody_uses_needs_no_key(chat: MakeChat) -> None:
    client = await chat()
    models = {
        "default": {"python": "tests.conversations.playing:find", "with": {"name": client.player.stage_name}},
        "spare": "gpt-6-luna",
    }
    assert (await (await chat({"models": models}, name="spare")).say("hi")).said == ["Fine."]


async def test_no_traces_leave_the_process(chat: MakeChat) -> None:
    client = await chat()
    assert client.runtime.generation.snapshot.run_config.tracing_disabled is True


async def test_two_models_at_one_endpoint_share_a_client_and_the_project_closes_it(chat: MakeChat) -> None:
    models = {
        "default": {"name": "one", "api_key": "k", "base_url": "http://127.0.0.1:9/v1"},
        "other": {"name": "two", "api_key": "k", "base_url": "http://127.0.0.1:9/v1"},
        "third": {"name": "two", "api_key": "another", "base_url": "http://127.0.0.1:9/v1"},
    }
    agents = {"a": {}, "b": {"model": "other"}, "c": {"model": "third"}}
    client = await chat({"entry": "a", "models": models, "agents": agents})
    models_built = client.runtime.generation.snapshot.models.built
    one, other, third = (models_built[name].client for name in ("default", "other", "third"))
    assert one is not None
    assert third is not None
    assert one is other is not third
    await client.runtime.close()
    assert one.is_closed()
    assert third.is_closed()


async def test_names_that_are_no_names_of_tools_are_mapped_without_a_warning(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    agents = {
        "helper": {"handoffs": ["desk", "long"], "name": "Hjælper (A)", "tools": ["ask"]},
        "desk": {"name": "Rück-Gabe & Co"},
        "long": {"name": "An agent with a name of many words, which no endpoint takes as a name"},
        "expert": {"name": "Éxpert"},
    }
    client = await chat({"entry": "helper", "agents": agents, "tools": {"ask": {"agent": "expert"}}})
    client.player.replies = [[call("transfer_to_r_ck_gabe___co")], "Here."]
    assert (await client.say("go")).said == ["Here."]
    asked = client.player.asked[0]
    assert asked.handoffs == [
        "transfer_to_r_ck_gabe___co",
        "transfer_to_an_agent_with_a_name_of_many_words__which_no_endpoin",
    ]
    assert max(map(len, asked.handoffs)) == 64
    assert "invalid characters" not in caplog.text
