"""Messages that could not be sent: each stays until it is sent, taken back or deleted by its user."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.web.conftest import Chat, MakeSite, Visitor

SENDING = ("threads.create", "threads.add_user_message")
BROKEN = ("Failed to load resource", "RequestFailed", "ERR_FAILED")


@dataclass
class Line:
    """Between a browser and the server: what happens to the next messages that are sent."""

    fates: list[Any] = field(default_factory=list)
    """A status, `offline`, or `hang`; each is of one message. Without any, messages pass."""

    def take(self, route: Route) -> None:
        posted = route.request.post_data_json if route.request.method == "POST" else None
        fate = self.fates.pop(0) if posted and posted["type"] in SENDING and self.fates else None
        if fate is None:
            route.continue_()
        elif fate == "offline":
            route.abort()
        elif fate != "hang":
            error = {"error": {"code": "refused", "message": f"Refused with {fate}"}}
            route.fulfill(status=fate, body=json.dumps(error), content_type="application/json")


@pytest.fixture
def line(visitor: Visitor) -> Line:
    line = Line()
    visitor.context.route("**/chatkit", line.take)
    visitor.expected.extend(BROKEN)
    return line


def message(chat: Chat, text: str) -> Locator:
    return chat.frame.get_by_role("article").filter(has_text=text)


@pytest.mark.parametrize("fate", ["offline", 429, 503, 500])
def test_a_message_that_was_not_sent_stays_when_another_is_sent(
    site: MakeSite, visitor: Visitor, line: Line, fate: Any
) -> None:
    served = site({}, "To the second.", "To the first.")
    line.fates = [fate]
    chat = visitor.open(served.url)
    chat.say("The first")
    again = message(chat, "The first").get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    chat.say("The second")
    chat.shows("To the second.")
    expect(message(chat, "The first").get_by_role("alert")).to_be_visible()
    again.click()
    chat.shows("To the first.")
    expect(chat.frame.get_by_role("alert")).to_have_count(0)
    expect(chat.frame.get_by_text("The first", exact=True)).to_have_count(1)
    sent = chat.frame.get_by_role("article").filter(has=chat.page.locator("p", has_text=re.compile("^The first$")))
    # Not by the rows in the document: those above the view need not be there.
    expect(sent).to_have_attribute("aria-posinset", "3")
    expect(sent).to_have_attribute("aria-setsize", "4")
    assert len(served.player.asked) == 2


def test_several_messages_that_were_not_sent_are_sent_one_by_one(site: MakeSite, visitor: Visitor, line: Line) -> None:
    served = site({}, "Two it is.", "And one.")
    line.fates = ["offline", "offline"]
    chat = visitor.open(served.url)
    for text in ("Message one", "Message two"):
        chat.say(text)
        expect(message(chat, text).get_by_role("alert")).to_contain_text("server can")
    message(chat, "Message two").get_by_role("button", name="Try again").click()
    chat.shows("Two it is.")
    expect(message(chat, "Message one").get_by_role("alert")).to_be_visible()
    message(chat, "Message one").get_by_role("button", name="Try again").click()
    chat.shows("And one.")
    expect(chat.frame.get_by_role("alert")).to_have_count(0)


def test_a_message_that_was_not_sent_can_be_edited_with_its_files_and_its_quote(
    site: MakeSite, visitor: Visitor, line: Line
) -> None:
    served = site({"chat": {"attachments": {"accept": ["text/plain"]}}}, "Nine boats lie here.", "Counted again.")
    chat = visitor.open(served.url)
    chat.say("Hello")
    expect(chat.frame.get_by_role("button", name="Copy")).to_be_visible()
    chat.frame.get_by_role("article").get_by_text("Nine boats lie here.").select_text()
    chat.frame.get_by_role("button", name="Quote").click()
    with chat.page.expect_file_chooser() as chooser:
        chat.frame.get_by_role("button", name="Add").click()
        chat.frame.get_by_role("menuitem", name="Attach files").click()
    chooser.value.set_files({"name": "boats.txt", "mimeType": "text/plain", "buffer": b"ten boats"})
    expect(chat.frame.get_by_role("button", name="Remove boats.txt")).to_be_visible()
    line.fates = [413]
    chat.say("Are you sure?")
    unsent = message(chat, "Are you sure?")
    expect(unsent.get_by_role("alert")).to_contain_text("Refused with 413")
    expect(unsent.get_by_role("button", name="Try again")).to_have_count(0)
    chat.field.click()
    chat.page.keyboard.type("Please.")
    unsent.get_by_role("button", name="Edit").click()
    expect(unsent).to_have_count(0)
    expect(chat.field).to_have_text("Are you sure?\nPlease.")
    expect(chat.frame.get_by_role("button", name="Remove boats.txt")).to_be_visible()
    chat.frame.get_by_role("button", name="Send message").click()
    chat.shows("Counted again.")
    asked = str(served.player.asked[-1].input)
    assert "ten boats" in asked
    assert "Nine boats lie here." in asked
    assert "Please." in asked


def test_a_message_that_was_not_sent_waits_for_the_user_to_come_back(
    site: MakeSite, visitor: Visitor, line: Line
) -> None:
    served = site({}, "In the old chat.", "In the new chat.", "In the old chat again.")
    chat = visitor.open(served.url)
    chat.say("An old chat")
    chat.shows("In the old chat.")
    line.fates = ["offline", "offline"]
    chat.say("Of the old chat")
    expect(message(chat, "Of the old chat").get_by_role("alert")).to_be_visible()
    chat.frame.get_by_role("button", name="New chat").click()
    expect(message(chat, "Of the old chat")).to_have_count(0)
    chat.say("Of the new chat")
    expect(message(chat, "Of the new chat").get_by_role("alert")).to_be_visible()
    chat.frame.get_by_role("button", name="Chat history").click()
    chat.frame.locator(".ck-thread-open").first.click()
    expect(message(chat, "Of the old chat").get_by_role("alert")).to_be_visible()
    chat.frame.get_by_role("button", name="New chat").click()
    message(chat, "Of the new chat").get_by_role("button", name="Try again").click()
    chat.shows("In the new chat.")
    assert len(served.player.asked) == 2


def test_a_message_that_is_stopped_before_the_server_has_it_stays(site: MakeSite, visitor: Visitor, line: Line) -> None:
    served = site({}, "Now then.")
    line.fates = ["hang"]
    chat = visitor.open(served.url)
    chat.say("Hello")
    chat.frame.get_by_role("button", name="Stop").click()
    unsent = message(chat, "Hello")
    expect(unsent.get_by_role("alert")).to_contain_text("Not sent.")
    unsent.get_by_role("button", name="Try again").click()
    chat.shows("Now then.")


def test_a_message_that_was_not_sent_can_be_deleted(site: MakeSite, visitor: Visitor, line: Line) -> None:
    line.fates = [503]
    chat = visitor.open(site({}).url)
    chat.say("Hello")
    message(chat, "Hello").get_by_role("button", name="Delete").click()
    expect(message(chat, "Hello")).to_have_count(0)
    expect(chat.field).to_be_visible()
