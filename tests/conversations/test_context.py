"""`ctx.context` of tools: all of the SDK's AgentContext, and the methods that the runtime adds."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from agents import RunContextWrapper, function_tool
from chatkit.agents import AgentContext
from chatkit.types import HiddenContextItem, ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadItemReplacedEvent

from runtime.assemble.context import RuntimeContext
from runtime.errors import ConfigError
from tests.conversations.conftest import Chat, MakeBare, MakeChat
from tests.conversations.playing import call

CARD = {
    "template": {"type": "Card", "children": [{"type": "Text", "value": "Order {{ id }}"}]},
    "data": {
        "type": "object",
        "properties": {"id": {"type": "string"}},
        "required": ["id"],
        "additionalProperties": False,
    },
    "copy_text": "order {{ id }}",
    "sample": {"id": "A-1"},
}
TOOLS = """
from datetime import datetime

from agents import RunContextWrapper, function_tool
from chatkit.agents import AgentContext, ClientToolCall
from chatkit.types import ClientEffectEvent, HiddenContextItem, ThreadItemDoneEvent
from chatkit.widgets import DynamicWidgetRoot

Ctx = RunContextWrapper[AgentContext]

def card(text, streaming=None):
    node = {"type": "Text", "id": "t", "value": text}
    if streaming is not None:
        node["streaming"] = streaming
    return DynamicWidgetRoot.model_validate({"type": "Card", "children": [node]})

@function_tool
async def widget(ctx: Ctx) -> str:
    await ctx.context.stream_widget(card("hello"), copy_text="copied")
    return "ok"

@function_tool
async def growing(ctx: Ctx) -> str:
    async def states():
        yield card("a", True)
        yield card("a b", True)
        yield card("a b c", False)
    await ctx.context.stream_widget(states())
    return "ok"

@function_tool
async def event(ctx: Ctx) -> str:
    await ctx.context.stream(ClientEffectEvent(name="flash", data={"n": 1}))
    return "ok"

@function_tool
async def hide(ctx: Ctx) -> str:
    context = ctx.context
    item = HiddenContextItem(
        id=context.generate_id("message"),
        thread_id=context.thread.id,
        created_at=datetime.now(),
        content="<SECRET>x</SECRET>",
    )
    await context.store.add_thread_item(context.thread.id, item, context.request_context)
    return "ok"

@function_tool
async def read(ctx: Ctx) -> str:
    context = ctx.context
    page = await context.store.load_thread_items(context.thread.id, None, 10, "asc", {"user": "somebody else"})
    return ",".join(item.type for item in page.data)

@function_tool
async def rename(ctx: Ctx) -> str:
    ctx.context.thread.title = "By tool"
    ctx.context.thread.metadata["seen"] = True
    return "ok"

@function_tool
async def new_ids(ctx: Ctx) -> str:
    made = [ctx.context.generate_id(kind) for kind in ("message", "thread", "workflow", "task", "tool_call")]
    return " ".join(name.partition("_")[0] for name in made)

@function_tool
async def everything(ctx: Ctx) -> str:
    context = ctx.context
    await context.show_widget("order", {"id": "A-42"})
    await context.effect("flash", {"n": 2})
    await context.progress("thinking", icon="search")
    await context.notice("warning", "**careful**", title="Well")
    await context.remember("the customer is called Ida")
    await context.say("my own words")
    return "ok"

@function_tool
async def who(ctx: Ctx) -> str:
    context = ctx.context
    return f"{context.user.id}/{context.locale}/{context.config.agents['helper'].max_turns}/{type(context).__name__}"

@function_tool
async def ask(ctx: Ctx) -> str:
    await ctx.context.call_client("pick", {"n": 1})
    return "asked"

@function_tool
async def unknown_widget(ctx: Ctx) -> str:
    try:
        await ctx.context.show_widget("ordr", {})
    except LookupError as error:
        return str(error)

@function_tool
async def wrong_data(ctx: Ctx) -> str:
    try:
        await ctx.context.show_widget("order", {"idd": 1})
    except Exception as error:
        return f"{type(error).__name__}: {error}"

@function_tool
async def count(ctx: Ctx) -> str:
    ctx.context.cats["n"] = ctx.context.cats.get("n", 0) + 1
    return f"{ctx.context.cats['n']} {ctx.context.greet('Ida')} {ctx.context.shelf}"

