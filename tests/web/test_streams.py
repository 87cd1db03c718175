"""Streams that break, and threads that are long, as a reader of the chat page meets them."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

from tests.web.conftest import Chat, MakeSite, Visitor

Message = MutableMapping[str, Any]


class Cable:
    """Between the browser and the server: responses of ChatKit's endpoint break off while it is cut."""

    def __init__(self) -> None:
        self.is_cut = False
        self.refused = 0

    def around(self, app: Any) -> Any:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or not scope["path"].startswith("/chatkit") or "/assets/" in scope["path"]:
                await app(scope, receive, send)
                return
            if self.is_cut:
                self.refused += 1
                await send({"type": "http.response.start", "status": 502, "headers": []})
                await send({"type": "http.response.body", "body": b"no server"})
                return

            async def send_while_whole(message: Message) -> None:
                # A body that ends without its last chunk: what a proxy leaves of a connection that broke.
                if self.is_cut:
                    raise ConnectionResetError
                await send(message)

            await app(scope, receive, send_while_whole)

        return wrapped


BROKEN = ("Failed to load resource", "INCOMPLETE_CHUNKED", "RequestFailed")


def test_an_answer_goes_on_when_the_connection_comes_back(site: MakeSite, visitor: Visitor) -> None:
    cable = Cable()
    served = site({}, "One two three four five.", around=cable.around)
    three, five = served.gate("three"), served.gate("five.")
    visitor.expected.extend(BROKEN)
    chat = visitor.open(served.url)
    chat.say("Count")
    chat.shows("One two")
    cable.is_cut = True
    three.pass_when_reached()
    again = chat.frame.get_by_role("button", name="Connect now")
    expect(again).to_be_visible()
    assert five.reached.wait(180)
    cable.is_cut = False
    with suppress(PlaywrightError):  # the client tries by itself, too, and may be sooner
        again.click(timeout=10_000)
    chat.shows("One two three four")
    five.open()
    chat.shows("One two three four five.")
    expect(chat.frame.get_by_role("article").filter(has_text="One two")).to_have_count(1)
    assert len(served.player.asked) == 1


def test_a_message_that_was_not_sent_can_be_sent_again(site: MakeSite, visitor: Visitor) -> None:
    cable = Cable()
    served = site({}, "Fine.", around=cable.around)
    visitor.expected.extend(BROKEN)
    chat = visitor.open(served.url)
    chat.field.click()
    cable.is_cut = True
    chat.say("Hello")
    alert = chat.frame.get_by_role("alert")
    expect(alert).to_contain_text("Something went wrong.")
    expect(chat.frame.get_by_text("Hello", exact=True)).to_be_visible()
    cable.is_cut = False
    alert.get_by_role("button", name="Try again").click()
    chat.shows("Fine.")
    expect(chat.frame.get_by_text("Hello", exact=True)).to_have_count(1)


LENGTH = 10_000
WHEN = "2026-01-02T03:04:05Z"


def item(index: int) -> dict[str, Any]:
    base = {"id": f"item_{index}", "thread_id": "thr_long", "created_at": WHEN}
    if index % 2:
        text = f"Answer {index}. " + "And some more words. " * (index % 13)
        return {
            **base,
            "type": "assistant_message",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }
    content = [{"type": "input_text", "text": f"Question {index}"}]
    return {**base, "type": "user_message", "content": content, "attachments": [], "inference_options": {}}


def long_thread(request: dict[str, Any]) -> dict[str, Any] | None:
    """Return the response to a request for the long thread."""
    params = request["params"]
    if params.get("thread_id") != "thr_long":
        return None
    if request["type"] == "threads.get_by_id":
        first = {"data": [item(index) for index in range(20)], "has_more": True}
        return {"id": "thr_long", "title": "Long", "created_at": WHEN, "status": {"type": "active"}, "items": first}
    end = int(params["after"].removeprefix("item_")) if params.get("after") else LENGTH
    start = max(end - params["limit"], 0)
    data = [item(index) for index in range(end - 1, start - 1, -1)]
    return {"data": data, "has_more": start > 0, "after": data[-1]["id"]}


def open_long_thread(visitor: Visitor, url: str, older: list[Any] | None = None) -> Chat:
    """Show the end of the long thread; with `older`, requests for older items go there and are not answered."""

    def respond(route: Any) -> None:
        posted = route.request.post_data_json
        response = long_thread(posted) if posted else None
        if response is None:
            route.continue_()
        elif older is not None and posted["params"].get("after"):
            older.append(route)
        else:
            route.fulfill(body=json.dumps(response), content_type="application/json")

    visitor.context.route("**/chatkit", respond)
    visitor.context.route("**/threads/thr_long/stream", lambda route: route.fulfill(status=204))
    chat = visitor.open(url, "/#thread=thr_long")
    chat.shows(f"Answer {LENGTH - 1}.")
    return chat


def test_a_thread_of_ten_thousand_items_is_read_from_its_end_to_its_beginning(site: MakeSite, visitor: Visitor) -> None:
    chat = open_long_thread(visitor, site({}).url)
    scroller = chat.frame.get_by_role("region", name="Long")
    rest = "element => element.scrollHeight - element.scrollTop - element.clientHeight"
    assert scroller.evaluate(rest) < 2
    most = 0
    first = chat.frame.get_by_text("Question 0", exact=True)
    while not first.count():
        most = max(most, scroller.evaluate("() => document.querySelectorAll('*').length"))
        # At the top older items come in front; the reader's place stays, which is below the top then.
        scroller.evaluate("""async (element) => {
          element.scrollTop = 0;
          for (let frame = 0; frame < 60 && element.scrollTop === 0; frame++) await new Promise(requestAnimationFrame);
        }""")
    chat.shows("Question 0")
    expect(chat.frame.locator("article").first).to_have_attribute("aria-setsize", str(LENGTH))
    assert most < 1500, "only what is near the view is in the document"
    chat.frame.get_by_role("button", name="To the end of the chat").click()
    chat.shows(f"Answer {LENGTH - 1}.")
