"""Code that was written for the bare SDK finds what the SDK's own stores and server give it."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from chatkit.server import StreamingResult
from chatkit.types import SDKHiddenContextItem, UserMessageItem, WidgetItem
from chatkit.widgets import DynamicWidgetRoot

from runtime.stores import StoreError, open_store
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call
from tests.conversations.talking import user_input

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
Make = Callable[..., Awaitable[Chat]]
CARD = {
    "type": "Card",
    "children": [{"type": "Text", "value": "Hi"}, {"type": "Button", "label": "Go", "onClickAction": {"type": "go"}}],
}
SHOW = {
    "tools": {"show": {"widget": "card", "stop": True}},
    "widgets": {"card": {"template": CARD}},
    "agents": {"helper": {"tools": ["show"]}},
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=NEEDS_POSTGRES)])
def stored(request: pytest.FixtureRequest, chat: MakeChat, tmp_path: Path) -> Make:
    """Make a project whose threads are in a database."""
    url = f"sqlite:///{tmp_path}/threads.db" if request.param == "sqlite" else str(POSTGRES)

    async def make(config: dict[str, Any] | None = None, **files: str) -> Chat:
        return await chat({"chat": {"title": "off"}, **(config or {}), "store": url}, **files)

    return make


@pytest.mark.parametrize("is_sync", [False, True])
async def test_the_sender_of_a_click_is_of_the_sdks_classes(stored: Make, is_sync: bool) -> None:
    code = """
from chatkit.widgets import Button, Card, Text
seen = []
async def go(ctx, action, sender):
    assert isinstance(sender.widget, Card)
    text, button = sender.widget.children
    stored = await ctx.context.store.load_item(ctx.context.thread.id, sender.id, {})
    page = await ctx.context.store.load_thread_items(ctx.context.thread.id, None, 1, "desc", {})
    same = [isinstance(item.widget, Card) for item in (stored, *page.data)]
    seen.append((isinstance(text, Text), isinstance(button, Button), sender.widget.size, button.iconStart, same))
    changed = sender.widget.model_copy(update={"children": [Text(value="Done")]})
    return sender.model_copy(update={"widget": changed})
"""
    client = await stored({**SHOW, "actions": {"go": {"python": "acts:go", "sync": True}}}, acts_py=code)
    client.player.replies = [[call("show")]]
    first = await client.say("show")
    clicked = await (client.act_now if is_sync else client.act)(
        first.thread_id, "go", item=first.done("widget")[0]["id"]
    )
    assert clicked.status == 200, clicked.body
    seen = client.runtime.live.current.snapshot.code.resolve("acts:seen")
    assert seen == [(True, True, None, None, [True, True])]
    shown = (await client.items(first.thread_id))[-1]["widget"]
    assert shown["children"] == [{"type": "Text", "value": "Done"}]


async def test_a_widget_with_more_than_the_sdks_classes_know_keeps_it(stored: Make) -> None:
    code = """
seen = []
async def go(ctx, action, sender):
    seen.append(sender.widget.model_dump()["children"][0]["shimmer"])
    return sender