@function_tool
async def asked(ctx: Ctx) -> str:
    return str(ctx.context.request_context["customer"])
"""
OWN = """
from pydantic import Field
from chatkit.agents import AgentContext

class MyContext(AgentContext):
    shelf: str = "top shelf"
    seen: list = Field(default_factory=list)

    def greet(self, name):
        self.seen.append(name)
        return f"Hello {name}, {len(self.seen)}"

def build(request):
    return {"customer": request.headers.get("x-customer", "nobody")}

async def build_later(request):
    return {"customer": "async " + request.headers["x-customer"]}

class Cats(dict):
    pass
"""
NAMES = (
    "widget growing event hide read rename new_ids everything who ask unknown_widget wrong_data".split()  # noqa: SIM905
)


async def _use(chat: MakeChat, tool: str, **more: Any) -> tuple[Chat, Any, str]:
    """Run one tool in a turn; return the client, the answer, and what the tool returned to the model."""
    tools = [f"acts:{name}" for name in (*NAMES, *more.pop("also", ()))]
    config = {"widgets": {"order": CARD}, "agents": {"helper": {"tools": tools, "max_turns": 7}}, **more}
    client = await chat(config, acts_py=TOOLS, own_py=OWN)
    client.headers = {"accept-language": "nb-NO,en;q=0.8", "x-customer": "ida"}
    client.player.replies = [[call(tool)], "Done."]
    answer = await client.say("go")
    assert answer.of("error") == []
    outputs = client.player.asked[1].of("function_call_output") if len(client.player.asked) > 1 else []
    return client, answer, outputs[0]["output"] if outputs else ""


async def test_stream_widget_shows_and_stores_a_widget(chat: MakeChat) -> None:
    client, answer, _ = await _use(chat, "widget")
    shown = answer.done("widget")[0]
    assert (shown["widget"]["children"][0]["value"], shown["copy_text"]) == ("hello", "copied")
    assert shown in await client.items(answer.thread_id)


async def test_stream_widget_takes_an_async_generator_of_states(chat: MakeChat) -> None:
    client, answer, _ = await _use(chat, "growing")
    added = next(event["item"] for event in answer.of("thread.item.added") if event["item"]["type"] == "widget")
    updates = [event["update"] for event in answer.of("thread.item.updated") if event["item_id"] == added["id"]]
    assert [update["type"] for update in updates] == ["widget.streaming_text.value_delta", "widget.root.updated"]
    assert updates[0]["delta"] == " b"
    assert answer.of("thread.item.replaced") == []
    stored = next(item for item in await client.items(answer.thread_id) if item["type"] == "widget")
    assert stored["widget"]["children"][0]["value"] == "a b c"


async def test_stream_sends_any_event(chat: MakeChat) -> None:
    _, answer, _ = await _use(chat, "event")
    assert answer.of("client_effect") == [{"type": "client_effect", "name": "flash", "data": {"n": 1}}]


async def test_the_store_takes_items_of_tools_and_ignores_the_context_they_pass(chat: MakeChat) -> None:
    client, answer, _ = await _use(chat, "hide")
    assert b"SECRET" not in answer.body
    assert "SECRET" not in json.dumps(await client.items(answer.thread_id))
    await client.say("again", answer.thread_id)
    assert "SECRET" in json.dumps(client.player.asked[-1].input)
    _, _, told = await _use_again(client, "read", answer.thread_id)
    assert told.split(",")[:3] == ["user_message", "hidden_context_item", "assistant_message"]


async def _use_again(client: Chat, tool: str, thread: str | None = None) -> tuple[Chat, Any, str]:
    client.player.replies = [[call(tool)], "Done."]
    answer = await client.say("go", thread)
    return client, answer, client.player.asked[-1].of("function_call_output")[-1]["output"]


async def test_a_tool_may_rename_the_thread_and_keep_metadata_in_it(chat: MakeChat) -> None:
    client, answer, _ = await _use(chat, "rename")
    assert answer.of("thread.updated")[0]["thread"]["title"] == "By tool"
    stored = await client.runtime.store.load_thread("local", answer.thread_id)
    assert (stored.title, stored.metadata) == ("By tool", {"seen": True})


async def test_generate_id_makes_ids_of_every_kind(chat: MakeChat) -> None:
    _, _, told = await _use(chat, "new_ids")
    assert told == "msg thr wf tsk tc"


async def test_the_conveniences_each_do_what_they_say(chat: MakeChat) -> None:
    client, answer, _ = await _use(chat, "everything")
    assert answer.done("widget")[0]["copy_text"] == "order A-42"
    assert answer.of("client_effect")[0]["data"] == {"n": 2}
    assert answer.of("progress_update") == [{"type": "progress_update", "icon": "search", "text": "thinking"}]
    assert answer.of("notice")[0] == {"type": "notice", "level": "warning", "message": "**careful**", "title": "Well"}
    assert answer.said == ["my own words", "Done."]
    assert b"called Ida" not in answer.body
    await client.say("again", answer.thread_id)
    told = json.dumps(client.player.asked[-1].input)
    assert "called Ida" in told
    assert "my own words" in told


async def test_user_locale_and_config_are_there_to_read(chat: MakeChat) -> None:
    _, _, told = await _use(chat, "who")
    assert told == "local/nb-NO/7/RuntimeContext"


async def test_call_client_ends_the_turn_with_a_pending_call(chat: MakeChat) -> None:
    client, answer, _ = await _use(chat, "ask")
    assert [item["name"] for item in answer.done("client_tool_call")] == ["pick"]
    assert len(client.player.asked) == 1


async def test_a_widget_that_is_not_declared_is_named_with_those_that_are(chat: MakeChat) -> None:
    _, _, told = await _use(chat, "unknown_widget")
    assert told == "no widget is named 'ordr' (declared: order)"


async def test_data_that_does_not_fit_a_widget_raises_where_the_tool_can_see_it(chat: MakeChat) -> None:
    _, answer, told = await _use(chat, "wrong_data")
    assert told.startswith("WidgetError")
    assert answer.done("widget") == []


async def test_state_a_context_class_and_a_request_context_reach_tools_under_their_names(chat: MakeChat) -> None:
    more = {"state": {"cats": "own:Cats"}, "context": "own:build", "context_class": "own:MyContext"}
    client, _, told = await _use(chat, "count", also=("count", "asked"), **more)
    assert told == "1 Hello Ida, 1 top shelf"
    # State lives as long as the project, fields of the context class as long as a turn.
    assert (await _use_again(client, "count"))[2] == "2 Hello Ida, 1 top shelf"
    assert client.runtime.state["cats"] == {"n": 2}
    assert (await _use_again(client, "asked"))[2] == "ida"
    assert issubclass(client.runtime.generation.snapshot.context_type, RuntimeContext)


async def test_a_request_context_may_be_async(chat: MakeChat) -> None:
    _, _, told = await _use(chat, "asked", also=("asked",), context="own:build_later")
    assert told == "async ida"


async def test_without_a_context_function_tools_see_the_request(chat: MakeChat) -> None:
    code = """
