"""Conversations that tests have in Chromium and in Firefox alike; each returns its site and the chat at the end."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from tests.conversations.playing import call
from tests.web.conftest import MakeSite, Site

COUNT = "One two three four."
REFUND = "done = []\ndef refund(order: str) -> str:\n    'Refund.'\n    done.append(order)\n    return 'refunded'\n"


class AnyChat(Protocol):
    """The chat in a page of any browser."""

    def say(self, text: str, /) -> None: ...
    def shows(self, text: str, /) -> Any: ...
    def text(self) -> str: ...
    def find(self, role: str, name: str, /) -> Any: ...
    def click(self, role: str, name: str, /) -> None: ...
    def reload(self) -> None: ...


C = TypeVar("C", bound=AnyChat)
C_co = TypeVar("C_co", bound=AnyChat, covariant=True)


class AnyVisitor(Protocol[C_co]):
    """A user of any browser."""

    def open(self, url: str, /) -> C_co: ...


def see_an_answer_grow(site: MakeSite, visitor: AnyVisitor[C]) -> tuple[Site, C]:
    served = site({"chat": {"greeting": "What can I do for you?"}}, "The sky is **very** blue.")
    gate = served.gate("blue.")
    chat = visitor.open(served.url)
    chat.shows("What can I do for you?")
    chat.say("Which colour has the sky?")
    chat.shows("Which colour has the sky?")
    chat.shows("The sky is very")
    assert "blue" not in chat.text()
    gate.pass_when_reached()
    chat.shows("The sky is very blue.")
    return served, chat


def reload_in_the_middle_of_an_answer(site: MakeSite, visitor: AnyVisitor[C]) -> tuple[Site, C]:
    served = site({}, COUNT)
    gate = served.gate("three")
    chat = visitor.open(served.url)
    chat.say("Count")
    chat.shows("One two")
    chat.reload()
    chat.shows("One two")
    assert "three" not in chat.text()
    gate.pass_when_reached()
    chat.shows(COUNT)
    assert len(served.player.asked) == 1
    return served, chat


def stop_an_answer(site: MakeSite, visitor: AnyVisitor[C]) -> tuple[Site, C]:
    served = site({}, COUNT)
    gate = served.gate("three")
    chat = visitor.open(served.url)
    chat.say("Count")
    chat.shows("One two")
    chat.click("button", "Stop")
    chat.find("button", "Send message")
    gate.open()
    chat.reload()
    chat.shows("One two")
    assert "three" not in chat.text()
    return served, chat


def approve_a_call(site: MakeSite, visitor: AnyVisitor[C]) -> tuple[Site, C]:
    config = {
        "tools": {"refund": {"python": "acts:refund", "needs_approval": True}},
        "agents": {"helper": {"tools": ["refund"]}},
    }
    served = site(config, [call("refund", order="A1")], "It is done.", acts_py=REFUND)
    done = served.runtime.generation.snapshot.code.resolve("acts:done")
    chat = visitor.open(served.url)
    chat.say("Refund A1")
    chat.find("button", "Approve")
    assert done == []
    chat.click("button", "Approve")
    chat.shows("It is done.")
    assert done == ["A1"]
    return served, chat