"""
    newer = {**CARD, "children": [{"type": "Text", "value": "Hi", "shimmer": True}, CARD["children"][1]]}
    client = await stored({**SHOW, "actions": {"go": "acts:go"}}, acts_py=code)
    client.player.replies = [[call("show")]]
    first = await client.say("show")
    item = await client.runtime.store.load_item("local", first.thread_id, first.done("widget")[0]["id"])
    assert isinstance(item, WidgetItem)
    changed = item.model_copy(update={"widget": DynamicWidgetRoot.model_validate(newer)})
    await client.runtime.store.write_items("local", first.thread_id, [changed])
    clicked = await client.act(first.thread_id, "go", item=item.id)
    assert clicked.of("thread.item.replaced"), clicked.body
    assert client.runtime.live.current.snapshot.code.resolve("acts:seen") == [True]
    assert (await client.items(first.thread_id))[-1]["widget"]["children"][0]["shimmer"] is True


QUOTE = "the ferry leaves at noon"


async def test_quoted_text_stays_until_its_turn_ends(stored: Make) -> None:
    config = {
        "tools": {
            "where": {"client": "where", "description": "Where the user is."},
            "ask": {"ask": [{"id": "city", "question": "Which city?"}], "description": "Ask the user."},
        },
        "agents": {"helper": {"tools": ["where", "ask"]}},
    }
    client = await stored(config)
    client.player.replies = [[call("where")], [call("ask")], "By ferry.", "You are welcome."]
    first = await client.say("how?", quoted_text=QUOTE)
    asks = await client.result(first.thread_id, {"place": "Oslo"})
    answers = {"answers": {"city": {"values": ["Oslo"]}}}
    item = asks.done("structured_input")[0]["id"]
    await client.call("threads.add_structured_input", thread_id=first.thread_id, item_id=item, input=answers)
    await client.say("thanks", first.thread_id)
    quoted = [QUOTE in json.dumps(asked.input) for asked in client.player.asked]
    assert quoted == [True, True, True, False]


OWN_IDS = """
import itertools
from tests.conversations.bare import DictStore

numbers = itertools.count(1)
asked = []

class Mine(DictStore):
    def generate_thread_id(self, context):
        asked.append(("thread", context))
        return f"conversation-{next(numbers)}"
    def generate_item_id(self, item_type, thread, context):
        assert thread.id.startswith("conversation-")
        asked.append((item_type, context))
        return f"{item_type}-{next(numbers)}"
"""
TELL = """
from agents import RunContextWrapper
from runtime import RuntimeContext
async def tell(ctx: RunContextWrapper[RuntimeContext]) -> str:
    "Tell."
    await ctx.context.say("Told.")
    return "told"
"""


async def test_the_ids_are_those_of_a_store_that_makes_its_own(chat: MakeChat) -> None:
    config = {
        "store": {"python": "own:Mine"},
        "chat": {"title": "off"},
        "tools": {"tell": "acts:tell", "where": {"client": "where", "description": "Where the user is."}},
        "agents": {"helper": {"tools": ["tell", "where"]}},
    }
    client = await chat(config, own_py=OWN_IDS, acts_py=TELL)
    client.player.replies = [[call("tell")], "Fine.", [call("where")], "There."]
    first = await client.say("go")
    assert first.thread_id.startswith("conversation-")
    await client.say("where am I?", first.thread_id)
    await client.result(first.thread_id, "Oslo")
    gate = client.player.gate("two")
    client.player.replies = ["one two three"]
    left = client.begin("count", first.thread_id)
    await gate.reached.wait()
    left.leave()
    await client.runtime.server.close(grace_s=20)
    items = [item for item in await client.hidden(first.thread_id) if item.type != "hidden_context_item"]
    kinds = [item.id.rpartition("-")[0] for item in items]
    users = [isinstance(item, UserMessageItem) for item in items]
    assert kinds == ["message"] * 4 + ["tool_call"] + ["message"] * 3 + ["sdk_hidden_context"]
    assert sum(users) == 3
    assert isinstance(items[-1], SDKHiddenContextItem)
    asked = client.runtime.live.current.snapshot.code.resolve("own:asked")
    assert {kind for kind, _ in asked} == {"thread", "message", "tool_call", "sdk_hidden_context"}


async def test_the_ids_of_the_sdk_are_not_used(chat: MakeChat) -> None:
    code = OWN_IDS.replace("def generate_", "def not_generate_")
    client = await chat({"store": {"python": "own:Mine"}}, own_py=code)
    assert len((await client.say("go")).thread_id) == len("thr_") + 40


async def test_process_yields_one_event_at_a_time(chat: MakeChat) -> None:
    client = await chat({"chat": {"title": "off"}})
    client.player.replies = ["one two three four five"]
    request = {"type": "threads.create", "params": {"input": user_input("count")}}
    result = await client.runtime.server.process(json.dumps(request), {})
    assert isinstance(result, StreamingResult)
    chunks = [chunk async for chunk in result.json_events]
    assert all(chunk.startswith(b"data: ") and chunk.count(b"\n\n") == 1 for chunk in chunks)
    assert [json.loads(chunk[6:])["type"] for chunk in chunks][:3] == [
        "thread.created",
        "thread.item.done",
        "stream_options",
    ]
    assert len(chunks) > 8


async def test_the_stream_of_process_that_is_closed_early_ends_its_turn(chat: MakeChat) -> None:
    client = await chat({"chat": {"title": "off"}})
    client.player.replies = ["one two three"]
    gate = client.player.gate("two")
    request = {"type": "threads.create", "params": {"input": user_input("count")}}
    result = await client.runtime.server.process(json.dumps(request), {})
    assert isinstance(result, StreamingResult)
    created = json.loads((await anext(result.json_events))[6:])
    await gate.reached.wait()
    await result.json_events.aclose()
    await client.runtime.server.close(grace_s=20)
    assert client.player.finished == 0
    assert [item["type"] for item in await client.items(created["thread"]["id"])] == [
        "user_message",
        "assistant_message",
    ]


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/threads.db")
    with pytest.raises(StoreError, match="is not open"):
        await store.load_threads("local", limit=1, after=None, order="asc")
    await store.open()
    assert (await store.load_threads("local", limit=1, after=None, order="asc")).data == []
    await store.close()
    with pytest.raises(StoreError, match="is not open"):
        await store.load_thread("local", "thr_1")


async def test_fields_of_the_thread_come_with_the_next_event_of_a_handler(chat: MakeChat) -> None:
    code = """
