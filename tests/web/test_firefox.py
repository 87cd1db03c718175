"""The chat page in Firefox: what differs between browsers is the engine, the fields, the focus and the policies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conversations.playing import call
from tests.web.conftest import MakeSite
from tests.web.firefox import DARK, Firefox, FirefoxChat, FirefoxVisitor, open_firefox
from tests.web.in_each_browser import (
    approve_a_call,
    reload_in_the_middle_of_an_answer,
    see_an_answer_grow,
    stop_an_answer,
)

FORM = {
    "type": "Form",
    "onSubmitAction": {"type": "book"},
    "children": [
        {"type": "Input", "name": "name", "required": True},
        {"type": "Select", "name": "size", "defaultValue": "s", "options": [{"label": "Small", "value": "s"}]},
        {"type": "DatePicker", "name": "day", "defaultValue": "2026-05-04"},
        {"type": "Button", "label": "Book", "submit": True},
    ],
}
WANTED = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("name", "size", "day")},
    "required": ["name", "size", "day"],
}
BOATS: dict[str, Any] = {
    "tools": {"boat": {"widget": "boat", "description": "Show a boat.", "stop": True}},
    "widgets": {"boat": {"template": {"type": "Card", "children": [FORM]}}},
    "actions": {
        "book": {"message": "Booked {{ payload.name }}, {{ payload.size }}, {{ payload.day }}", "payload": WANTED}
    },
    "agents": {"helper": {"tools": ["boat"]}},
}
MARKDOWN = (
    "# Boats\n\n"
    + "A sentence about boats. " * 9
    + "`"
    + "x" * 120
    + "`\n\n| name | length |\n|---|---|\n| Ida | 9 |\n"
)


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with open_firefox(tmp_path_factory.mktemp("firefox")) as firefox:
        yield firefox


@pytest.fixture
def visitor(site: MakeSite, firefox: Firefox) -> Iterator[FirefoxVisitor]:
    visitor = FirefoxVisitor(firefox=firefox)
    yield visitor
    visitor.leave()
    assert visitor.requests, "what pages ask for is noted"
    visitor.check()


def test_an_answer_is_shown_while_it_is_written(site: MakeSite, visitor: FirefoxVisitor) -> None:
    _, chat = see_an_answer_grow(site, visitor)
    assert chat.run("() => document.querySelector('strong').textContent") == "very"


def test_an_answer_goes_on_after_the_page_is_loaded_again(site: MakeSite, visitor: FirefoxVisitor) -> None:
    _, chat = reload_in_the_middle_of_an_answer(site, visitor)
    assert chat.run("() => document.querySelectorAll('article').length") == 2


def test_an_answer_can_be_stopped(site: MakeSite, visitor: FirefoxVisitor) -> None:
    stop_an_answer(site, visitor)


def test_a_form_is_refused_and_then_sent(site: MakeSite, visitor: FirefoxVisitor) -> None:
    chat = visitor.open(site(BOATS, [call("boat")]).url)
    chat.say("A boat")
    chat.click("button", "Book")
    refused = chat.wait_for("() => document.querySelector('[aria-invalid]')?.name")
    assert refused == "name"
    assert chat.run("() => document.activeElement.name") == "name"
    assert chat.run("() => document.querySelector('[role=alert]').textContent")
    chat.press(*"Ida", "Enter")
    chat.shows("Booked Ida, s, 2026-05-04")


def test_a_call_waits_until_the_user_approves_it(site: MakeSite, visitor: FirefoxVisitor) -> None:
    approve_a_call(site, visitor)


def test_the_keyboard_alone_is_enough(site: MakeSite, visitor: FirefoxVisitor) -> None:
    served = site({"chat": {"start_prompts": [{"label": "Boats", "prompt": "Show me boats"}]}}, "Nine boats.", "Bye.")
    chat = visitor.open(served.url)
    chat.tab_to("button", "Boats")
    chat.press("Enter")
    chat.shows("Nine boats.")
    # Not forwards, through the bars of the browser: a window without a screen does not get the keyboard back from them.
    chat.tab_to("button", "Chat history", back=True)
    chat.press("Enter")
    chat.find("button", "Close chat history")
    chat.press("Escape")
    chat.hides("[aria-label='Close chat history']")
    chat.tab_to("textbox", "Message the AI")
    chat.press(*"Thanks", "Enter")
    chat.shows("Bye.")


def is_wider_than_the_screen(chat: FirefoxChat) -> bool:
    script = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return bool(chat.run(script)) or bool(chat.run(script, within=chat.page))


def test_a_phone_shows_everything_without_scrolling_sideways(site: MakeSite, visitor: FirefoxVisitor) -> None:
    chat = visitor.open(site(BOATS, MARKDOWN, [call("boat")]).url)
    chat.resize(320, 640)
    chat.say("Boats")
    chat.find("cell", "Ida")
    chat.say("One of them")
    chat.find("button", "Book")
    assert chat.run("() => innerWidth") == 320
    assert not is_wider_than_the_screen(chat)


def test_a_language_that_is_written_from_right_to_left(site: MakeSite, visitor: FirefoxVisitor) -> None:
    chat = visitor.open(site({"chat": {"locale": "ar", "greeting": "مرحبا"}}, "نعم.").url)
    chat.shows("مرحبا")
    assert chat.run("() => getComputedStyle(document.documentElement).direction") == "rtl"
    field = chat.run("() => document.querySelector('[role=textbox]').getAttribute('aria-label')")
    chat.say("سؤال", field)
    chat.shows("نعم.")
    # The question is at the side of its writer, which is the left one.
    question = """() => {
      const box = document.querySelector('.ck-bubble')?.getBoundingClientRect();
      return box && box.left < innerWidth - box.right;
    }"""
    assert chat.wait_for(question)
    assert not is_wider_than_the_screen(chat)


def test_the_chat_is_dark_where_the_user_wants_it(site: MakeSite, firefox: Firefox, tmp_path: Path) -> None:
    background = """() => {
      const canvas = new OffscreenCanvas(1, 1).getContext('2d');
      canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
      canvas.fillRect(0, 0, 1, 1);
      return canvas.getImageData(0, 0, 1, 1).data[0];
    }"""
    profile = tmp_path / "profile"
    profile.mkdir()
    with open_firefox(profile, DARK) as dark:
        for browser, name, is_dark in ((dark, "dark", True), (firefox, "light", False)):
            visitor = FirefoxVisitor(firefox=browser)
            chat = visitor.open(site({"chat": {"greeting": "Hello"}}, "Fine.", name=name).url)
            chat.shows("Hello")
            assert chat.run("() => document.documentElement.dataset.theme") == name
            assert (chat.run(background) < 100) is is_dark
            chat.say("Hello")
            chat.shows("Fine.")
            visitor.leave()
            visitor.check()


def test_what_a_page_must_not_do_is_noticed(site: MakeSite, firefox: Firefox) -> None:
    visitor = FirefoxVisitor(firefox=firefox)
    served = site({"chat": {"greeting": "Hello"}})
    chat = visitor.open(served.url)
    chat.shows("Hello")
    chat.run("() => fetch('http://127.0.0.2:9/').catch(() => null)", within=chat.page)
    chat.run("() => void setTimeout(() => { throw new Error('thrown in the page'); })", within=chat.page)
    chat.run("() => new Promise((resolve) => setTimeout(resolve))", within=chat.page)
    visitor.leave()
    assert any("connect-src" in text for text in visitor.errors)
    assert any("thrown in the page" in text for text in visitor.errors)
    visitor.allowed = ["http://127.0.0.2/"]
    with pytest.raises(AssertionError, match="beyond the server"):
        visitor.check()
