"""Conversations on the chat page, in a real browser with a real server."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.conversations.playing import call, think
from tests.web.conftest import MakeSite, Visitor
from tests.web.in_each_browser import (
    COUNT,
    approve_a_call,
    reload_in_the_middle_of_an_answer,
    see_an_answer_grow,
    stop_an_answer,
)

ITEMS = """
from datetime import datetime
from typing import Any

from agents import RunContextWrapper
from chatkit import types
from runtime import RuntimeContext

PICTURE = (
    "data:image/svg+xml;base64,"
    "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHdpZHRoPSI5IiBoZWlnaHQ9IjkiLz4="
)

async def show(ctx: RunContextWrapper[RuntimeContext], what: str) -> str:
    "Show everything."
    chat = ctx.context
    await chat.progress("Counting the boats")
    await chat.notice("warning", "The wind is strong.", title="Weather")
    await chat.start_workflow(types.Workflow(type="custom", tasks=[], summary=types.CustomSummary(title="The search")))
    await chat.add_workflow_task(types.CustomTask(title="Looked at the harbour", content="Nine boats"))
    source = types.URLSource(title="Harbour news", url="https://harbour.example/news")
    await chat.add_workflow_task(types.SearchTask(title="Read the news", queries=["boats"], sources=[source]))
    await chat.end_workflow(expanded=True)
    async def add(kind: Any, **fields: Any) -> None:
        item = kind(id=chat.generate_id("message"), thread_id=chat.thread.id, created_at=datetime.now(), **fields)
        await chat.stream(types.ThreadItemDoneEvent(item=item))
    await add(types.TaskItem, task=types.FileTask(title="Read the log", sources=[]))
    await add(types.GeneratedImageItem, image=types.GeneratedImage(id="img_1", url=PICTURE))
    question = types.StructuredInputFreeform(id="city", question="Which harbour?")
    await add(types.StructuredInputItem, status="pending", inputs=[question])
    return "shown"
"""
CARD = {
    "type": "Card",
    "children": [
        {"type": "Title", "value": "Boat {{ name }}"},
        {"type": "Button", "label": "Book it", "onClickAction": {"type": "book", "payload": {"name": "{{ name }}"}}},
    ],
}
TEXTS = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_an_answer_is_shown_while_it_is_written(site: MakeSite, visitor: Visitor) -> None:
    see_an_answer_grow(site, visitor)


def test_markdown_is_drawn_and_html_is_text(site: MakeSite, visitor: Visitor) -> None:
    answer = "**Bold** and `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    answer += "<img src=x onerror=alert(1)> [go](javascript:alert(1))\n"
    chat = visitor.open(site({}, answer).url)
    chat.say("Show me")
    expect(chat.frame.locator("strong", has_text="Bold")).to_be_visible()
    expect(chat.frame.locator("code", has_text="code")).to_be_visible()
    expect(chat.frame.locator("td", has_text="2")).to_be_visible()
    chat.shows(re.compile("<img src=x onerror"))
    expect(chat.frame.locator("a[href^=javascript]")).to_have_count(0)


def test_every_kind_of_item_is_shown(site: MakeSite, visitor: Visitor) -> None:
    tools = {"show": "items:show", "boat": {"widget": "boat", "description": "Show a boat."}}
    config = {
        "tools": tools,
        "widgets": {"boat": {"template": CARD, "data": TEXTS}},
        "actions": {"book": {"message": "Booked {{ payload.name }}", "payload": TEXTS}},
        "agents": {"helper": {"tools": ["show", "boat"]}},
    }
    replies = [[think("I look around."), call("show", what="all")], [call("boat", name="Ida")], "All of it."]
    served = site(config, *replies, items_py=ITEMS)
    chat = visitor.open(served.url)
    chat.say("Show everything")
    chat.shows("All of it.")
    chat.shows("The wind is strong.")
    chat.shows("Looked at the harbour")
    chat.shows("Read the log")
    chat.shows("Boat Ida")
    expect(chat.frame.locator("img[src^='data:image/svg']")).to_be_visible()
    chat.shows("Which harbour?")
    chat.frame.get_by_role("button", name="Book it").click()
    chat.shows("Booked Ida")


THOUGHTS = """
from agents import RunContextWrapper
from chatkit import types
from runtime import RuntimeContext

