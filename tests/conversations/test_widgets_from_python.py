"""Widgets that the project's Python makes as component trees: shown, streamed, replaced, refused with their node."""

from __future__ import annotations

import json
from typing import Any

from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call

CARDS = """
def report(city, *numbers):
    rows = [{"key": f"Day {index}", "value": number} for index, number in enumerate(numbers)]
    return {"type": "sections", "title": f"Report for {city}", "sections": [
        {"type": "table", "title": "Numbers", "rows": rows},
        {"type": "metadata", "items": [{"key": "Source", "value": "{{ source }}"}]},
        {"type": "image", "src": "https://example.com/chart.png", "alt": "Trend"},
    ]}

def wrapped(city, *numbers):
    return {"type": "widget", "copy_text": f"All of {city}", "widget": report(city, *numbers)}

def wrong():
    return {"type": "Card", "children": [{"type": "Text", "value": "ok"}, {"type": "Badge", "lable": "x"}]}

def by_name(data):
    return wrapped(data["city"], 7)
"""
TOOLS = """
from agents import RunContextWrapper, function_tool
from cards import report, wrapped, wrong

@function_tool
async def bare(ctx: RunContextWrapper) -> str:
    await ctx.context.stream_widget(report("Oslo", 21, 9), copy_text="mine")
    return "ok"

@function_tool
async def wrap(ctx: RunContextWrapper) -> str:
    await ctx.context.stream_widget(wrapped("Oslo", 21))
    return "ok"

@function_tool
async def growing(ctx: RunContextWrapper) -> str:
    async def states():
        for count in (1, 2, 3):
            yield wrapped("Oslo", *range(count))
    await ctx.context.stream_widget(states())
    return "ok"

@function_tool
async def declared(ctx: RunContextWrapper) -> str:
    await ctx.context.show_widget("report", {"city": "Bergen"})
    return "ok"

@function_tool
async def broken(ctx: RunContextWrapper) -> str:
    try:
        await ctx.context.stream_widget(wrong())
    except Exception as error:
        return f"{type(error).__name__}: {error}"

@function_tool
async def update(ctx: RunContextWrapper, item: str) -> str:
    try:
        await ctx.context.update_widget(item, wrapped("Voss", 3))
    except LookupError as error:
        return str(error)
    return "ok"

@function_tool
async def render(ctx: RunContextWrapper) -> str:
    root = await ctx.context.render(report("Oslo", 1))
    await ctx.context.stream_widget(root)
    return root.type
"""
ACTIONS = """
from chatkit.types import SyncCustomActionResponse, ThreadItemReplacedEvent
from cards import report, wrong

async def tree(ctx, action, sender):
    return report("Voss", 1)

async def event(ctx, action, sender):
    yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": report("Voss", 1)}))

async def update(ctx, action, sender):
    await ctx.context.update_widget(sender, report("Voss", 1), copy_text="changed")

async def response(ctx, action, sender):
    return SyncCustomActionResponse(updated_item=sender.model_copy(update={"widget": report("Voss", 1)}))

async def bad(ctx, action, sender):
    return wrong()
"""
TOOL_NAMES = ("bare", "wrap", "growing", "declared", "broken", "update", "render")
HANDLERS = ("tree", "event", "update", "response", "bad")


async def _client(chat: MakeChat) -> Chat:
    config = {
        "agents": {"helper": {"tools": [f"acts:{name}" for name in TOOL_NAMES]}},
        "widgets": {"report": {"python": "cards:by_name"}},
        "actions": {name: {"python": f"clicks:{name}", "sync": True} for name in HANDLERS},
    }
    return await chat(config, acts_py=TOOLS, cards_py=CARDS, clicks_py=ACTIONS)


async def _use(client: Chat, name: str, thread: str | None = None, **arguments: Any) -> tuple[Any, str]:
    client.player.replies = [[call(name, **arguments)], "Done."]
    answer = await client.say("go", thread)
    assert answer.of("error") == []
    return answer, client.player.asked[-1].of("function_call_output")[-1]["output"]


