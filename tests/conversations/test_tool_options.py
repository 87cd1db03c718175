"""Options of tools beside their kind: questions, steps, error texts and conditions; and options of agents."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conversations.conftest import MakeChat
from tests.conversations.playing import call

ACTS = """
from agents import AgentHooks, RunContextWrapper
from runtime import RuntimeContext

seen = []

async def weigh(ctx: RunContextWrapper[RuntimeContext], parcel: str) -> str:
    "Weigh a parcel."
    await ctx.context.next_step()
    return f"{parcel} weighs 3 kg"

def fail(parcel: str) -> str:
    "Fail."
    raise ValueError(f"no parcel {parcel}")

async def is_open(context):
    return context.locale == "nb"

class Hooks(AgentHooks):
    async def on_start(self, context, agent):
        seen.append(agent.name)
"""
PARCEL = {
    "type": "object",
    "properties": {"parcel": {"type": "string"}, "places": {"type": "array", "items": {"type": "string"}}},
    "required": ["parcel", "places"],
    "additionalProperties": False,
}
ASK = {
    "ask": [
        {
            "id": "place",
            "question": "Where shall {{ args.parcel }} be left?",
            "options": ["{{ args.places }}", "nowhere"],
        },
        {"id": "remark", "question": "Anything else?", "description": "For {{ user.id }}."},
    ],
    "parameters": PARCEL,
    "description": "Ask where a parcel may be left.",
}


def _desk(tool: Any, **agent: Any) -> dict[str, Any]:
    return {"tools": {"it": tool}, "agents": {"desk": {"tools": ["it"], **agent}}}


async def test_questions_are_asked_without_python_and_the_answers_go_on(chat: MakeChat) -> None:
    client = await chat(_desk(ASK))
    client.player.replies = [[call("it", parcel="P-1", places=["shed", "porch"])], "In the shed, then."]
    asked = await client.say("leave it")
    [item] = asked.done("structured_input")
    assert [question["question"] for question in item["inputs"]] == ["Where shall P-1 be left?", "Anything else?"]
    assert [option["value"] for option in item["inputs"][0]["options"]] == ["shed", "porch", "nowhere"]
    assert item["inputs"][1]["description"] == "For local."
    assert len(client.player.asked) == 1
    answers = {"place": {"values": ["shed"]}, "remark": {"skipped": True}}
    answer = await client.call(
        "threads.add_structured_input", thread_id=asked.thread_id, item_id=item["id"], input={"answers": answers}
    )
    assert answer.said == ["In the shed, then."]
    told = client.player.asked[-1].input
    assert "Where shall P-1 be left?: shed" in str(told)
    assert told[2]["output"] == "The user was asked; the answers follow."


async def test_questions_with_wrong_arguments_are_an_error_for_the_model(chat: MakeChat) -> None:
    client = await chat(_desk(ASK))
    client.player.replies = [[call("it", parcel="P-1")], "Sorry."]
    answer = await client.say("leave it")
    assert answer.said == ["Sorry."]
    assert "'places' is a required property" in client.player.asked[-1].input[-1]["output"]


async def test_the_steps_of_a_tool_are_shown_while_it_works(chat: MakeChat) -> None:
    tool = {"python": "acts:weigh", "steps": ["Find {{ args.parcel }}", "Weigh it"]}
    client = await chat(_desk(tool), acts_py=ACTS)
    client.player.replies = [[call("it", parcel="P-1")], "Three."]
    answer = await client.say("weigh P-1")
    assert answer.said == ["Three."]
    updates = [e["update"] for e in answer.of("thread.item.updated") if e["update"]["type"] == "workflow.task.updated"]
    assert [(u["task"]["title"], u["task"]["status_indicator"]) for u in updates] == [
        ("Find P-1", "complete"),
        ("Weigh it", "loading"),
        ("Weigh it", "complete"),
    ]
    [done] = answer.done("workflow")
    assert {task["status_indicator"] for task in done["workflow"]["tasks"]} == {"complete"}


async def test_the_model_gets_an_error_in_the_projects_words(chat: MakeChat) -> None:
    tool = {"python": "acts:fail", "error": "It did not work for {{ user.id }}: {{ error }}"}
    client = await chat(_desk(tool), acts_py=ACTS)
    client.player.replies = [[call("it", parcel="P-1")], "Sorry."]
    assert (await client.say("fail")).said == ["Sorry."]
    assert client.player.asked[-1].input[-1]["output"] == "It did not work for local: no parcel P-1"


@pytest.mark.parametrize("condition", ["{{ locale == 'nb' }}", {"python": "acts:is_open"}])
async def test_a_tool_is_offered_on_a_condition(chat: MakeChat, condition: Any) -> None:
    client = await chat(_desk({"python": "acts:weigh", "enabled_if": condition}), acts_py=ACTS)
    await client.say("hello")
    client.headers["accept-language"] = "nb"
    await client.say("hei")
    assert [asked.tools for asked in client.player.asked] == [[], ["it"]]


CONSTANT = {
    **{"no": [], "off": [], "False": [], "yes": ["it"], "on": ["it"], "{% if user.id %}no{% endif %}": []},
    **{"{% if user.id %}sure{% endif %}": ["it"], " {{ not user.id }}": []},
}


@pytest.mark.parametrize("condition", [*CONSTANT, False, True])
async def test_yes_and_no_mean_what_they_say_in_a_condition(chat: MakeChat, condition: bool | str) -> None:
    client = await chat(_desk({"python": "acts:weigh", "enabled_if": condition}), acts_py=ACTS)
    await client.say("hello")
    expected = (["it"] if condition else []) if isinstance(condition, bool) else CONSTANT[condition]
    assert client.player.asked[0].tools == expected


async def test_a_condition_that_can_not_be_evaluated_offers_nothing(chat: MakeChat) -> None:
    client = await chat(_desk({"python": "acts:weigh", "enabled_if": "{{ thread.metadata.open > 1 }}"}), acts_py=ACTS)
    assert (await client.say("hello")).said == ["Fine."]
    assert client.player.asked[0].tools == []


async def test_an_agent_may_stop_at_any_tool(chat: MakeChat) -> None:
    client = await chat(_desk("acts:weigh", tool_use_behavior="stop_on_first_tool"), acts_py=ACTS)
    client.player.replies = [["I weigh it.", call("it", parcel="P-1")], "Never said."]
    assert (await client.say("weigh P-1")).said == ["I weigh it."]
    assert len(client.player.asked) == 1


async def test_a_tool_choice_may_be_kept(chat: MakeChat) -> None:
    config = _desk("acts:weigh", reset_tool_choice=False, settings={"tool_choice": "required"}, max_turns=2)
    client = await chat(config, acts_py=ACTS)
    client.player.replies = [[call("it", parcel="P-1")]]
    await client.say("weigh P-1")
    assert [asked.settings.tool_choice for asked in client.player.asked] == ["required", "required"]


async def test_hooks_are_called_for_what_the_agent_does(chat: MakeChat) -> None:
    client = await chat(_desk("acts:weigh", hooks="acts:Hooks"), acts_py=ACTS)
    await client.say("hello")
    assert client.runtime.generation.snapshot.code.resolve("acts:seen") == ["desk"]


async def test_a_stored_prompt_is_sent_with_its_variables(chat: MakeChat) -> None:
    from runtime.testing import OpenAIStub

    with OpenAIStub({"otherwise": "Fine."}) as stub:
        model = {"name": "scripted", "base_url": stub.base_url, "api_key": "none"}
        prompt = {"id": "pmpt_1", "version": "2", "variables": {"who": "{{ user.id }}"}}
        client = await chat({"models": {"default": model}, "agents": {"desk": {"prompt": prompt}}})
        assert (await client.say("hello")).said == ["Fine."]
        sent = stub.requests[-1].body["prompt"]
        assert sent == {"id": "pmpt_1", "version": "2", "variables": {"who": "local"}}


async def test_a_tool_locks_or_closes_the_thread_and_nobody_writes_in_it(chat: MakeChat) -> None:
    tools = {
        "lock": {"thread": "lock", "reason": "Wait, {{ user.id }}."},
        "finish": {"thread": "close", "stop": True},
        "open_up": {"thread": "open"},
    }
    client = await chat({"tools": tools, "agents": {"helper": {"tools": list(tools)}}})
    client.player.replies = [[call("lock")], "Locked."]
    answer = await client.say("lock it")
    assert answer.said == ["Locked."]
    [event] = answer.of("thread.updated")
    assert event["thread"]["status"] == {"type": "locked", "reason": "Wait, local."}
    refused = await client.say("again", answer.thread_id)
    assert (refused.status, refused.error["code"]) == (409, "thread_locked")
    client.player.replies = [[call("finish")]]
    closed = await client.say("finish")
    assert closed.of("thread.updated")[-1]["thread"]["status"]["type"] == "closed"
    client.player.replies = [[call("lock"), call("open_up")], "Open."]
    opened = await client.say("never mind")
    client.player.replies = ["Fine."]
    assert (await client.say("again", opened.thread_id)).said == ["Fine."]


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (None, 3)])
async def test_so_many_tools_run_side_by_side(chat: MakeChat, limit: int | None, most: int) -> None:
    code = """
import asyncio

running = most = 0

async def work() -> str:
    "Work."
    global running, most
    running += 1
    most = max(most, running)
    await asyncio.sleep(0)
    running -= 1
    return str(most)
"""
    config = {"tools": {"work": "app.tools:work"}, "agents": {"helper": {"tools": ["work"]}}}
    client = await chat({**config, "limits": {"parallel_tools": limit} if limit else {}}, app__tools_py=code)
    client.player.replies = [[call("work"), call("work"), call("work")], "Done."]
    await client.say("go")
    outputs = [each["output"] for each in client.player.asked[-1].of("function_call_output")]
    assert max(map(int, outputs)) == most
