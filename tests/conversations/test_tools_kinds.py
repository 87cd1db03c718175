"""Every kind of tool that a file can declare, called by a model in a real turn."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from agents import CodeInterpreterTool, FileSearchTool, FunctionTool, ImageGenerationTool, WebSearchTool
from chatkit.widgets import WidgetTemplate

from runtime.errors import ConfigError
from tests.conversations.conftest import Chat, MakeBare, MakeChat
from tests.conversations.playing import call

CODE = """
import asyncio
from typing import Any
from typing_extensions import TypedDict

from agents import FunctionTool, RunContextWrapper, WebSearchTool, function_tool
from chatkit.agents import AgentContext

@function_tool
def decorated(city: str) -> str:
    "A decorated tool."
    return f"decorated {city}"

@function_tool(name_override="renamed")
async def with_name(ctx: RunContextWrapper[AgentContext], city: str) -> str:
    "Named by hand."
    return f"renamed {city} {ctx.context.thread.id[:4]}"

def plain(city: str, days: int = 3) -> str:
    \"\"\"Plain.

    Args:
        city: The city's name.
    \"\"\"
    return f"plain {city} {days}"

async def later(ctx: RunContextWrapper[AgentContext], city: str) -> dict[str, Any]:
    "Async."
    return {"city": city, "user": ctx.context.user.id}

def free(data: dict[str, Any]) -> str:
    "Takes any data."
    return str(sorted(data))

def build(prefix, n=1):
    @function_tool
    def made(city: str) -> str:
        "Made."
        return f"{prefix * n} {city}"
    return made

def build_plain(prefix):
    def inner(city: str) -> str:
        "Inner."
        return f"{prefix} {city}"
    return inner

async def by_hand(ctx, arguments):
    return "by hand " + arguments

hand = FunctionTool(
    name="hand", description="By hand.", params_json_schema={"type": "object", "properties": {}}, on_invoke_tool=by_hand
)
web = WebSearchTool()
not_a_tool = 7

async def slow() -> str:
    "Never ends."
    await asyncio.Event().wait()

async def raises() -> str:
    "Raises."
    raise RuntimeError("x")