from agents import RunContextWrapper
async def path(ctx: RunContextWrapper) -> str:
    return ctx.context.request_context["request"].url.path
"""
    client = await chat({"agents": {"helper": {"tools": ["acts:path"]}}}, acts_py=code)
    client.player.replies = [[call("path")], "Done."]
    await client.say("go")
    assert client.player.asked[1].of("function_call_output")[0]["output"] == "/chatkit"


async def test_a_context_function_may_turn_a_request_away(chat: MakeChat) -> None:
    code = """
from fastapi import HTTPException
def build(request):
    raise HTTPException(401, "who are you")
"""
    answer = await (await chat({"context": "own:build"}, own_py=code)).say("hi")
    assert answer.status == 401


async def test_a_converter_of_ones_own_is_mixed_with_the_mended_one(chat: MakeChat) -> None:
    code = """
from chatkit.agents import ThreadItemConverter
from openai.types.responses import ResponseInputTextParam

class Converter(ThreadItemConverter):
    async def tag_to_message_content(self, tag):
        return ResponseInputTextParam(type="input_text", text=f"MINE {tag.id}")
"""
    client = await chat({"converter": "own:Converter"}, own_py=code)
    thread = (await client.say("hi")).thread_id
    tag = {"type": "input_tag", "id": "doc_7", "text": "Plan", "data": {}}
    await client.call(
        "threads.add_user_message",
        thread_id=thread,
        input={"content": [tag], "attachments": [], "inference_options": {}},
    )
    told = client.player.asked[-1].input
    assert "MINE doc_7" in json.dumps(told)
    assert {"role": "assistant", "content": "Fine."} in told


async def test_a_converter_gets_the_arguments_of_with(chat: MakeChat) -> None:
    code = """
