"""The chat page on other screens, in other languages, in the dark, and for assistive technology (axe-core)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Frame, expect

from tests.conversations.playing import call
from tests.web.axe import violations
from tests.web.conftest import Chat, MakeSite, Visitor

LONG = "A sentence about boats with many words in it. " * 8 + "`" + "x" * 120 + "`"
CARD = {
    "type": "Card",
    "children": [
        {"type": "Title", "value": "Boat"},
        {"type": "Badge", "label": "New", "color": "success"},
        {"type": "Input", "name": "name", "placeholder": "Name"},
        {"type": "Select", "name": "size", "options": [{"label": "Small", "value": "s"}]},
        {"type": "DatePicker", "name": "day"},
        {"type": "Row", "children": [{"type": "Button", "label": "Book"}, {"type": "Button", "label": "Not now"}]},
    ],
}
CONFIG: dict[str, Any] = {
    "tools": {"boat": {"widget": "boat", "description": "Show a boat."}},
    "widgets": {"boat": {"template": CARD}},
    "agents": {"helper": {"tools": ["boat"]}},
    "chat": {"start_prompts": [{"label": "Boats", "prompt": "Show me boats"}], "feedback": True},
}
ANSWER = (
    "# Boats\n\n" + LONG + "\n\n| name | length |\n|---|---|\n| Ida | 9 |\n\n```py\nprint(1)\n```\n\n- one\n- two\n"
)


def inner(chat: Chat) -> Frame:
    """Return the frame of the chat."""
    element = chat.page.locator("openai-chatkit iframe").element_handle()
    assert element is not None
    frame = element.content_frame()
    assert frame is not None
    return frame


def show_all(site: MakeSite, visitor: Visitor) -> Chat:
    """Open a page and have a conversation with an answer in Markdown and a form."""
    chat = visitor.open(site(CONFIG, [call("boat")], ANSWER).url)
    chat.shows("Boats").click()
    expect(chat.frame.get_by_role("button", name="Book")).to_be_visible()
    chat.shows("print")
    expect(chat.frame.get_by_role("button", name="Copy").first).to_be_visible()
    return chat


def is_wider_than_the_screen(chat: Chat) -> bool:
    script = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
    return bool(chat.page.evaluate(script)) or bool(inner(chat).evaluate(script))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_before_and_in_a_conversation(site: MakeSite, visit: Any, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    chat = visitor.open(site(CONFIG, [call("boat")], ANSWER).url)
    chat.shows("Boats")
    assert violations(inner(chat)) == []
    assert violations(chat.page.main_frame) == []
    chat.shows("Boats").click()
    expect(chat.frame.get_by_role("button", name="Book")).to_be_visible()
    chat.shows("print")
    assert violations(inner(chat)) == []
    chat.frame.get_by_role("button", name="Chat history").click()
    expect(chat.frame.get_by_role("button", name="Close chat history")).to_be_visible()
    assert violations(inner(chat)) == []


def test_axe_finds_nothing_serious_where_a_token_is_asked_for(site: MakeSite, visitor: Visitor) -> None:
    visitor.expected.append("status of 401")
    page = visitor.open(site({"auth": {"bearer": {"ada": "a" * 43}}}).url).page
    expect(page.get_by_label("Token")).to_be_visible()
    assert violations(page.main_frame) == []


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_everything_without_scrolling_sideways(site: MakeSite, visit: Any, width: int) -> None:
    visitor = visit(viewport={"width": width, "height": 640}, has_touch=True, is_mobile=True, device_scale_factor=2)
    chat = show_all(site, visitor)
    assert not is_wider_than_the_screen(chat)
    box = chat.field.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_a_language_that_is_written_from_right_to_left(site: MakeSite, visit: Any) -> None:
    config = {**CONFIG, "chat": {**CONFIG["chat"], "locale": "ar", "greeting": "مرحبا"}}
    visitor = visit()
    chat = visitor.open(site(config, "نعم.").url)
    chat.shows("مرحبا")
    assert inner(chat).evaluate("getComputedStyle(document.documentElement).direction") == "rtl"
    assert inner(chat).evaluate("document.documentElement.lang") == "ar"
    chat.say("سؤال")
    chat.shows("نعم.")
    assert not is_wider_than_the_screen(chat)
    # The texts of the interface are not English.
    expect(chat.frame.get_by_role("button", name="Chat history")).to_have_count(0)


@pytest.mark.parametrize(
    ("composer", "rows"), [({}, 1), ({"tools": [{"id": "puzzle", "label": "Puzzle", "icon": "cube"}]}, 2)]
)
def test_a_composer_is_as_high_as_what_it_shows(
    site: MakeSite, visitor: Visitor, composer: dict[str, Any], rows: int
) -> None:
    chat = visitor.open(site({"chat": {"composer": composer}}, "Fine.").url)
    expect(chat.field).to_be_visible()
    form, send = chat.frame.locator("form.ck-composer"), chat.frame.get_by_role("button", name="Send message")

    def height() -> float:
        box = form.bounding_box()
        assert box is not None
        return box["height"]

    first = height()
    assert first <= 60 * rows - 10 * (rows - 1)
    field, button = chat.field.bounding_box(), send.bounding_box()
    assert field is not None
    assert button is not None
    assert (button["y"] < field["y"] + field["height"]) is (rows == 1), "the button is beside the text"
    chat.field.click()
    chat.page.keyboard.type("One")
    for word in ("two", "three"):
        chat.page.keyboard.press("Shift+Enter")
        chat.page.keyboard.type(word)
    # Each line of the text is seen.
    assert height() >= first + 40


def test_the_chat_is_dark_where_the_user_wants_it(site: MakeSite, visit: Any) -> None:
    luminance = """() => {
      const canvas = new OffscreenCanvas(1, 1).getContext('2d');
      let shown = document.elementFromPoint(5, 5);
      const clear = 'rgba(0, 0, 0, 0)';
      while (shown.parentElement && getComputedStyle(shown).backgroundColor === clear) shown = shown.parentElement;
      canvas.fillStyle = getComputedStyle(shown).backgroundColor;
      canvas.fillRect(0, 0, 1, 1);
      return canvas.getImageData(0, 0, 1, 1).data[0];
    }"""
    for scheme, is_dark in (("dark", True), ("light", False)):
        chat = visit(color_scheme=scheme).open(site(CONFIG, "Fine.", name=scheme).url)
        chat.shows("Boats")
        assert (inner(chat).evaluate(luminance) < 100) is is_dark
    chat = visit(color_scheme="dark").open(site({**CONFIG, "chat": {"theme": {"color_scheme": "light"}}}).url)
    expect(chat.field).to_be_visible()
    assert inner(chat).evaluate(luminance) > 200, "the project's own colour scheme"
