"""Clicks in widgets: every kind of action, what it may emit, and that what it changed is found again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chatkit.types import ThreadItemUpdatedEvent, ThreadStreamEvent, WidgetItem, WidgetRootUpdated
from chatkit.widgets import DynamicWidgetRoot

from runtime.errors import ConfigError
from tests.conversations.conftest import Chat, MakeBare, MakeChat

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
CODE = """
from chatkit.types import (
    ClientEffectEvent, SyncCustomActionResponse, ThreadItemReplacedEvent, ThreadItemUpdatedEvent, WidgetRootUpdated,
)
from chatkit.widgets import DynamicWidgetRoot

def card(text):
    return DynamicWidgetRoot.model_validate({"type": "Card", "children": [{"type": "Text", "value": text}]})

async def generator(ctx, action, sender):
    await ctx.context.progress("working")
    yield ClientEffectEvent(name="first", data=action.payload)
    await ctx.context.say("done")

async def coroutine(ctx, action, sender):
    await ctx.context.show_widget("order", {"id": action.payload["id"]})

def plain(ctx, action, sender):
    return None

async def update_root(ctx, action, sender):
    yield ThreadItemUpdatedEvent(item_id=sender.id, update=WidgetRootUpdated(widget=card("updated")))

async def replace(ctx, action, sender):
    yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": card("replaced")}))

async def sync_response(ctx, action, sender):
    return SyncCustomActionResponse(updated_item=sender.model_copy(update={"widget": card("by response")}))

async def sync_item(ctx, action, sender):
    return sender.model_copy(update={"widget": card("by item")})

async def sync_widget(ctx, action, sender):
    return card("by widget")

async def sync_dict(ctx, action, sender):
    return {"type": "Card", "children": [{"type": "Text", "value": "by dict"}]}

def sync_plain(ctx, action, sender):
    return card("by plain function")

async def sync_nothing(ctx, action, sender):
    await ctx.context.remember("clicked")
