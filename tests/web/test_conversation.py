"""Conversations on the chat page, in a real browser with a real server."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.web.conftest import MakeSite, Visitor


def test_an_answer_is_shown_while_it_is_written(site: MakeSite, visitor: Visitor) -> None:
    served = site({"chat": {"greeting": "What can I do for you?"}}, "The sky is blue.")
    gate = served.gate("blue.")
    chat = visitor.open(served.url)
    chat.shows("What can I do for you?")
    chat.say("Which colour has the sky?")
    chat.shows("Which colour has the sky?")
    chat.shows("The sky is")
    expect(chat.frame.get_by_text("blue.")).to_have_count(0)
    gate.pass_when_reached()
    chat.shows("The sky is blue.")