async def ponder(ctx: RunContextWrapper[RuntimeContext], seconds: int) -> str:
    "Ponder."
    chat = ctx.context
    summary = types.DurationSummary(duration=seconds)
    await chat.start_workflow(types.Workflow(type="reasoning", tasks=[], summary=summary))
    await chat.add_workflow_task(types.ThoughtTask(content="It is deep."))
    await chat.end_workflow(summary)
    return "pondered"
"""


@pytest.mark.parametrize(
    ("seconds", "title"), [(0, "Thoughts"), (1, "Thought for 1 sec"), (60, "Thought for 1 min"), (119, "1 min 59 sec")]
)
def test_thoughts_say_how_long_they_took_where_it_was_a_second(
    site: MakeSite, visitor: Visitor, seconds: int, title: str
) -> None:
    config = {"tools": {"ponder": "thoughts:ponder"}, "agents": {"helper": {"tools": ["ponder"]}}}
    replies = [call("ponder", seconds=seconds)], "It is deep."
    chat = visitor.open(site(config, *replies, thoughts_py=THOUGHTS).url)
    chat.say("How deep is the fjord?")
    chat.shows("It is deep.")
    expect(chat.frame.locator(".ck-workflow-summary")).to_have_text(re.compile(f"{title}$"))


def test_an_answer_that_was_asked_for_in_a_form_is_sent(site: MakeSite, visitor: Visitor) -> None:
    config = {"tools": {"show": "items:show"}, "agents": {"helper": {"tools": ["show"]}}}
    served = site(config, [call("show", what="all")], "Asked.", "To Oslo then.", items_py=ITEMS)
    chat = visitor.open(served.url)
    chat.say("Ask me")
    chat.shows("Asked.")
    chat.frame.get_by_label("Which harbour?").fill("Oslo")
    chat.frame.get_by_role("button", name="Send answers").click()
    chat.shows("To Oslo then.")
    assert "Oslo" in str(served.player.asked[-1].input)


def test_the_answers_sources_lead_to_their_pages(site: MakeSite, visitor: Visitor) -> None:
    cite = """
from agents import RunContextWrapper
from chatkit.types import URLSource
from runtime import RuntimeContext

async def read_up(ctx: RunContextWrapper[RuntimeContext], topic: str) -> str:
    "Read up."
    ctx.context.cite(URLSource(url="https://harbour.example/tides", title="Tides of today"))
    return "read"
