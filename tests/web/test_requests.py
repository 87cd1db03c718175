"""What the chat page asks its server for: until the first view and the first answer, and when its user returns."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.conversations.playing import call
from tests.web.conftest import PATIENCE_MS, Gate, MakeSite, Visitor
from tests.web.test_layouts import inner

FIRST_VIEW = Counter(
    [
        *("GET /", "GET /chatkit/element.js", "GET page.js", "GET page.css", "GET /chatkit/options.json"),
        *("GET /chatkit/frame.html", "GET frame.js", "GET frame.css"),
    ]
)
ICON = Counter(["GET icon.svg"])
"""A browser asks for it whenever it likes."""
SOON = Counter(["GET ThreadView.js", "GET Markdown.js", "GET Markdown.css", "GET NamedIcon.js"])
"""What most chats need, loaded once the first view is painted."""
RETURN = Counter(["GET /", "GET /chatkit/element.js", "GET /chatkit/options.json", "GET /chatkit/frame.html"])
TURN = Counter(["POST /chatkit"])
ASSETS = Path(__file__).parents[2] / "runtime" / "server" / "web" / "assets"
_ASSET = re.compile(r"/chatkit/assets/([\w.-]+)-[\w-]{8}(\.\w+)")


class Exchange:
    """The requests that reach the server, with the status and the headers of its responses."""

    def __init__(self, held: Counter[str] | None = None) -> None:
        self._requests: Counter[str] = Counter()
        self._news = threading.Condition()
        self.statuses: dict[str, int] = {}
        self.gate = Gate()
        self._held = held or Counter()

    def around(self, app: Any) -> Any:
        async def noting(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            path = _ASSET.sub(r"\1\2", scope["path"])
            name = f"{scope['method']} {path}"
            with self._news:
                self._requests[name] += 1
                self._news.notify_all()

            async def note_status(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    self.statuses[name] = message["status"]
                await send(message)

            if name in self._held:
                await self.gate.wait()
            await app(scope, receive, note_status)

        return noting

    def asked(self, wanted: Counter[str]) -> Counter[str]:
        """Wait for the requests that are `wanted`; return all so far without that for the icon, and forget them."""
        with self._news:
            self._news.wait_for(lambda: wanted <= self._requests, PATIENCE_MS / 1000)
            asked, self._requests = self._requests, Counter()
        assert asked["GET icon.svg"] <= 1
        return asked - ICON


def test_the_first_view_needs_eight_requests(site: MakeSite, visitor: Visitor) -> None:
    exchange = Exchange(held=SOON)
    served = site({"chat": {"greeting": "Hello"}}, "Fine.", around=exchange.around)
    try:
        chat = visitor.open(served.url)
        chat.shows("Hello")
        expect(chat.field).to_be_editable()
        assert exchange.asked(FIRST_VIEW) - SOON == FIRST_VIEW
    finally:
        exchange.gate.open()


def test_a_plain_conversation_asks_for_nothing_twice_and_for_nothing_that_it_does_not_use(
    site: MakeSite, visitor: Visitor
) -> None:
    exchange = Exchange()
    served = site({"chat": {"greeting": "Hello"}}, "Fine, **really**.", "Good, **truly**.", around=exchange.around)
    chat = visitor.open(served.url)
    chat.shows("Hello")
    chat.say("How are you?")
    expect(chat.frame.locator("strong", has_text="really")).to_be_visible()
    wanted = FIRST_VIEW + SOON + TURN
    assert exchange.asked(wanted) == wanted
    chat.say("And now?")
    expect(chat.frame.locator("strong", has_text="truly")).to_be_visible()
    assert exchange.asked(TURN) == TURN


def test_the_first_answer_is_drawn_without_a_stand_in(site: MakeSite, visitor: Visitor) -> None:
    served = site({"chat": {"greeting": "Hello"}}, "It is **so**.")
    chat = visitor.open(served.url)
    chat.shows("Hello")
    frame = inner(chat)
    names = [file.name for part in ("Markdown", "ThreadView") for file in ASSETS.glob(f"{part}-*.js")]
    # Modules are loaded once: these are those that the frame loads itself after its first view.
    script = "(urls) => Promise.all(urls.map((url) => import(url))).then((modules) => modules.length)"
    assert frame.evaluate(script, [f"{served.url}/chatkit/assets/{name}" for name in names]) == 2
    frame.evaluate("""() => {
      globalThis.standIns = 0;
      const count = () => { standIns += document.querySelectorAll('.ck-plain').length; };
      new MutationObserver(count).observe(document, { subtree: true, childList: true });
    }""")
    chat.say("Is it?")
    expect(chat.frame.locator("strong", has_text="so")).to_be_visible()
    assert frame.evaluate("() => standIns") == 0, "React replaces a stand-in after 300 ms"


def test_a_user_who_comes_back_loads_no_asset_again(site: MakeSite, visitor: Visitor) -> None:
    exchange = Exchange()
    served = site({"chat": {"greeting": "Hello"}}, "**Fine.**", around=exchange.around)
    chat = visitor.open(served.url)
    chat.shows("Hello")
    exchange.asked(FIRST_VIEW + SOON)
    exchange.statuses.clear()
    chat.page.close()
    chat = visitor.open(served.url)
    chat.shows("Hello")
    chat.say("Hello")
    expect(chat.frame.locator("strong", has_text="Fine.")).to_be_visible()
    assert exchange.asked(RETURN + TURN) == RETURN + TURN
    unchanged = {"GET /", "GET /chatkit/element.js", "GET /chatkit/frame.html"}
    assert {name for name, status in exchange.statuses.items() if status == 304} == unchanged


CARD: dict[str, Any] = {
    "tools": {"card": {"widget": "card", "description": "Show a card.", "stop": True}},
    "widgets": {"card": {"template": {"type": "Card", "children": [{"type": "Text", "value": "A card"}]}}},
    "agents": {"helper": {"tools": ["card"]}},
}


@pytest.mark.parametrize(
    ("config", "reply", "shown", "names"),
    [
        (CARD, [call("card")], "text=A card", ["GET WidgetView.js", "GET WidgetView.css"]),
        ({}, "It is $x^2$.", "math", ["GET katex.js"]),
        ({"chat": {"locale": "de"}}, "Fine.", "[aria-label='Nachricht senden']", ["GET de.js"]),
    ],
    ids=["a widget", "a formula", "another language"],
)
def test_what_few_chats_need_is_loaded_where_it_is_used(
    site: MakeSite, visitor: Visitor, config: dict[str, Any], reply: Any, shown: str, names: list[str]
) -> None:
    exchange = Exchange()
    chat = visitor.open(site(config, reply, around=exchange.around).url)
    chat.say("Show it")
    expect(chat.frame.locator(shown).first).to_be_attached()
    wanted = FIRST_VIEW + SOON + TURN + Counter(names)
    assert exchange.asked(wanted) == wanted


def test_the_list_of_chats_is_loaded_when_it_is_opened(site: MakeSite, visitor: Visitor) -> None:
    exchange = Exchange()
    chat = visitor.open(site({}, around=exchange.around).url)
    expect(chat.field).to_be_editable()
    exchange.asked(FIRST_VIEW + SOON)
    chat.frame.get_by_role("button", name="Chat history").click()
    chat.shows("No chats yet")
    wanted = Counter(["GET HistoryPanel.js", "POST /chatkit"])
    assert exchange.asked(wanted) == wanted