"""
CARD = {
    "template": {"type": "Card", "children": [{"type": "Text", "value": "{{ city }}"}]},
    "data": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "copy_text": "{{ city }}",
    "sample": {"city": "Oslo"},
}
PARAMETERS = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}


async def _with(chat: MakeChat, tools: dict[str, Any], inline: tuple[str, ...] = (), **more: Any) -> Chat:
    agents = {"helper": {"tools": [*tools, *inline]}, **more.pop("agents", {})}
    files = {name: more.pop(name) for name in list(more) if name.endswith("_widget")}
    return await chat({"entry": "helper", "tools": tools, "agents": agents, **more}, acts_py=CODE, **files)


async def _told(client: Chat, name: str, **arguments: Any) -> str:
    client.player.replies = [[call(name, **arguments)], "Done."]
    answer = await client.say("go")
    assert answer.of("error") == []
    return str(client.player.asked[-1].of("function_call_output")[-1]["output"])


async def test_python_tools_of_every_form_run_under_the_name_of_their_key(chat: MakeChat) -> None:
    tools = {
        "one": "acts:decorated",
        "two": "acts:plain",
        "three": "acts:later",
        "four": "acts:free",
        "five": "acts:hand",
    }
    client = await _with(chat, tools)
    assert await _told(client, "one", city="Oslo") == "decorated Oslo"
    assert await _told(client, "two", city="Oslo", days=4) == "plain Oslo 4"
    assert json.loads((await _told(client, "three", city="Oslo")).replace("'", '"')) == {
        "city": "Oslo",
        "user": "local",
    }
    assert await _told(client, "four", data={"b": 1, "a": 2}) == "['a', 'b']"
    assert await _told(client, "five", x=1) == 'by hand {"x": 1}'
    assert client.player.asked[0].tools == list(tools)


async def test_inline_paths_keep_the_tools_own_name(chat: MakeChat) -> None:
    client = await _with(chat, {}, ("acts:with_name", "acts:plain"))
    assert (await _told(client, "renamed", city="Oslo")).startswith("renamed Oslo thr_")
    assert client.player.asked[0].tools == ["renamed", "plain"]


async def test_a_description_in_the_file_overrides_the_docstring_and_the_sdk_object_stays_as_it_is(
    chat: MakeChat,
) -> None:
    client = await _with(chat, {"one": {"python": "acts:decorated", "description": "Mine."}, "two": "acts:decorated"})
    first, second = (client.runtime.tools[name].tool for name in ("one", "two"))
    original = client.runtime.generation.snapshot.code.resolve("acts:decorated")
    assert isinstance(first, FunctionTool)
    assert isinstance(second, FunctionTool)
    assert (first.name, first.description) == ("one", "Mine.")
    assert (second.name, second.description) == ("two", "A decorated tool.")
    assert (original.name, original.description) == ("decorated", "A decorated tool.")


async def test_a_factory_is_called_with_its_arguments(chat: MakeChat) -> None:
    tools = {
        "twice": {"factory": "acts:build", "with": {"prefix": "ho", "n": 2}},
        "inner": {"factory": "acts:build_plain", "with": {"prefix": "in"}},
    }
    client = await _with(chat, tools)
    assert await _told(client, "twice", city="Oslo") == "hoho Oslo"
    assert await _told(client, "inner", city="Oslo") == "in Oslo"


async def test_bound_arguments_are_passed_and_never_seen_by_the_model(chat: MakeChat) -> None:
    client = await _with(chat, {"week": {"python": "acts:plain", "with": {"days": 7}}})
    tool = client.runtime.tools["week"].tool
    assert isinstance(tool, FunctionTool)
    assert list(tool.params_json_schema["properties"]) == ["city"]
    assert tool.params_json_schema["required"] == ["city"]
    assert await _told(client, "week", city="Oslo", days=1) == "plain Oslo 7"


async def test_a_bound_argument_that_the_tool_does_not_have_is_an_error_with_its_place(chat: MakeChat) -> None:
    with pytest.raises(ConfigError, match="tool 'week' has no argument 'day'"):
        await _with(chat, {"week": {"python": "acts:plain", "with": {"day": 7}}})


async def test_what_is_no_tool_is_an_error(chat: MakeChat) -> None:
    with pytest.raises(ConfigError, match="'acts:not_a_tool' is an int, not a tool"):
        await _with(chat, {"seven": "acts:not_a_tool"})


async def test_a_hosted_tool_from_python_is_passed_on(chat: MakeChat) -> None:
    client = await _with(chat, {"web": "acts:web"})
    assert isinstance(client.runtime.tools["web"].tool, WebSearchTool)


async def test_a_widget_tool_shows_its_widget_and_checks_its_data(chat: MakeChat) -> None:
    client = await _with(chat, {"show": {"widget": "card"}}, widgets={"card": CARD})
    client.player.replies = [[call("show", city="Oslo")], "Done."]
    answer = await client.say("go")
    assert answer.done("widget")[0]["widget"]["children"][0]["value"] == "Oslo"
    assert answer.done("widget")[0]["copy_text"] == "Oslo"
    told = await _told(client, "show", town="Oslo")
    assert told.startswith("The widget could not be shown")


async def test_a_widget_tool_survives_hostile_data(chat: MakeChat) -> None:
    client = await _with(chat, {"show": {"widget": "card", "stop": True}}, widgets={"card": CARD})
    city = "\"'\\ {{ 7 * 7 }} </script>\n🙂"
    client.player.replies = [[call("show", city=city)]]
    assert (await client.say("go")).done("widget")[0]["widget"]["children"][0]["value"] == city


async def test_an_effect_tool_sends_its_effect_and_the_model_goes_on(chat: MakeChat) -> None:
    client = await _with(chat, {"flash": {"effect": "flash_light", "parameters": PARAMETERS}})
    client.player.replies = [[call("flash", n=2)], "Done."]
    answer = await client.say("go")
    assert answer.of("client_effect") == [{"type": "client_effect", "name": "flash_light", "data": {"n": 2}}]
    assert answer.said == ["Done."]
    assert "must match the schema" in await _told(client, "flash", n="two")


async def test_a_client_tool_is_called_in_the_browser_by_its_own_name(chat: MakeChat) -> None:
    client = await _with(chat, {"pick": {"client": "choose", "parameters": PARAMETERS}})
    client.player.replies = [[call("pick", n=2)]]
    item = (await client.say("go")).done("client_tool_call")[0]
    assert (item["name"], item["arguments"]) == ("choose", {"n": 2})


async def test_an_agent_as_a_tool_answers_the_model_and_what_it_shows_reaches_the_user(chat: MakeChat) -> None:
    inner = {"inner": {"tools": ["show"]}}
    tools = {"ask": {"agent": "inner"}}
    client = await chat(
        {
            "entry": "helper",
            "widgets": {"card": CARD},
            "tools": {**tools, "show": {"widget": "card"}},
            "agents": {"helper": {"tools": ["ask"]}, **inner},
        }
    )
    client.player.replies = [
        [call("ask", input="Oslo?")],
        [call("show", city="Oslo")],
        "Inner answer.",
        "Outer answer.",
    ]
    answer = await client.say("go")
    assert answer.done("widget")[0]["copy_text"] == "Oslo"
    assert answer.said == ["Outer answer."]
    assert client.player.asked[-1].of("function_call_output")[0]["output"] == "Inner answer."


async def test_an_agent_as_a_tool_with_stop_says_its_answer_to_the_user(chat: MakeChat) -> None:
    tools = {"ask": {"agent": "inner", "stop": True}}
    client = await _with(chat, tools, agents={"inner": {}})
    client.player.replies = [[call("ask", input="Oslo?")], "Inner answer.", "never said"]
    answer = await client.say("go")
    assert answer.said == ["Inner answer."]
    assert len(client.player.asked) == 2
    assert [item["type"] for item in await client.items(answer.thread_id)] == ["user_message", "assistant_message"]


@pytest.mark.parametrize("inner_tool", ["said_nothing", "gave_data", "show"])
async def test_an_agent_as_a_tool_whose_turn_a_stop_tool_ended_says_nothing(chat: MakeChat, inner_tool: str) -> None:
    code = """