"""
PYTHON = ("generator", "coroutine", "plain", "update_root", "replace")
SYNC = ("sync_response", "sync_item", "sync_widget", "sync_dict", "sync_plain", "sync_nothing")
SHOW = "async def show(ctx, action, sender):\n    await ctx.context.show_widget('order', {'id': 'A-1'})\n"


def _config() -> dict[str, Any]:
    actions: dict[str, Any] = {name: f"acts:{name}" for name in PYTHON}
    actions |= {name: {"python": f"acts:{name}", "sync": True} for name in SYNC}
    payload = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    actions["checked"] = {"message": "Number {{ payload.n }}", "payload": payload}
    actions["more"] = {"message": "Tell me more about {{ payload.topic }}"}
    actions["again"] = {"message": "{{ payload.text }}"}
    actions["paint"] = {"effect": "switch", "data": {"theme": "{{ payload.theme }}", "n": "{{ payload.n }}"}}
    actions["refresh"] = {"widget": "order"}
    actions["show"] = "shows:show"
    return {"widgets": {"order": CARD}, "actions": actions}


async def _with_card(chat: MakeChat) -> tuple[Chat, str, str]:
    client = await chat(_config(), acts_py=CODE, shows_py=SHOW)
    thread = (await client.say("hi")).thread_id
    shown = (await client.act(thread, "show")).done("widget")[0]
    return client, thread, shown["id"]


async def _stored_text(client: Chat, thread: str, item: str) -> str:
    found = next(it for it in await client.items(thread) if it["id"] == item)
    return str(found["widget"]["children"][0]["value"])


async def test_an_action_that_nobody_handles_is_a_400_that_names_the_declared_ones(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    for act in (client.act, client.act_now):
        refused = await act(thread, "explode", item=item)
        assert (refused.status, refused.error["code"]) == (400, "unknown_action")
        assert "'generator'" in refused.error["message"]


async def test_the_bare_sdk_is_silent_about_an_action_that_nobody_handles(bare: MakeBare) -> None:
    client = bare()
    thread = (await client.say("hi")).thread_id
    assert (await client.act(thread, "explode")).types == ["stream_options"]


async def test_a_payload_that_does_not_fit_is_a_400(chat: MakeChat) -> None:
    client, thread, _ = await _with_card(chat)
    refused = await client.act(thread, "checked", {"n": "seven"})
    assert (refused.status, refused.error["code"]) == (400, "invalid_payload")
    assert "$.n" in refused.error["message"]
    assert (await client.act(thread, "checked")).status == 400


async def test_a_handler_may_be_a_generator_a_coroutine_or_a_plain_function(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    streamed = await client.act(thread, "generator", {"x": 1}, item)
    assert streamed.types == ["stream_options", "progress_update", "client_effect", "thread.item.done"]
    assert streamed.of("client_effect")[0]["data"] == {"x": 1}
    shown = await client.act(thread, "coroutine", {"id": "B-2"}, item)
    assert shown.done("widget")[0]["copy_text"] == "order B-2"
    assert (await client.act(thread, "plain", None, item)).types == ["stream_options"]


async def test_a_click_can_become_the_users_next_message(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    client.player.replies = ["Here is more."]
    answer = await client.act(thread, "more", {"topic": "fjords"}, item)
    assert answer.done("user_message")[0]["content"][0]["text"] == "Tell me more about fjords"
    assert answer.said == ["Here is more."]
    assert "Tell me more about fjords" in json.dumps(client.player.asked[-1].input)
    assert (await client.act(thread, "checked", {"n": 7})).done("user_message")[0]["content"][0]["text"] == "Number 7"


async def test_a_click_whose_message_can_not_be_made_is_a_400_and_nothing_is_stored(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    before = await client.items(thread)
    missing = await client.act(thread, "more", {}, item)
    assert (missing.status, missing.error["code"]) == (400, "invalid_payload")
    assert "'more'" in missing.error["message"]
    empty = await client.act(thread, "again", {"text": "  "}, item)
    assert (empty.status, empty.error["code"]) == (400, "empty_message")
    assert await client.items(thread) == before
    assert (await client.say("go on", thread)).said == ["Fine."]


async def test_a_click_can_send_an_effect_whose_values_keep_their_types(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    answer = await client.act(thread, "paint", {"theme": "dark", "n": 3}, item)
    assert answer.of("client_effect") == [
        {"type": "client_effect", "name": "switch", "data": {"theme": "dark", "n": 3}}
    ]


async def test_a_click_can_render_its_widget_anew_and_it_stays_so(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    answer = await client.act(thread, "refresh", {"id": "C-3"}, item)
    assert answer.of("thread.item.replaced")[0]["item"]["id"] == item
    assert await _stored_text(client, thread, item) == "Order C-3"
    broken = await client.act(thread, "refresh", {"wrong": 1}, item)
    assert broken.types[-1] == "error"
    assert await _stored_text(client, thread, item) == "Order C-3"


async def test_a_root_update_of_a_stored_widget_is_stored_and_sent_as_a_replacement(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    answer = await client.act(thread, "update_root", None, item)
    assert answer.types == ["stream_options", "thread.item.replaced"]
    assert await _stored_text(client, thread, item) == "updated"
    await client.act(thread, "replace", None, item)
    assert await _stored_text(client, thread, item) == "replaced"
    assert len(await client.items(thread)) == 3


async def test_the_bare_sdk_loses_a_root_update_from_an_action(bare: MakeBare) -> None:
    client = bare()
    thread = (await client.say("hi")).thread_id

    def card(text: str) -> Any:
        return DynamicWidgetRoot.model_validate({"type": "Card", "children": [{"type": "Text", "value": text}]})

    stored = client.server.dicts.items[thread]
    stored.append(
        WidgetItem(id="w1", thread_id=thread, created_at=stored[-1].created_at, widget=card("before"), copy_text=None)
    )

    async def handler(thread: Any, action: Any, sender: WidgetItem, context: Any) -> AsyncIterator[ThreadStreamEvent]:
        yield ThreadItemUpdatedEvent(item_id=sender.id, update=WidgetRootUpdated(widget=card("after")))

    client.server.handler = handler
    answer = await client.act(thread, "update", item="w1")
    assert b"after" in answer.body
    found = next(item for item in await client.items(thread) if item["id"] == "w1")
    assert found["widget"]["children"][0]["value"] == "before"


async def test_the_result_of_a_sync_action_is_shown_and_stored_whatever_form_it_has(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    for name, text in (
        ("sync_response", "by response"),
        ("sync_item", "by item"),
        ("sync_widget", "by widget"),
        ("sync_dict", "by dict"),
        ("sync_plain", "by plain function"),
    ):
        answer = await client.act_now(thread, name, None, item)
        assert answer.status == 200, answer.body
        assert answer.json["updated_item"]["widget"]["children"][0]["value"] == text
        assert await _stored_text(client, thread, item) == text


async def test_a_sync_action_may_answer_nothing_and_remember_something(chat: MakeChat) -> None:
    client, thread, item = await _with_card(chat)
    assert (await client.act_now(thread, "sync_nothing", None, item)).json == {}
    await client.say("go on", thread)
    assert "clicked" in json.dumps(client.player.asked[-1].input)


async def test_a_widget_that_was_clicked_belongs_to_its_thread(chat: MakeChat) -> None:
    client, _, item = await _with_card(chat)
    other = (await client.say("hello")).thread_id
    assert (await client.act(other, "plain", None, item)).status == 404
    assert (await client.act_now(other, "sync_dict", None, item)).status == 404


DESK = """
class Base:
    async def inherited(self, ctx, action, sender):
        self.count += 10
        await ctx.context.say(f"{self.name} {self.count}")

