"""Tools that run in the browser: the turn pauses, goes on with the result, and survives whatever the browser does."""

from __future__ import annotations

import json
from typing import Any

from agents import RunContextWrapper, StopAtTools, function_tool
from chatkit.agents import AgentContext, ClientToolCall

from runtime.server.history.converter import UNANSWERED
from tests.conversations.conftest import Bare, MakeBare, MakeChat
from tests.conversations.playing import call

PICK = {
    "client": "get_selection",
    "description": "Read the selection.",
    "parameters": {
        "type": "object",
        "properties": {"page": {"type": "string"}},
        "required": ["page"],
        "additionalProperties": False,
    },
}
LOOK_UP = """
async def look_up(city: str) -> str:
    "Look a city up."
    return f"{city} is big"
"""
BY_HAND = """
from agents import RunContextWrapper, function_tool
from chatkit.agents import AgentContext, ClientToolCall

@function_tool
async def pick(ctx: RunContextWrapper[AgentContext], page: str) -> str:
    ctx.context.client_tool_call = ClientToolCall(name="get_selection", arguments={"page": page})
    return "asked"
"""


def _config(**tools: Any) -> dict[str, Any]:
    return {"tools": tools, "agents": {"helper": {"tools": list(tools)}}}


def _answers(asked: Any) -> dict[str, str]:
    return {item["call_id"]: item["output"] for item in asked.of("function_call_output")}


@function_tool
async def pick(ctx: RunContextWrapper[AgentContext[Any]], page: str) -> str:
    ctx.context.client_tool_call = ClientToolCall(name="get_selection", arguments={"page": page})
    return "asked"


def _bare(bare: MakeBare, stop: bool = True) -> Bare:
    behavior: Any = StopAtTools(stop_at_tool_names=["pick"]) if stop else "run_llm_again"
    return bare(tools=[pick], tool_use_behavior=behavior)


async def test_a_client_tool_pauses_the_turn_and_its_result_resumes_it(chat: MakeChat) -> None:
    client = await chat(_config(pick=PICK))
    client.player.replies = [["Let me look.", call("pick", page="1")], "You chose two nodes."]
    first = await client.say("what did I choose?")
    pending = first.done("client_tool_call")[0]
    assert (pending["name"], pending["arguments"], pending["status"]) == ("get_selection", {"page": "1"}, "pending")
    assert first.types[-1] == "thread.item.done"
    assert first.said == ["Let me look."]
    second = await client.result(first.thread_id, {"nodes": ["a", "b"]})
    assert second.said == ["You chose two nodes."]
    outputs = _answers(client.player.asked[1])
    assert json.loads(outputs[pending["call_id"]]) == {"nodes": ["a", "b"]}
    # The model knows the tool by its own name, whatever the browser calls it.
    assert [item["name"] for item in client.player.asked[1].of("function_call")] == ["pick"]
    stored = [item for item in await client.items(first.thread_id) if item["type"] == "client_tool_call"]
    assert [(item["status"], item["output"]) for item in stored] == [("completed", {"nodes": ["a", "b"]})]


async def test_a_result_that_comes_twice_or_unasked_is_answered_with_a_notice(chat: MakeChat) -> None:
    client = await chat(_config(pick=PICK))
    client.player.replies = [[call("pick", page="1")], "Thanks."]
    thread = (await client.say("go")).thread_id
    assert (await client.result(thread, 1)).said == ["Thanks."]
    again = await client.result(thread, 1)
    assert again.status == 200
    assert again.broken is None
    assert [event["level"] for event in again.of("notice")] == ["info"]
    assert len(client.player.asked) == 2


async def test_the_bare_sdk_cuts_the_stream_of_a_result_that_comes_twice(bare: MakeBare) -> None:
    client = _bare(bare)
    client.player.replies = [[call("pick", page="1")], "Thanks."]
    thread = (await client.say("go")).thread_id
    assert (await client.result(thread, 1)).said == ["Thanks."]
    again = await client.result(thread, 1)
    assert (again.status, again.events) == (200, [])
    assert again.broken is not None