def said_nothing() -> None:
    "Say nothing."

def gave_data() -> dict:
    "Give data."
    return {"price": 7, "currency": "€"}
"""
    own = {name: {"python": f"own:{name}", "stop": True} for name in ("said_nothing", "gave_data")}
    tools = {"ask": {"agent": "inner", "stop": True}, **own, "show": {"widget": "card", "stop": True}}
    agents = {"helper": {"tools": ["ask"]}, "inner": {"tools": [inner_tool]}}
    client = await chat({"tools": tools, "agents": agents, "widgets": {"card": CARD}, "entry": "helper"}, own_py=code)
    arguments = {"city": "Oslo"} if inner_tool == "show" else {}
    client.player.replies = [[call("ask", input="Oslo?")], [call(inner_tool, **arguments)], "never said"]
    answer = await client.say("go")
    assert (answer.said, answer.of("error")) == ([], [])
    assert len(answer.done("widget")) == (inner_tool == "show")
    assert len(client.player.asked) == 2
    client.player.replies = ["Fine."]
    await client.say("and?", answer.thread_id)
    (told,) = [each["output"] for each in client.player.asked[-1].of("function_call_output")]
    assert (
        told
        == {
            "said_nothing": "",
            "gave_data": '{"price": 7, "currency": "€"}',
            "show": "The widget was shown to the user.",
        }[inner_tool]
    )


BRIEF = {
    "type": "object",
    "properties": {"brief": {"type": "string"}},
    "required": ["brief"],
    "additionalProperties": False,
}


async def test_an_agent_as_a_tool_with_an_output_gives_json_to_its_caller(chat: MakeChat) -> None:
    agents = {
        "helper": {"tools": ["ask", "own"]},
        "inner": {"output": {"schema": BRIEF, "template": "**{{ brief }}**"}},
        "typed": {"output": {"python": "own:Brief", "template": "{{ brief }}"}},
    }
    tools = {"ask": {"agent": "inner"}, "own": {"agent": "typed"}}
    code = "from pydantic import BaseModel\nclass Brief(BaseModel):\n    brief: str\n"
    client = await chat({"tools": tools, "agents": agents, "entry": "helper"}, own_py=code)
    for name in ("ask", "own"):
        client.player.replies = [[call(name, input="?")], '{"brief": "Be bøld."}', "Done."]
        assert (await client.say("go")).said == ["Done."]
        assert client.player.asked[-1].of("function_call_output")[0]["output"] == '{"brief": "Be bøld."}'


@pytest.mark.parametrize("shown", [{"template": "**{{ brief }}** by {{ user.id }}"}, {"widget": "brief"}])
async def test_an_agent_as_a_tool_with_stop_and_an_output_shows_it_as_the_agent_would(
    chat: MakeChat, shown: dict[str, str]
) -> None:
    tree = {"type": "Card", "children": [{"type": "Text", "value": "{{ brief }}"}]}
    config = {
        "widgets": {"brief": {"template": tree, "data": BRIEF, "copy_text": "{{ brief }}"}},
        "tools": {"ask": {"agent": "inner", "stop": True}, "card": {"widget": "brief"}},
        "agents": {"helper": {"tools": ["ask", "card"]}, "inner": {"output": {"schema": BRIEF, **shown}}},
        "entry": "helper",
    }
    client = await chat(config)
    client.player.replies = [[call("ask", input="?")], '{"brief": "Be bold."}', "never said"]
    answer = await client.say("go")
    if "template" in shown:
        assert answer.said == ["**Be bold.** by local"]
    else:
        assert (answer.said, answer.done("widget")[0]["copy_text"]) == ([], "Be bold.")


async def test_an_agent_as_a_tool_with_stop_that_fails_says_nothing_and_the_caller_goes_on(chat: MakeChat) -> None:
    client = await _with(chat, {"ask": {"agent": "inner", "stop": True}}, agents={"inner": {}})
    client.player.replies = [[call("ask", input="?")], RuntimeError("secret"), "I could not ask."]
    answer = await client.say("go")
    assert answer.said == ["I could not ask."]


async def test_the_bare_sdk_shows_the_user_nothing_of_an_agent_as_a_tool_with_stop(bare: MakeBare) -> None:
    from agents import Agent, StopAtTools

    client = bare(tool_use_behavior=StopAtTools(stop_at_tool_names=["ask"]))
    inner: Agent[Any] = Agent(name="inner", model=client.player)
    client.server.agent.tools = [inner.as_tool("ask", "Ask.")]
    client.player.replies = [[call("ask", input="Oslo?")], "Inner answer."]
    answer = await client.say("go")
    assert answer.said == []
    assert answer.of("error") == []


async def test_stop_ends_the_turn_after_the_tool(chat: MakeChat) -> None:
    client = await _with(chat, {"one": {"python": "acts:decorated", "stop": True}})
    client.player.replies = [[call("one", city="Oslo")], "never said", "Next turn."]
    answer = await client.say("go")
    assert answer.said == []
    assert answer.of("error") == []
    assert len(client.player.asked) == 1
    await client.say("again", answer.thread_id)
    assert client.player.asked[1].of("function_call_output")[0]["output"] == "decorated Oslo"


async def test_progress_is_shown_before_the_tool_runs(chat: MakeChat) -> None:
    client = await _with(chat, {"one": {"python": "acts:decorated", "progress": "Looking at {{ args.city }}"}})
    client.player.replies = [[call("one", city="Oslo")], "Done."]
    answer = await client.say("go")
    assert [event["text"] for event in answer.of("progress_update")] == ["Looking at Oslo"]
    assert answer.types.index("progress_update") < answer.types.index("thread.item.added")


async def test_a_tool_that_takes_too_long_is_an_error_for_the_model(chat: MakeChat) -> None:
    client = await _with(chat, {"slow": {"python": "acts:slow", "timeout": "20ms"}})
    async with asyncio.timeout(180):
        assert "timed out" in (await _told(client, "slow")).lower()


async def test_hosted_tools_become_the_sdks_objects_with_their_options(chat: MakeChat) -> None:
    tools = {
        "search": {
            "hosted": "web_search",
            "search_context_size": "low",
            "country": "NO",
            "timezone": "Europe/Oslo",
            "allowed_domains": ["a.example"],
            "live": False,
            "content": ["text", "image"],
            "max_images": 2,
        },
        "manuals": {
            "hosted": "file_search",
            "vector_store_ids": ["vs_1"],
            "max_num_results": 3,
            "ranker": "auto",
            "score_threshold": 0.5,
            "filters": {"type": "eq", "key": "language", "value": "no"},
            "include_results": True,
        },
        "painter": {"hosted": "image_generation", "partial_images": 3, "size": "1024x1024"},
        "sandbox": {"hosted": "code_interpreter", "file_ids": ["file_1"]},
    }
    client = await _with(chat, tools)
    built = {name: tool.tool for name, tool in client.runtime.tools.items()}
    search, manuals, painter, sandbox = (built[name] for name in tools)
    assert isinstance(search, WebSearchTool)
    assert search.search_context_size == "low"
    assert search.user_location == {"type": "approximate", "country": "NO", "timezone": "Europe/Oslo"}
    assert search.external_web_access is False
    assert (search.search_content_types, search.image_settings) == (["text", "image"], {"max_results": 2})
    assert isinstance(manuals, FileSearchTool)
    assert (manuals.vector_store_ids, manuals.max_num_results) == (["vs_1"], 3)
    assert manuals.ranking_options == {"ranker": "auto", "score_threshold": 0.5}
    assert manuals.filters == {"type": "eq", "key": "language", "value": "no"}
    assert manuals.include_search_results
    assert isinstance(painter, ImageGenerationTool)
    assert painter.tool_config == {"type": "image_generation", "partial_images": 3, "size": "1024x1024"}
    assert isinstance(sandbox, CodeInterpreterTool)
    assert sandbox.tool_config["container"] == {"type": "auto", "file_ids": ["file_1"]}
    assert client.runtime.generation.snapshot.partial_images == 3


async def test_every_mistake_of_the_tools_is_reported_at_once(chat: MakeChat) -> None:
    tools = {"a": "acts:decorate", "b": "missing:tool", "c": {"python": "acts:plain", "with": {"x": 1}}}
    with pytest.raises(ConfigError) as caught:
        await _with(chat, tools)
    messages = [str(diagnostic) for diagnostic in caught.value.diagnostics]
    assert len(messages) == 3
    assert any("did you mean 'decorated'?" in message for message in messages)
    assert any("no module named 'missing'" in message for message in messages)


STUDIO = {
    "version": "1.0",
    "name": "Greeting",
    "template": '{"type": "Card", "children": [{"type": "Text", "value": "Hello {{ name }}"}]}',
    "jsonSchema": {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    },
}
ESCAPED = {**STUDIO, "template": '{"type": "Card", "children": [{"type": "Text", "value": {{ name | tojson }}}]}'}


async def test_a_studio_widget_checks_its_data_and_its_text_template_fails_clearly(chat: MakeChat) -> None:
    client = await _with(chat, {"show": {"widget": "hi.widget"}}, hi_widget=json.dumps(ESCAPED))
    client.player.replies = [[call("show", name='Ida "the" brave')], "Done."]
    answer = await client.say("go")
    assert answer.done("widget")[0]["widget"]["children"][0]["value"] == 'Ida "the" brave'
    told = await _told(client, "show", nam="Ida")
    assert told.startswith("The widget could not be shown")
    assert "name" in told


def test_the_bare_sdk_never_checks_a_widgets_data_and_breaks_on_a_quote(tmp_path: Path) -> None:
    (tmp_path / "hi.widget").write_text(json.dumps(STUDIO))
    template = WidgetTemplate.from_file(str(tmp_path / "hi.widget"))
    assert template.build({"name": 7, "more": 1}) is not None
    with pytest.raises(json.JSONDecodeError):
        template.build({"name": 'Ida "the" brave'})
