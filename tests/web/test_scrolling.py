"""What the view shows while an answer is written, with `thread.autoScroll` and without, and what is below an answer."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Locator, Route, expect

from tests.web.conftest import Chat, MakeSite, Visitor
from tests.web.test_element import around, embed

LONG = "\n\n".join(f"Line {index} of it." for index in range(60))
ANSWER = f"Begin.\n\n{LONG}\n\nMiddle.\n\n{LONG}\n\nFinish."
TO_END = "To the end of the chat"


def scroller(chat: Chat) -> Locator:
    return chat.frame.locator(".ck-scroller")


def below_top(chat: Chat, text: str) -> float:
    """Return how far a message is below the top of the view, in px."""
    message = chat.frame.get_by_role("article").filter(has_text=text).bounding_box()
    view = scroller(chat).bounding_box()
    assert message is not None
    assert view is not None
    return message["y"] - view["y"]


def rest(chat: Chat) -> float:
    """Return how much is below the view, in px."""
    return float(scroller(chat).evaluate("element => element.scrollHeight - element.scrollTop - element.clientHeight"))


def test_a_question_goes_to_the_top_and_stays_there_while_its_answer_is_written(
    site: MakeSite, visitor: Visitor
) -> None:
    served = site({}, LONG, ANSWER)
    begin, middle, finish = (served.gate(word) for word in ("Begin.", "Middle.", "Finish."))
    chat = visitor.open(served.url)
    chat.say("The first question")
    expect(chat.frame.get_by_role("button", name="Copy")).to_be_attached()
    chat.say("The second question")
    assert begin.reached.wait(180)
    expect(chat.frame.get_by_role("button", name="Stop")).to_be_visible()
    assert abs(below_top(chat, "The second question")) <= 2
    begin.open()
    assert middle.reached.wait(180)
    expect(chat.frame.get_by_role("button", name=TO_END)).to_be_visible()
    assert abs(below_top(chat, "The second question")) <= 2
    middle.open()
    finish.pass_when_reached()
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_visible()
    assert abs(below_top(chat, "The second question")) <= 2
    assert rest(chat) > 200
    chat.frame.get_by_role("button", name=TO_END).click()
    chat.shows("Finish.")
    expect(chat.frame.get_by_role("button", name=TO_END)).to_have_count(0)


def test_a_short_answer_leaves_its_question_at_the_top(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(site({}, LONG, "Short.").url)
    chat.say("The first question")
    expect(chat.frame.get_by_role("button", name="Copy")).to_be_attached()
    chat.say("The second question")
    chat.shows("Short.")
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_visible()
    assert abs(below_top(chat, "The second question")) <= 2
    assert rest(chat) < 2


MOVES = """async (element) => {
  const seen = new Set();
  for (let frame = 0; frame < 60; frame++) {
    await new Promise(requestAnimationFrame);
    const { height } = element.querySelector('.ck-thread-content').lastElementChild.style;
    seen.add(`${element.scrollTop} of ${element.scrollHeight}, ${height}`);
  }
  return [...seen];
}"""


def test_the_view_rests_below_a_short_answer_whatever_its_height(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(site({}, LONG, "Short.").url)
    chat.say("The first question")
    expect(chat.frame.get_by_role("button", name="Copy")).to_be_attached()
    chat.say("The second question")
    chat.shows("Short.")
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_visible()
    for zoom in ("1", "1.003", "1.007", "1.011", "1.019", "1.1", "1.25"):
        chat.frame.locator("html").evaluate("(html, zoom) => { html.style.zoom = zoom }", zoom)
        # The first frames measure.
        scroller(chat).evaluate(MOVES)
        assert len(scroller(chat).evaluate(MOVES)) == 1, zoom


def test_a_question_keeps_its_row_when_the_server_has_stored_it(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(site({}, "Short.").url)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "threads.create" in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    visitor.context.route("**/chatkit", hold)
    chat.say("The question")
    row = chat.frame.get_by_role("article").filter(has_text="The question")
    row.evaluate("row => { row.isTheFirst = true }")
    while not held:
        chat.page.wait_for_timeout(10)
    held.pop().continue_()
    chat.shows("Short.")
    expect(chat.frame.get_by_role("button", name="Copy")).to_be_attached()
    assert row.evaluate("row => row.isTheFirst")


def test_a_reader_who_moves_is_left_where_they_are(site: MakeSite, visitor: Visitor) -> None:
    served = site({}, LONG, ANSWER)
    middle, finish = served.gate("Middle."), served.gate("Finish.")
    chat = visitor.open(served.url)
    chat.say("The first question")
    expect(chat.frame.get_by_role("button", name="Copy")).to_be_attached()
    chat.say("The second question")
    assert middle.reached.wait(180)
    expect(chat.frame.get_by_role("button", name=TO_END)).to_be_visible()
    scroller(chat).hover()
    chat.page.mouse.wheel(0, 300)
    expect(chat.frame.get_by_role("article").filter(has_text="The second question")).not_to_be_in_viewport()
    before = scroller(chat).evaluate("element => element.scrollTop")
    middle.open()
    finish.pass_when_reached()
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_visible()
    after = scroller(chat).evaluate("element => element.scrollTop")
    assert after >= before, "the wheel may still turn; nothing else moves the view"
    assert abs(below_top(chat, "The second question")) > 100
    assert rest(chat) > 200


def test_the_view_follows_an_answer_where_the_page_says_so(site: MakeSite, visitor: Visitor) -> None:
    served = site({"chat": {"auto_scroll": True}}, ANSWER)
    middle, finish = served.gate("Middle."), served.gate("Finish.")
    chat = visitor.open(served.url)
    chat.say("Write")
    assert middle.reached.wait(180)
    expect(chat.frame.get_by_text("Line 59 of it.").first).to_be_in_viewport()
    middle.open()
    finish.pass_when_reached()
    expect(chat.frame.locator("p", has_text="Finish.")).to_be_in_viewport()
    expect(chat.frame.get_by_role("button", name="Send message")).to_be_visible()
    expect(chat.frame.get_by_role("button", name=TO_END)).to_have_count(0)


@pytest.mark.parametrize("shown", [True, False])
def test_the_page_says_what_can_be_done_with_an_answer(site: MakeSite, visitor: Visitor, shown: bool) -> None:
    served = site({"chat": {"feedback": True}}, "The first.", "The second.", around=around)
    actions = json.dumps({"feedback": shown, "retry": shown})
    chat = embed(visitor, served, f"{{ api: all.api, threadItemActions: {actions} }}")
    chat.say("Hello")
    chat.shows("The first.")
    expect(chat.frame.get_by_role("button", name="Copy")).to_be_visible()
    names = ("Good answer", "Bad answer", "Answer again")
    for name in names:
        expect(chat.frame.get_by_role("button", name=name)).to_have_count(int(shown))
    if not shown:
        return
    good = chat.frame.get_by_role("button", name="Good answer")
    with chat.page.expect_request(lambda request: "items.feedback" in (request.post_data or "")) as asked:
        good.click()
    assert json.loads(asked.value.post_data or "")["params"]["kind"] == "positive"
    expect(good).to_have_attribute("aria-pressed", "true")
    chat.frame.get_by_role("button", name="Answer again").click()
    chat.shows("The second.")
    expect(chat.frame.get_by_role("article").filter(has_text="The first.")).to_have_count(0)