async def test_a_result_after_the_user_typed_on_is_a_notice_and_the_call_counts_as_declined(chat: MakeChat) -> None:
    client = await chat(_config(pick=PICK))
    client.player.replies = [[call("pick", page="1")], "Never mind then."]
    first = await client.say("go")
    assert (await client.say("forget it", first.thread_id)).said == ["Never mind then."]
    call_id = first.done("client_tool_call")[0]["call_id"]
    assert _answers(client.player.asked[1])[call_id] in (UNANSWERED, json.dumps(UNANSWERED))
    assert [item["type"] for item in client.player.asked[1].input if "type" in item][:1] != ["function_call_output"]
    late = await client.result(first.thread_id, 1)
    assert late.types == ["stream_options", "notice"]
    assert len(client.player.asked) == 2


async def test_the_bare_sdk_cuts_the_stream_of_a_result_after_the_user_typed_on(bare: MakeBare) -> None:
    client = _bare(bare)
    client.player.replies = [[call("pick", page="1")], "Never mind then."]
    thread = (await client.say("go")).thread_id
    await client.say("forget it", thread)
    late = await client.result(thread, 1)
    assert late.broken is not None
    assert late.events == []


async def test_a_pending_call_is_found_behind_other_items(chat: MakeChat) -> None:
    notes = "async def note(ctx, action, sender):\n    await ctx.context.say('noted')\n"
    client = await chat({**_config(pick=PICK), "actions": {"note": "acts:note"}}, acts_py=notes)
    client.player.replies = [[call("pick", page="1")], "Thanks."]
    thread = (await client.say("go")).thread_id
    assert (await client.act(thread, "note")).said == ["noted"]
    assert (await client.result(thread, "x")).said == ["Thanks."]


async def test_the_second_client_tool_of_a_turn_goes_out_after_the_first_has_its_result(chat: MakeChat) -> None:
    client = await chat(_config(pick=PICK))
    client.player.replies = [[call("pick", page="1"), call("pick", page="2"), call("pick", page="3")], "All three."]
    first = await client.say("go")
    assert [item["arguments"] for item in first.done("client_tool_call")] == [{"page": "1"}]
    second = await client.result(first.thread_id, "one")
    assert [item["arguments"] for item in second.done("client_tool_call")] == [{"page": "2"}]
    third = await client.result(first.thread_id, "two")
    assert [item["arguments"] for item in third.done("client_tool_call")] == [{"page": "3"}]
    assert len(client.player.asked) == 1
    assert (await client.result(first.thread_id, "three")).said == ["All three."]
    outputs = _answers(client.player.asked[1])
    assert list(outputs.values()) == ["one", "two", "three"] or list(outputs.values()) == ['"one"', '"two"', '"three"']
    assert len(client.player.asked[1].of("function_call")) == 3


async def test_queued_client_tools_are_dropped_when_the_user_types_on(chat: MakeChat) -> None:
    client = await chat(_config(pick=PICK))
    client.player.replies = [[call("pick", page="1"), call("pick", page="2")], "Fine, something else."]
    first = await client.say("go")
    assert (await client.say("stop", first.thread_id)).said == ["Fine, something else."]
    asked = client.player.asked[1]
    assert len(asked.of("function_call")) == len(asked.of("function_call_output")) == 2
    assert (await client.result(first.thread_id, "late")).types == ["stream_options", "notice"]


async def test_the_bare_sdk_loses_the_first_of_two_client_tools(bare: MakeBare) -> None:
    client = _bare(bare)
    client.player.replies = [[call("pick", page="1"), call("pick", page="2")], "Both."]
    first = await client.say("go")
    assert [item["arguments"] for item in first.done("client_tool_call")] == [{"page": "2"}]


async def test_parallel_calls_are_off_for_client_tools_where_the_endpoint_obeys(chat: MakeChat) -> None:
    config = {**_config(pick=PICK, look_up="acts:look_up"), "models": {"default": {"name": "gpt-x", "api_key": "k"}}}
    config["agents"]["other"] = {"tools": ["look_up"]}
    client = await chat({**config, "entry": "helper"}, acts_py=LOOK_UP)
    agents = client.runtime.agents
    assert agents["helper"].model_settings.parallel_tool_calls is False
    assert agents["other"].model_settings.parallel_tool_calls is None