from chatkit.types import ProgressUpdateEvent
async def go(ctx, action, sender):
    yield ProgressUpdateEvent(text="one")
    ctx.context.thread.title = "Between"
    yield ProgressUpdateEvent(text="two")
"""
    client = await chat({"chat": {"title": "off"}, "actions": {"go": "acts:go"}}, acts_py=code)
    first = await client.say("hi")
    clicked = await client.act(first.thread_id, "go")
    assert [event["text"] for event in clicked.of("progress_update")] == ["one", "two"]
    assert [event["thread"]["title"] for event in clicked.of("thread.updated")] == ["Between"]


async def test_an_item_that_is_done_twice_is_replaced(stored: Make) -> None:
    code = """
from datetime import datetime
from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadItemDoneEvent
async def go(ctx, action, sender):
    for text in ("one", "two"):
        content = [AssistantMessageContent(text=text)]
        thread, now = ctx.context.thread.id, datetime.now()
        item = AssistantMessageItem(id="m1", thread_id=thread, created_at=now, content=content)
        yield ThreadItemDoneEvent(item=item)
"""
    client = await stored({"actions": {"go": "acts:go"}}, acts_py=code)
    first = await client.say("hi")
    await client.act(first.thread_id, "go")
    assert [item["content"][0]["text"] for item in (await client.items(first.thread_id))[2:]] == ["two"]


async def test_a_workflow_that_a_handler_begins_ends_with_the_answer(stored: Make) -> None:
    code = """
from chatkit.types import CustomTask, Workflow
async def go(ctx, action, sender):
    await ctx.context.start_workflow(Workflow(type="custom", tasks=[CustomTask(title="Look")]))
    await ctx.context.answer()
"""
    client = await stored({"actions": {"go": "acts:go"}}, acts_py=code)
    first = await client.say("hi")
    clicked = await client.act(first.thread_id, "go")
    assert [item["workflow"]["summary"] for item in clicked.done("workflow")] == [{"duration": 0}]
    assert clicked.said == ["Fine."]
    assert [item["type"] for item in (await client.items(first.thread_id))[2:]] == ["workflow", "assistant_message"]