"""
    config = {"tools": {"read_up": "cite:read_up"}, "agents": {"helper": {"tools": ["read_up"]}}}
    chat = visitor.open(site(config, [call("read_up", topic="tides")], "High at noon.", cite_py=cite).url)
    chat.say("When is high tide?")
    chat.shows("High at noon.")
    expect(chat.frame.locator("a[href='https://harbour.example/tides']").first).to_be_attached()


def test_a_client_tool_that_the_page_does_not_have_does_not_stop_the_conversation(
    site: MakeSite, visitor: Visitor
) -> None:
    config = {
        "tools": {"locate": {"client": "locate", "description": "Where the user is."}},
        "agents": {"helper": {"tools": ["locate"]}},
    }
    served = site(config, [call("locate")], "I do not know where you are.")
    visitor.expected.append("locate|client tool|onClientTool")
    chat = visitor.open(served.url)
    chat.say("Where am I?")
    chat.shows("I do not know where you are.")
    assert served.player.asked[-1].of("function_call_output")


def test_a_call_waits_until_the_user_approves_it(site: MakeSite, visitor: Visitor) -> None:
    approve_a_call(site, visitor)


def test_a_mention_is_found_and_sent(site: MakeSite, visitor: Visitor) -> None:
    stations = [{"id": "old", "title": "Old Town"}, {"id": "zoo", "title": "Zoo"}]
    config = {"chat": {"tags": {"entities": stations, "text": "station {{ id }}"}}}
    served = site(config, "Two trains an hour.")
    chat = visitor.open(served.url)
    chat.field.click()
    chat.page.keyboard.type("Trains to @ol")
    expect(chat.frame.get_by_role("option", name="Old Town")).to_be_visible()
    chat.page.keyboard.press("Enter")
    expect(chat.field).to_contain_text("Old Town")
    chat.page.keyboard.type("today")
    chat.page.keyboard.press("Enter")
    chat.shows("Two trains an hour.")
    assert "station old" in str(served.player.asked[-1].input)


def test_a_file_is_attached_and_sent(site: MakeSite, visitor: Visitor) -> None:
    served = site({"chat": {"attachments": {"accept": ["text/plain"]}}}, "Nine boats.")
    chat = visitor.open(served.url)
    with chat.page.expect_file_chooser() as chooser:
        chat.frame.get_by_role("button", name=re.compile("attach|add", re.IGNORECASE)).first.click()
        entry = chat.frame.get_by_role("menuitem", name=re.compile("attach", re.IGNORECASE))
        if entry.count():
            entry.click()
    chooser.value.set_files({"name": "boats.txt", "mimeType": "text/plain", "buffer": b"nine boats"})
    chat.shows("boats.txt")
    chat.say("How many?")
    chat.shows("Nine boats.")
    assert "nine boats" in str(served.player.asked[-1].input)


def test_an_answer_goes_on_after_the_page_is_loaded_again(site: MakeSite, visitor: Visitor) -> None:
    _, chat = reload_in_the_middle_of_an_answer(site, visitor)
    # And in the region that a screen reader announces.
    expect(chat.frame.locator("p", has_text=COUNT)).to_have_count(1)


def test_an_answer_can_be_stopped(site: MakeSite, visitor: Visitor) -> None:
    _, chat = stop_an_answer(site, visitor)
    expect(chat.frame.get_by_role("button", name="Stop")).to_have_count(0)


def test_a_thread_is_found_in_the_history_renamed_and_deleted(site: MakeSite, visitor: Visitor) -> None:
    served = site({}, "Fine.")
    chat = visitor.open(served.url)
    chat.say("The first chat")
    chat.shows("Fine.")
    chat.frame.get_by_role("button", name="New chat").click()
    expect(chat.frame.get_by_text("The first chat")).to_have_count(0)
    chat.frame.get_by_role("button", name="Chat history").click()
    chat.frame.get_by_role("button", name=re.compile("^Actions for")).first.click()
    chat.frame.get_by_role("menuitem", name="Rename").click()
    chat.page.keyboard.press("Control+A")
    chat.page.keyboard.type("Boats")
    chat.page.keyboard.press("Enter")
    chat.shows("Boats")
    chat.frame.get_by_role("button", name="Actions for Boats").click()
    chat.frame.get_by_role("menuitem", name="Delete").click()
    chat.frame.get_by_role("button", name="Delete", exact=True).click()
    chat.shows("No chats yet")


def test_a_failed_answer_says_so_and_can_be_tried_again(site: MakeSite, visitor: Visitor) -> None:
    served = site({}, RuntimeError("broken"), "Now it works.")
    visitor.expected.append("Something went wrong while answering")
    chat = visitor.open(served.url)
    chat.say("Hello")
    chat.frame.get_by_role("button", name=re.compile("try again", re.IGNORECASE)).first.click()
    chat.shows("Now it works.")


def test_the_keyboard_alone_is_enough(site: MakeSite, visitor: Visitor) -> None:
    served = site({"chat": {"start_prompts": [{"label": "Boats", "prompt": "Show me boats"}]}}, "Nine boats.", "Bye.")
    chat = visitor.open(served.url)
    chat.tab_to("button", "Boats")
    chat.page.keyboard.press("Enter")
    chat.shows("Nine boats.")
    chat.tab_to("button", "Chat history")
    chat.page.keyboard.press("Enter")
    chat.find("button", "Close chat history")
    chat.page.keyboard.press("Escape")
    expect(chat.frame.get_by_role("button", name="Close chat history")).to_have_count(0)
    chat.tab_to("textbox", "Message the AI")
    chat.page.keyboard.type("Thanks")
    chat.page.keyboard.press("Enter")
    chat.shows("Bye.")