from chatkit.agents import ThreadItemConverter
from openai.types.responses import ResponseInputTextParam

class Converter(ThreadItemConverter):
    def __init__(self, word, mark="!"):
        self.said = word + mark

    async def tag_to_message_content(self, tag):
        return ResponseInputTextParam(type="input_text", text=f"{self.said} {tag.id}")

made = Converter("made")
"""
    client = await chat({"converter": {"python": "own:Converter", "with": {"word": "MINE"}}}, own_py=code)
    tag = {"type": "input_tag", "id": "doc_7", "text": "Plan", "data": {}}
    message = {"content": [tag], "attachments": [], "inference_options": {}}
    await client.call("threads.create", input=message)
    told = client.player.asked[-1].input
    assert "MINE! doc_7" in json.dumps(told)
    message = "'own:made' is an object of the class 'Converter' and takes no arguments"
    with pytest.raises(ConfigError, match=message) as caught:
        await chat({"converter": {"python": "own:made", "with": {"word": "MINE"}}}, name="object", own_py=code)
    assert caught.value.diagnostics[0].path == "converter.with.word"


@pytest.mark.parametrize("name", ["thread", "store", "stream", "user", "say", "model_dump"])
async def test_an_object_of_state_must_not_hide_what_tools_need(chat: MakeChat, name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' would hide what ctx.context.{name} is already"):
        await chat({"state": {name: "own:Cats"}}, own_py=OWN)


HIDDEN = """
from datetime import datetime
from agents import RunContextWrapper
from chatkit.agents import AgentContext
from chatkit.types import HiddenContextItem, ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadItemReplacedEvent

async def hide(ctx: RunContextWrapper[AgentContext]) -> str:
    "Hide."
    context = ctx.context
    item = HiddenContextItem(
        id=context.generate_id("message"), thread_id=context.thread.id, created_at=datetime.now(), content="SECRET"
    )
    for event in (ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadItemReplacedEvent):
        await context.stream(event(item=item))
    await context.store.delete_thread_item(context.thread.id, "msg_missing", {})
    return "ok"
"""


async def test_no_event_of_a_hidden_item_is_sent_and_deleting_what_is_gone_is_fine(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"tools": ["acts:hide"]}}}, acts_py=HIDDEN)
    client.player.replies = [[call("hide")], "Done."]
    answer = await client.say("go")
    assert answer.said == ["Done."]
    assert b"SECRET" not in answer.body
    assert client.player.asked[1].of("function_call_output")[0]["output"] == "ok"
    assert sum(item.type == "hidden_context_item" for item in await client.hidden(answer.thread_id)) >= 1


async def test_the_bare_sdk_sends_added_and_replaced_events_of_hidden_items(bare: MakeBare) -> None:
    @function_tool
    async def hide(ctx: RunContextWrapper[AgentContext[Any]]) -> str:
        item = HiddenContextItem(id="h1", thread_id=ctx.context.thread.id, created_at=datetime.now(), content="SECRET")
        for event in (ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadItemReplacedEvent):
            await ctx.context.stream(event(item=item))
        return "ok"

    client = bare(tools=[hide])
    client.player.replies = [[call("hide")], "Done."]
    assert (await client.say("go")).body.count(b"SECRET") == 2


async def test_what_a_tool_shows_comes_after_the_text_that_came_before_it(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"tools": ["acts:event"]}}}, acts_py=TOOLS)
    client.player.replies = [["First these words.", call("event")], "Then these."]
    types = (await client.say("go")).types
    first_done = types.index("thread.item.done", 2)
    assert types.index("client_effect") > first_done
    assert types.index("client_effect") < len(types) - 1 - types[::-1].index("thread.item.added")