async def test_a_client_tool_beside_a_server_tool_is_bound_to_its_own_call(chat: MakeChat) -> None:
    client = await chat(_config(pick=PICK, look_up="acts:look_up"), acts_py=LOOK_UP)
    client.player.replies = [[call("pick", page="1"), call("look_up", city="Oslo")], "Done."]
    first = await client.say("go")
    await client.result(first.thread_id, "the selection")
    asked = client.player.asked[1]
    names = {item["call_id"]: item["name"] for item in asked.of("function_call")}
    bound = first.done("client_tool_call")[0]["call_id"]
    assert names[bound] == "pick"
    assert "the selection" in _answers(asked)[bound]
    other = next(call_id for call_id, name in names.items() if name == "look_up")
    assert _answers(asked)[other] == "Oslo is big"


async def test_the_bare_sdk_binds_a_client_tool_to_the_call_it_saw_last(bare: MakeBare) -> None:
    @function_tool
    async def look_up(city: str) -> str:
        return f"{city} is big"

    client = bare(tools=[pick, look_up], tool_use_behavior=StopAtTools(stop_at_tool_names=["pick"]))
    client.player.replies = [[call("pick", page="1"), call("look_up", city="Oslo")], "Done."]
    first = await client.say("go")
    made = [event.item for event in client.player.sent if event.type == "response.output_item.done"]
    by_id = {item.call_id: item.name for item in made}
    assert by_id[first.done("client_tool_call")[0]["call_id"]] == "look_up"


async def test_a_client_tool_in_python_needs_no_place_in_a_list_of_stops(chat: MakeChat) -> None:
    client = await chat(_config(pick="acts:pick"), acts_py=BY_HAND)
    client.player.replies = [[call("pick", page="1")], "Thanks."]
    first = await client.say("go")
    assert len(client.player.asked) == 1
    assert (await client.result(first.thread_id, "x")).said == ["Thanks."]


async def test_the_bare_sdk_talks_on_after_a_client_tool_that_is_no_stop(bare: MakeBare) -> None:
    client = _bare(bare, stop=False)
    client.player.replies = [[call("pick", page="1")], "I go on without the result."]
    assert (await client.say("go")).said == ["I go on without the result."]


async def test_a_function_call_without_an_id_gets_one(chat: MakeChat) -> None:
    client = await chat(_config(look_up="acts:look_up"), acts_py=LOOK_UP)
    client.player.no_ids = True
    client.player.replies = [[call("look_up", city="Oslo")], "Big."]
    answer = await client.say("go")
    assert answer.said == ["Big."]
    assert answer.of("error") == []


async def test_the_bare_sdk_fails_on_a_function_call_without_an_id(bare: MakeBare) -> None:
    client = _bare(bare, stop=False)
    client.player.no_ids = True
    client.player.replies = [[call("pick", page="1")], "Done."]
    assert (await client.say("go")).of("error") != []


async def test_wrong_arguments_of_a_client_tool_go_back_to_the_model(chat: MakeChat) -> None:
    client = await chat(_config(pick=PICK))
    client.player.replies = [[call("pick", pages=1)], "I see."]
    answer = await client.say("go")
    assert answer.done("client_tool_call") == []
    assert answer.said == ["I see."]
    assert "must match the schema" in next(iter(_answers(client.player.asked[1]).values()))


async def test_a_client_tool_that_an_action_calls_resumes_with_ids_that_every_endpoint_accepts(chat: MakeChat) -> None:
    code = "async def ask(ctx, action, sender):\n    await ctx.context.call_client('get_selection', {'page': '1'})\n"
    client = await chat({"actions": {"ask": "acts:ask"}}, acts_py=code)
    thread = (await client.say("hi")).thread_id
    asked = (await client.act(thread, "ask")).done("client_tool_call")
    # Chat Completions takes at most 40 characters.
    assert len(asked[0]["call_id"]) <= 40
    assert (await client.result(thread, "x")).said == ["Fine."]


async def test_a_client_tool_of_an_agent_that_is_a_tool_pauses_the_whole_turn(chat: MakeChat) -> None:
    config = {
        "entry": "boss",
        "tools": {"pick": PICK, "ask": {"agent": "inner"}},
        "agents": {"boss": {"tools": ["ask"]}, "inner": {"tools": ["pick"]}},
    }
    client = await chat(config)
    client.player.replies = [[call("ask", input="look")], [call("pick", page="1")], "Thanks."]
    first = await client.say("go")
    assert len(first.done("client_tool_call")) == 1
    assert (await client.result(first.thread_id, "the selection")).said == ["Thanks."]
    asked = client.player.asked[2]
    assert len(asked.of("function_call")) == len(asked.of("function_call_output")) == 2
    assert "the selection" in json.dumps(asked.input)