def texts(item: dict[str, Any]) -> list[str]:
    def inside(node: dict[str, Any]) -> list[str]:
        own = [node["value"]] if "value" in node else []
        return own + [text for child in node.get("children") or [] for text in inside(child)]

    return inside(item["widget"])


async def test_a_tool_shows_the_sections_shorthand_bare_wrapped_and_by_a_renderer(chat: MakeChat) -> None:
    client = await _client(chat)
    expected = [("bare", "Oslo", "mine"), ("wrap", "Oslo", "All of Oslo"), ("declared", "Bergen", "All of Bergen")]
    for tool, city, copied in expected:
        answer, _ = await _use(client, tool)
        (shown,) = answer.done("widget")
        assert (texts(shown)[0], shown["copy_text"]) == (f"Report for {city}", copied)
        assert "{{ source }}" in texts(shown)
        assert '"Image"' in json.dumps(shown)
        assert shown in await client.items(answer.thread_id)


async def test_states_of_a_streamed_widget_may_be_trees(chat: MakeChat) -> None:
    client = await _client(chat)
    answer, _ = await _use(client, "growing")
    (shown,) = answer.done("widget")
    assert ("Day 2" in texts(shown), shown["copy_text"]) == (True, "All of Oslo")
    (added,) = [event for event in answer.of("thread.item.added") if event["item"]["type"] == "widget"]
    assert "Day 1" not in texts(added["item"])


async def test_a_wrong_tree_names_its_node_in_one_line(chat: MakeChat) -> None:
    _, told = await _use(await _client(chat), "broken")
    assert told == "WidgetError: the widget: children[1].lable: unknown (did you mean 'label'?)"


async def test_a_tool_changes_a_widget_that_was_shown_before(chat: MakeChat) -> None:
    client = await _client(chat)
    answer, _ = await _use(client, "bare")
    (shown,) = answer.done("widget")
    answer, told = await _use(client, "update", answer.thread_id, item=shown["id"])
    assert told == "ok"
    (replaced,) = answer.of("thread.item.replaced")
    assert (texts(replaced["item"])[0], replaced["item"]["copy_text"]) == ("Report for Voss", "All of Voss")
    assert replaced["item"] in await client.items(shown["thread_id"])
    _, told = await _use(client, "update", shown["thread_id"], item="nowhere")
    assert told == "the thread has no widget with the id 'nowhere'"


async def test_render_takes_a_tree_and_shows_nothing(chat: MakeChat) -> None:
    answer, told = await _use(await _client(chat), "render")
    assert told == "Card"
    assert len(answer.done("widget")) == 1


async def test_handlers_of_actions_give_trees_streamed_and_at_once(chat: MakeChat) -> None:
    client = await _client(chat)
    for handler in ("tree", "event", "update"):
        answer, _ = await _use(client, "bare")
        (shown,) = answer.done("widget")
        (replaced,) = (await client.act(shown["thread_id"], handler, None, shown["id"])).of("thread.item.replaced")
        assert texts(replaced["item"])[0] == "Report for Voss"
        assert replaced["item"]["copy_text"] == ("changed" if handler == "update" else "mine")
        assert replaced["item"] in await client.items(shown["thread_id"])
    for handler in ("tree", "response"):
        answer, _ = await _use(client, "bare")
        (shown,) = answer.done("widget")
        changed = await client.act_now(shown["thread_id"], handler, None, shown["id"])
        assert texts(changed.json["updated_item"])[0] == "Report for Voss"
        assert texts((await client.items(shown["thread_id"]))[-2])[0] == "Report for Voss"


async def test_a_wrong_tree_of_a_handler_is_an_error_of_the_click(chat: MakeChat) -> None:
    client = await _client(chat)
    answer, _ = await _use(client, "bare")
    (shown,) = answer.done("widget")
    clicked = await client.act(shown["thread_id"], "bad", None, shown["id"])
    assert clicked.types[-1] == "error"
    assert shown in await client.items(shown["thread_id"])