class Desk(Base):
    def __init__(self, name="own"):
        self.name, self.count = name, 0

    async def count_up(self, ctx, action, sender):
        self.count += 1
        await ctx.context.say(f"{self.name} {self.count}")

    @staticmethod
    async def static(ctx, action, sender):
        await ctx.context.say("static")

    @classmethod
    async def of_class(cls, ctx, action, sender):
        await ctx.context.say(cls.__name__)

class Picky:
    def __init__(self, size): ...
    async def act(self, ctx, action, sender): ...

desk = Desk("held")
"""
METHODS = ("count_up", "inherited", "static", "of_class")


async def test_a_handler_may_be_a_method_of_a_class(chat: MakeChat) -> None:
    actions = {name: f"desk:Desk.{name}" for name in METHODS} | {"held": "desk:desk.count_up"}
    client = await chat({"actions": actions}, desk_py=DESK)
    thread = (await client.say("hi")).thread_id

    async def said(kind: str) -> list[str]:
        return (await client.act(thread, kind)).said

    # One object for all actions of the class, made without arguments.
    assert [await said("count_up"), await said("inherited"), await said("count_up")] == [
        ["own 1"],
        ["own 11"],
        ["own 12"],
    ]
    assert [await said("static"), await said("of_class"), await said("held")] == [["static"], ["Desk"], ["held 1"]]


async def test_a_method_is_called_on_the_object_of_state_that_has_its_class(chat: MakeChat) -> None:
    state = {"office": {"python": "desk:Desk", "with": {"name": "state"}}}
    client = await chat({"actions": {"up": "desk:Desk.count_up"}, "state": state}, desk_py=DESK)
    thread = (await client.say("hi")).thread_id
    assert (await client.act(thread, "up")).said == ["state 1"]
    assert client.runtime.state["office"].count == 1


async def test_a_class_that_needs_arguments_is_an_error_with_the_way_out(chat: MakeChat) -> None:
    with pytest.raises(ConfigError, match="nothing is given for 'size'"):
        await chat({"actions": {"act": "desk:Picky.act"}}, desk_py=DESK)
