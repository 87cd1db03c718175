"""Components of the page's own: documents in sandboxed frames, which draw a node of a widget and send its actions."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import FrameLocator, expect
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.conversations.playing import call
from tests.web.conftest import Chat, MakeSite, Site, Visitor
from tests.web.test_element import around as around_page
from tests.web.test_element import embed

MAP = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A map</title>
<p></p><output></output><button>Go to Ghent</button><button>Tell the page</button><button>Nonsense</button>
<script>
const send = (message) => parent.postMessage(message, '*');
let drawn = 0;
addEventListener('message', ({ data }) => {
  if (data?.chatkit !== 'props') return;
  const { type, props, colorScheme, locale } = data;
  const parts = [props.place, props.zoom, type, colorScheme, locale];
  document.querySelector('p').textContent = `${++drawn}: ${parts.join(' ')}`;
  send({ chatkit: 'height', height: 222 });
});
const [go, tell, nonsense] = document.querySelectorAll('button');
go.onclick = () => send({ chatkit: 'action', action: { type: 'go', payload: { place: 'Ghent' } } });
tell.onclick = () => send({ chatkit: 'action', action: { type: 'told', payload: 5, handler: 'client' } });
nonsense.onclick = () => [null, 5, 'x', {}, { chatkit: 'action' }, { chatkit: 'action', action: { type: 5 } },
  { chatkit: 'height', height: 'tall' }, { chatkit: 'height', height: 1e9 }].forEach(send);
let reach = 'reached the chat';
try { parent.document.title; } catch { reach = 'is kept out'; }
document.querySelector('output').textContent = reach;
send({ chatkit: 'ready' });
</script></html>"""
HEADERS = {
    "cross-origin-embedder-policy": "require-corp",
    "content-security-policy": "default-src 'none'; script-src 'unsafe-inline'",
}
PLACE = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
CARD = {
    "type": "Card",
    "children": [
        {"type": "acme-map", "place": "{{ place }}", "zoom": 3},
        {"type": "Text", "value": "Below {{ place }}"},
    ],
}


def around(app: Any) -> Any:
    async def page(_request: Request) -> Response:
        return HTMLResponse(MAP, headers=HEADERS)

    async def silent(_request: Request) -> Response:
        return HTMLResponse("<!doctype html><title>Nothing</title>", headers=HEADERS)

    outer = around_page(app)
    outer.router.routes[:0] = [Route("/map.html", page), Route("/silent.html", silent)]
    return outer


def with_map(site: MakeSite, **chat: Any) -> Site:
    config = {
        "agents": {"helper": {"tools": ["show_map"]}},
        "tools": {"show_map": {"widget": "map", "description": "Show a map."}},
        "widgets": {"map": {"template": CARD, "data": PLACE}},
        "actions": {"go": {"widget": "map", "payload": PLACE}},
        "chat": chat,
    }
    return site(config, [call("show_map", place="Bruges")], "There it is.", around=around)


def map_of(chat: Chat) -> FrameLocator:
    return chat.frame.frame_locator("iframe[title='acme-map']")


def test_a_component_of_the_project_is_drawn_changed_and_sends_its_action(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(with_map(site, components={"acme-map": "/map.html"}).url)
    chat.say("Where is it?")
    shown = map_of(chat).locator("p")
    expect(shown).to_have_text(re.compile(r": Bruges 3 acme-map light en-US$"))
    frame = chat.frame.locator("iframe[title='acme-map']")
    expect(frame).to_have_css("height", "222px")
    expect(map_of(chat).locator("output")).to_have_text("is kept out")
    chat.shows("There it is.")
    before = int(shown.inner_text().split(":")[0])
    map_of(chat).get_by_role("button", name="Go to Ghent").click()
    expect(shown).to_have_text(re.compile(r": Ghent 3"))
    chat.shows("Below Ghent")
    assert int(shown.inner_text().split(":")[0]) > before, "the document is not loaded again"


def test_a_component_of_the_pages_options_reaches_the_page_and_nothing_breaks_the_chat(
    site: MakeSite, visitor: Visitor
) -> None:
    components = "{ 'acme-map': { src: '/map.html', height: 90 } }"
    options = f"{{ api: all.api, widgets: {{ ...all.widgets, components: {components} }} }}"
    chat = embed(visitor, with_map(site), options)
    chat.say("Where is it?")
    map_of(chat).get_by_role("button", name="Tell the page").click()
    assert chat.until("action") == [{"type": "told", "payload": 5}, "Card"]
    map_of(chat).get_by_role("button", name="Nonsense").click()
    expect(chat.frame.locator("iframe[title='acme-map']")).to_have_css("height", "4000px")
    chat.shows("Below Bruges")


def test_a_component_that_nobody_has_leaves_a_note(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(with_map(site).url)
    chat.say("Where is it?")
    chat.shows("show the component “acme-map”.")
    chat.shows("Below Bruges")
    expect(chat.frame.locator("iframe")).to_have_count(0)


def test_a_component_whose_page_does_not_answer_leaves_a_note(site: MakeSite, visitor: Visitor) -> None:
    chat = visitor.open(with_map(site, components={"acme-map": {"src": "/silent.html"}}).url)
    chat.say("Where is it?")
    chat.shows("show the component “acme-map”.")
    chat.shows("Below Bruges")
    expect(chat.frame.locator("iframe[title='acme-map']")).to_be_hidden()
