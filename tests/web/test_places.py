"""What is where in the view while things around it change, looked at in each frame that is painted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.conversations.playing import call
from tests.web.conftest import Chat, MakeSite, Visitor
from tests.web.test_element import around, embed
from tests.web.test_scrolling import ANSWER, LONG, TO_END, below_top, rest, scroller
from tests.web.test_streams import LENGTH, WHEN, item, long_thread, open_long_thread

WATCH = """(element, text) => {
  const seen = (globalThis.seen = []);
  const { port1, port2 } = new MessageChannel();
  const look = () => {
    const row = [...element.querySelectorAll('article')].find((each) => each.textContent.includes(text));
    seen.push(row ? Math.round(row.getBoundingClientRect().top - element.getBoundingClientRect().top) : null);
  };
  // After the frame is painted, not before.
  port1.onmessage = look;
  const next = () => {
    port2.postMessage(null);
    globalThis.watching = requestAnimationFrame(next);
  };
  next();
}"""
SEEN = "() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(globalThis.seen))))"
REST = """async (element) => {
  let last = '';
  for (let same = 0; same < 20; same++) {
    await new Promise(requestAnimationFrame);
    const now = [element.scrollTop, element.scrollHeight, element.clientHeight].join();
    if (now !== last) same = 0;
    last = now;
  }
}"""
TALL = "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='500'><rect width='200' height='500'/></svg>"
PICTURE = {"type": "Card", "children": [{"type": "Image", "src": "/slow.svg", "alt": "A tower"}]}
PICTURES = {
    "agents": {"helper": {"tools": ["picture"]}},
    "tools": {"picture": {"widget": "picture", "description": "Show a picture."}},
    "widgets": {"picture": {"template": PICTURE, "data": {"type": "object", "properties": {}}}},
}


def settle(chat: Chat) -> None:
    """Wait until nothing has moved for some frames."""
    scroller(chat).evaluate(REST)


def watch(chat: Chat, text: str) -> None:
    """Note in each frame how far below the top of the view the message with the text is."""
    scroller(chat).evaluate(WATCH, text)


def seen(chat: Chat) -> set[int | None]:
    """Return where the message has been since `watch`; None: it was not in the document."""
    settle(chat)
    return set(scroller(chat).evaluate(SEEN))


def spread(places: set[int | None]) -> int:
    """Return between which places the message has moved, in px."""
    known = [place for place in places if place is not None]
    assert len(known) == len(places), "it was away"
    return max(known) - min(known)


def has_answered(chat: Chat) -> None:
    """Wait for the end of the turn."""
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_visible()


def ask(chat: Chat, text: str) -> None:
    """Send a message, and wait for the end of its answer."""
    chat.say(text)
    messages = chat.frame.get_by_role("article")
    expect(messages.filter(has_text=text)).to_be_attached()
    expect(messages.last).not_to_have_attribute("data-type", "user_message")
    has_answered(chat)


def hold(visitor: Visitor, pattern: str) -> list[Route]:
    """Keep requests unanswered."""
    held: list[Route] = []
    visitor.context.route(pattern, lambda route: held.append(route))
    return held


def wait_for(chat: Chat, held: list[Route]) -> None:
    for _ in range(600):
        if held:
            return
        chat.page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 50))")
    raise AssertionError("nothing was asked for")


def test_the_readers_place_stays_while_older_items_are_asked_for_and_when_they_come(
    site: MakeSite, visitor: Visitor
) -> None:
    older: list[Route] = []
    chat = open_long_thread(visitor, site({}).url, older)
    row = f"Answer {LENGTH - 45}."
    scroller(chat).evaluate("element => { element.scrollTop = 100 }")
    expect(chat.frame.get_by_role("article").filter(has_text=row)).to_be_in_viewport()
    settle(chat)
    watch(chat, row)
    for _ in range(2):
        wait_for(chat, older)
        chat.shows("Loading")
        assert spread(seen(chat)) <= 1
        route = older.pop()
        posted: Any = route.request.post_data_json
        route.fulfill(body=json.dumps(long_thread(posted)), content_type="application/json")
        expect(chat.frame.get_by_text("Loading")).to_have_count(0)
        assert spread(seen(chat)) <= 1
        assert rest(chat) > 2000
        scroller(chat).evaluate("element => { element.scrollTop = 100 }")
        settle(chat)
        watch(chat, f"Answer {LENGTH - 145}.")


def test_older_items_come_where_the_newest_do_not_fill_the_view(site: MakeSite, visitor: Visitor) -> None:
    served = site({})

    def respond(route: Route) -> None:
        posted = route.request.post_data_json
        if not posted or posted["params"].get("thread_id") != "thr_long":
            return route.continue_()
        if posted["type"] == "threads.get_by_id":
            response: Any = long_thread(posted)
        elif posted["params"].get("after"):
            response = {"data": [item(index) for index in (3, 2, 1, 0)], "has_more": False}
        else:
            base = {"thread_id": "thr_long", "created_at": WHEN, "type": "end_of_turn"}
            response = {"data": [{**base, "id": f"end_{index}"} for index in range(50)], "has_more": True}
        route.fulfill(body=json.dumps(response), content_type="application/json")

    visitor.context.route("**/chatkit", respond)
    visitor.context.route("**/threads/thr_long/stream", lambda route: route.fulfill(status=204))
    chat = visitor.open(served.url, "/#thread=thr_long")
    chat.shows("Question 0")
    chat.shows("Answer 3.")


def test_a_picture_that_comes_late_moves_no_question(site: MakeSite, visitor: Visitor) -> None:
    served = site(PICTURES, LONG, [call("picture")], "The tower.", [call("picture")], "Another one.")
    held = hold(visitor, "**/slow.svg*")
    chat = visitor.open(served.url)
    ask(chat, "The first question")
    chat.say("The second question")
    chat.shows("The tower.")
    has_answered(chat)
    wait_for(chat, held)
    watch(chat, "The second question")
    # In the answer below the question.
    for route in held:
        route.fulfill(body=TALL, content_type="image/svg+xml")
    expect(chat.frame.get_by_role("img", name="A tower")).to_have_js_property("naturalHeight", 500)
    assert spread(seen(chat)) <= 1
    assert abs(below_top(chat, "The second question")) <= 1


@pytest.mark.parametrize("size", [(390, 700), (390, 300), (1000, 500), (320, 900)])
def test_a_question_stays_at_the_top_whatever_becomes_of_the_window(
    site: MakeSite, visitor: Visitor, size: tuple[int, int]
) -> None:
    served = site({}, LONG, ANSWER)
    middle = served.gate("Middle.")
    chat = visitor.open(served.url)
    ask(chat, "The first question")
    chat.say("The second question")
    assert middle.reached.wait(180)
    chat.shows("Line 59 of it.")
    assert abs(below_top(chat, "The second question")) <= 1
    chat.page.set_viewport_size({"width": size[0], "height": size[1]})
    settle(chat)
    assert abs(below_top(chat, "The second question")) <= 1
    middle.open()
    has_answered(chat)
    assert abs(below_top(chat, "The second question")) <= 1


WORDS = " ".join(f"word-{number}" for number in range(600))
TOP = """element => {
  const view = element.getBoundingClientRect();
  const isSeen = (row) => row.getBoundingClientRect().bottom > view.top + 1;
  const row = [...element.querySelectorAll('article')].find(isSeen);
  const { top, height } = row.getBoundingClientRect();
  return [row.ariaPosInSet, (view.top - top) / height];
}"""


@pytest.mark.parametrize("size", [(390, 700), (390, 300), (1000, 500), (320, 900)])
def test_who_reads_in_the_middle_goes_on_reading_there_whatever_becomes_of_the_window(
    site: MakeSite, visitor: Visitor, size: tuple[int, int]
) -> None:
    chat = visitor.open(site({}, *[WORDS] * 4).url)
    for number in range(4):
        ask(chat, f"Question {number}")
    scroller(chat).hover()
    chat.page.mouse.wheel(0, -2000)
    settle(chat)
    row, part = scroller(chat).evaluate(TOP)
    assert (row in "2468", 0.01 < part < 0.99) == (True, True)
    before = chat.page.viewport_size
    assert before is not None
    chat.page.set_viewport_size({"width": size[0], "height": size[1]})
    settle(chat)
    assert scroller(chat).evaluate(TOP) == [row, pytest.approx(part, abs=0.02)]
    chat.page.set_viewport_size(before)
    settle(chat)
    assert scroller(chat).evaluate(TOP) == [row, pytest.approx(part, abs=0.005)]


@pytest.mark.parametrize("size", [(390, 700), (390, 300), (1000, 500), (320, 900)])
def test_who_is_at_the_end_stays_there_whatever_becomes_of_the_window(
    site: MakeSite, visitor: Visitor, size: tuple[int, int]
) -> None:
    chat = visitor.open(site({}, ANSWER).url)
    ask(chat, "The first question")
    chat.frame.get_by_role("button", name=TO_END).click()
    expect(chat.frame.get_by_role("button", name=TO_END)).to_have_count(0)
    chat.page.set_viewport_size({"width": size[0], "height": size[1]})
    settle(chat)
    assert rest(chat) < 2
    expect(chat.frame.locator("p", has_text="Finish.")).to_be_in_viewport()


def test_a_composer_that_grows_moves_neither_the_end_nor_a_question(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(site({}, LONG, "Short.").url)
    ask(chat, "The first question")
    chat.frame.get_by_role("button", name=TO_END).click()
    expect(chat.frame.get_by_role("button", name=TO_END)).to_have_count(0)
    chat.field.click()
    for _ in range(8):
        chat.page.keyboard.press("Shift+Enter")
    settle(chat)
    assert rest(chat) < 2
    for _ in range(8):
        chat.page.keyboard.press("Backspace")
    chat.say("The second question")
    chat.shows("Short.")
    has_answered(chat)
    watch(chat, "The second question")
    chat.field.click()
    for _ in range(8):
        chat.page.keyboard.press("Shift+Enter")
    assert seen(chat) <= {0, 1, -1}


def test_a_message_that_is_sent_from_far_above_goes_to_the_top(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(site({}, ANSWER, ANSWER, "Short.", ANSWER).url)
    for text in ("The first question", "The second question"):
        ask(chat, text)
    for text in ("The third question", "The fourth question"):
        scroller(chat).hover()
        for _ in range(100):
            if scroller(chat).evaluate("element => element.scrollTop") == 0:
                break
            chat.page.mouse.wheel(0, -2000)
            settle(chat)
        ask(chat, text)
        settle(chat)
        assert abs(below_top(chat, text)) <= 1


def test_two_messages_in_a_row_are_both_answered_below_the_second(site: MakeSite, visitor: Visitor) -> None:
    served = site({}, LONG, "One.", "Two.", around=around)
    one = served.gate("One.")
    chat = embed(visitor, served, "{ api: all.api }")
    ask(chat, "Begin")
    chat.run("void chat.sendUserMessage({ text: 'Question one' }); void chat.sendUserMessage({ text: 'Question two' })")
    assert one.reached.wait(180)
    settle(chat)
    assert abs(below_top(chat, "Question two")) <= 1
    one.open()
    chat.shows("Two.")
    has_answered(chat)
    settle(chat)
    assert abs(below_top(chat, "Question two")) <= 1
    assert rest(chat) < 2


@pytest.mark.parametrize("distance", [30, 200])
def test_no_empty_room_is_left_below_an_answer_whose_reader_has_moved(
    site: MakeSite, visitor: Visitor, distance: int
) -> None:
    served = site({}, LONG, ANSWER)
    begin = served.gate("Begin.")
    chat = visitor.open(served.url)
    ask(chat, "The first question")
    chat.say("The second question")
    assert begin.reached.wait(180)
    scroller(chat).hover()
    chat.page.mouse.wheel(0, -distance)
    settle(chat)
    place = scroller(chat).evaluate("element => element.scrollTop")
    begin.open()
    has_answered(chat)
    assert scroller(chat).evaluate("element => element.scrollTop") == place, "the reader's place"
    chat.frame.get_by_role("button", name=TO_END).click()
    expect(chat.frame.locator("p", has_text="Finish.")).to_be_in_viewport()
    settle(chat)
    assert rest(chat) < 2
    below = scroller(chat).evaluate("element => element.firstElementChild.lastElementChild.clientHeight")
    assert below == 0


def test_a_question_of_many_lines_leaves_room_for_its_answer(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(site({}, LONG, "Short.").url)
    ask(chat, "The first question")
    chat.field.click()
    chat.page.keyboard.insert_text("\n".join(f"Line {index} of a question." for index in range(60)))
    chat.page.keyboard.press("Enter")
    chat.shows("Short.")
    has_answered(chat)
    expect(chat.frame.locator("p", has_text="Short.")).to_be_in_viewport()
    assert below_top(chat, "Line 59 of a question.") < 0


def test_an_answer_that_is_asked_for_again_is_seen(site: MakeSite, visitor: Visitor) -> None:
    served = site({}, LONG, LONG, ANSWER)
    begin = served.gate("Begin.")
    chat = visitor.open(served.url)
    for text in ("The first question", "The second question"):
        ask(chat, text)
    chat.frame.get_by_role("button", name=TO_END).click()
    chat.frame.get_by_role("button", name="Answer again").last.click()
    begin.pass_when_reached()
    has_answered(chat)
    settle(chat)
    assert abs(below_top(chat, "The second question")) <= 1
    expect(chat.frame.locator("p", has_text="Begin.")).to_be_in_viewport()


BOOK = {"type": "Button", "label": "Book", "onClickAction": {"type": "book", "payload": {}}}


def test_a_message_that_an_action_makes_is_seen_with_its_answer(site: MakeSite, visitor: Visitor) -> None:
    config = {
        "agents": {"helper": {"tools": ["boat"]}},
        "tools": {"boat": {"widget": "boat", "description": "Show a boat."}},
        "widgets": {"boat": {"template": {"type": "Card", "children": [BOOK]}, "data": {"type": "object"}}},
        "actions": {"book": {"message": "Book it please"}},
    }
    chat = visitor.open(site(config, LONG, [call("boat")], "A boat.", ANSWER).url)
    for text in ("The first question", "The second question"):
        ask(chat, text)
    chat.frame.get_by_role("button", name="Book").click()
    chat.shows("Begin.")
    has_answered(chat)
    settle(chat)
    assert abs(below_top(chat, "Book it please")) <= 1
    expect(chat.frame.locator("p", has_text="Begin.")).to_be_in_viewport()


COLLAPSED = {
    "type": "Card",
    "collapsed": True,
    "status": {"text": "All boats"},
    "children": [{"type": "Text", "value": f"Boat {index}"} for index in range(40)],
}


def test_what_is_opened_at_the_end_stays_under_the_pointer(site: MakeSite, visitor: Visitor) -> None:
    config = {
        "agents": {"helper": {"tools": ["boats"]}},
        "tools": {"boats": {"widget": "boats", "description": "Show boats."}},
        "widgets": {"boats": {"template": COLLAPSED, "data": {"type": "object"}}},
    }
    chat = visitor.open(site(config, LONG, [LONG, call("boats")], "These.").url)
    for text in ("The first question", "The second question"):
        ask(chat, text)
    chat.frame.get_by_role("button", name=TO_END).click()
    summary = chat.frame.get_by_role("button", name="All boats")
    expect(summary).to_be_in_viewport()
    settle(chat)
    watch(chat, "All boats")
    summary.click()
    expect(chat.frame.get_by_text("Boat 39")).to_be_visible()
    assert spread(seen(chat)) <= 1


def test_the_view_follows_pictures_where_the_page_says_so(site: MakeSite, visitor: Visitor) -> None:
    served = site({**PICTURES, "chat": {"auto_scroll": True}}, LONG, [call("picture")], "The tower.")
    held = hold(visitor, "**/slow.svg*")
    chat = visitor.open(served.url)
    chat.say("The first question")
    has_answered(chat)
    chat.say("The second question")
    chat.shows("The tower.")
    has_answered(chat)
    wait_for(chat, held)
    for route in held:
        route.fulfill(body=TALL, content_type="image/svg+xml")
    expect(chat.frame.get_by_role("img", name="A tower")).to_have_js_property("naturalHeight", 500)
    expect(chat.frame.locator("p", has_text="The tower.")).to_be_in_viewport()
    settle(chat)
    assert rest(chat) < 2
