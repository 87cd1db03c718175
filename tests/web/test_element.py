"""`<openai-chatkit>` in a page of its own: options, functions, methods and events, as `@openai/chatkit` has them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from tests.conversations.playing import call
from tests.web.conftest import Chat, MakeSite, Site, Visitor

HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<script src="/chatkit/element.js"></script><script type="module" src="/page.js"></script>
<link rel="stylesheet" href="/page.css"></head>
<body><button>Before</button><openai-chatkit></openai-chatkit><div id="there"></div></body></html>"""
POLICY = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
SCRIPT = """
const chat = document.querySelector('openai-chatkit');
const told = [];
const names = ['ready', 'error', 'effect', 'deeplink', 'log', 'response.start', 'response.end', 'thread.change',
  'thread.load.start', 'thread.load.end', 'tool.change', 'history.open', 'history.close'];
for (const name of names) {
  chat.addEventListener(`chatkit.${name}`, ({ detail }) => {
    const error = detail?.error;
    told.push([name, error instanceof Error ? { name: error.name, message: error.message } : detail]);
  });
}
const note = (name, answer) => (...args) => {
  told.push([name, args.map((each) => JSON.parse(JSON.stringify(each ?? null)))]);
  return answer?.(...args);
};
const entity = { id: 'old', title: 'Old Town', interactive: true, data: { line: 'red' } };
const api = {
  url: '/chatkit',
  domainKey: 'none',
  fetch: (url, init) => {
    told.push(['fetch', init?.method ?? 'GET']);
    return fetch(url, init);
  },
};
const all = {
  api,
  frameTitle: 'Helper',
  startScreen: { greeting: 'Ahoy', prompts: [{ label: 'Boats', prompt: 'Show me boats', icon: 'lucide:anchor' }] },
  header: {
    leftAction: { icon: 'menu', onClick: note('left') },
    rightAction: { icon: 'settings-cog', onClick: note('right') },
  },
  composer: {
    tools: [{ id: 'weather', label: 'Weather', icon: 'sparkle', placeholderOverride: 'Which day?' }],
    models: [{ id: 'default', label: 'Small', default: true }, { id: 'large', label: 'Large' }],
  },
  entities: {
    onTagSearch: async (query) => note('search', () => [entity])(query),
    onClick: note('entity'),
    onRequestPreview: async (asked) => note('preview', () => ({
      preview: { type: 'Card', children: [{ type: 'Text', value: 'A town by the sea' }] },
    }))(asked),
  },
  commands: {
    enabled: true,
    onSearch: async (query) => note('commands', () => [{ id: 'sum', label: 'Summarise' }])(query),
    onSelect: async (command) => note('command', () => ({ type: 'entity', entity }))(command),
  },
  widgets: { onAction: async (action, item) => note('action')(action, item.widget.type) },
  onClientTool: note('tool', ({ params }) => ({ city: params.hint ?? 'Bruges' })),
};
Object.assign(globalThis, { chat, told, all });
"""
CSS = "html,body{margin:0}openai-chatkit{height:600px;width:420px}"
LOCATE = {"client": "locate", "description": "Where the user is."}
CARD = {
    "type": "Card",
    "children": [
        {
            "type": "Button",
            "label": "Mark {{ name }}",
            "onClickAction": {"type": "mark", "payload": {"name": "{{ name }}"}, "handler": "client"},
        },
        {"type": "Markdown", "value": "[Open the log](chatkit-link://log?page=3)"},
    ],
}
NAMED = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def around(app: Any) -> Starlette:
    """Return the app with the page beside it."""

    async def html(_request: Any) -> Response:
        return HTMLResponse(HTML, headers={"content-security-policy": POLICY})

    async def script(_request: Any) -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    async def css(_request: Any) -> Response:
        return Response(CSS, media_type="text/css")

    routes = [Route("/page", html), Route("/page.js", script), Route("/page.css", css), Mount("/", app)]
    return Starlette(routes=routes, lifespan=app.router.lifespan_context)


class Embedded(Chat):
    """A page that embeds the chat, and records the events and calls that it gets."""

    def run(self, script: str, *values: Any) -> Any:
        """Evaluate JavaScript in the page; a promise is awaited."""
        return self.page.evaluate(f"async (values) => {{ {script} }}", list(values))

    def until(self, name: str, found: Callable[[Any], bool] = lambda detail: True) -> Any:
        """Wait until the page gets an event or a call, and return its detail."""
        seen = 0
        while True:
            told = self.wait_for("(seen) => told.length > seen && JSON.parse(JSON.stringify(told))", seen)
            for each, detail in told[seen:]:
                if each == name and found(detail):
                    return detail
            seen = len(told)

    def forget(self) -> None:
        self.run("told.length = 0")


def embed(visitor: Visitor, served: Site, options: str = "all") -> Embedded:
    chat = visitor.open(served.url, "/page")
    embedded = Embedded(chat.page, chat.frame)
    expect(chat.page.locator("openai-chatkit")).to_be_attached()
    embedded.wait_for("() => 'chat' in globalThis && Boolean(customElements.get('openai-chatkit'))")
    embedded.run(f"chat.setOptions({options})")
    return embedded


def with_tools(site: MakeSite, *replies: Any, **more: Any) -> Site:
    config: dict[str, Any] = {
        "agents": {"helper": {"tools": ["locate", "show_on_map", "mark"]}},
        "tools": {
            "locate": LOCATE,
            "show_on_map": {"effect": "show_on_map", "description": "Show a place."},
            "mark": {"widget": "mark", "description": "Show a mark."},
        },
        "widgets": {"mark": {"template": CARD, "data": NAMED}},
        "actions": {"ping": {"message": "Pinged {{ payload.who }}"}},
        **more,
    }
    config["chat"] = {"composer": {"models": [{"model": "default", "label": "Small"}]}, **config.get("chat", {})}
    return site(config, *replies, around=around)


def test_methods_act_and_events_tell(site: MakeSite, visitor: Visitor) -> None:
    served = with_tools(site, "Nine boats.")
    chat = embed(visitor, served)
    chat.until("ready")
    expect(chat.page.locator("iframe[title='Helper']")).to_be_attached()
    chat.shows("Ahoy")
    chat.run("await chat.sendUserMessage({ text: 'How many boats?' })")
    chat.shows("Nine boats.")
    thread = chat.until("thread.change")["threadId"]
    chat.until("response.start")
    chat.until("response.end")
    assert chat.until("fetch") == "POST"
    chat.forget()

    chat.run("await chat.setThreadId(null)")
    assert chat.until("thread.change") == {"threadId": None}
    chat.shows("Ahoy")
    chat.run("await chat.setThreadId(values[0])", thread)
    assert chat.until("thread.load.start") == {"threadId": thread}
    assert chat.until("thread.load.end") == {"threadId": thread}
    chat.shows("Nine boats.")

    chat.run("await chat.showHistory()")
    chat.until("history.open")
    expect(chat.frame.get_by_role("dialog", name="Chat history")).to_be_visible()
    chat.run("await chat.hideHistory()")
    chat.until("history.close")

    chat.run("await chat.setComposerValue({ text: 'Rain', selectedToolId: 'weather', selectedModelId: 'large' })")
    assert chat.until("tool.change") == {"toolId": "weather"}
    expect(chat.field).to_have_text("Rain")
    expect(chat.frame.get_by_role("combobox", name="Model")).to_have_value("large")
    chat.run("await chat.setComposerValue({ selectedToolId: null })")
    chat.run("await chat.focusComposer()")
    chat.page.keyboard.type(" today")
    expect(chat.field).to_have_text("Rain today")
    chat.run("await chat.setComposerValue({ text: '', reply: 'Nine boats.' })")
    expect(chat.frame.locator("blockquote", has_text="Nine boats.")).to_be_visible()

    served.player.replies = ["Pinged, too."]
    chat.run("await chat.sendCustomAction({ type: 'ping', payload: { who: 'Ida' } })")
    chat.shows("Pinged Ida")
    chat.shows("Pinged, too.")
    chat.run("await chat.fetchUpdates()")


def test_functions_of_the_options_are_called(site: MakeSite, visitor: Visitor) -> None:
    replies = [[call("locate")], [call("show_on_map"), call("mark", name="Ida")], "You are in Bruges."]
    served = with_tools(site, *replies)
    chat = embed(visitor, served)
    chat.frame.get_by_role("button", name="menu", exact=True).click()
    chat.until("left")
    chat.frame.get_by_role("button", name="settings cog").click()
    chat.until("right")
    chat.say("Where am I?")
    chat.shows("You are in Bruges.")
    assert chat.until("tool") == [{"name": "locate", "params": {}}]
    assert "Bruges" in json.dumps(served.player.asked[1].input)
    assert chat.until("effect")["name"] == "show_on_map"
    chat.frame.get_by_role("button", name="Mark Ida").click()
    assert chat.until("action") == [{"type": "mark", "payload": {"name": "Ida"}}, "Card"]
    chat.frame.get_by_role("link", name="Open the log").or_(chat.frame.get_by_text("Open the log")).first.click()
    assert chat.until("deeplink") == {"name": "log", "data": {"page": "3"}}


SLOW = """{ ...all, entities: { onTagSearch: (query) => new Promise((resolve) => {
  const stations = [{ id: 'central', title: 'Central' }, { id: 'zoo', title: 'Zoo' }];
  globalThis.asked = query;
  globalThis.find = () => resolve(stations.filter(({ title }) => title.toLowerCase().includes(query)));
  if (!query) find();
}) } }"""


@pytest.mark.parametrize(("word", "mention"), [("zoo", "Zoo"), ("nobody", None)])
def test_enter_chooses_from_what_is_found_for_all_that_is_written(
    site: MakeSite, visitor: Visitor, word: str, mention: str | None
) -> None:
    tags = {"entities": [{"id": "zoo", "title": "Zoo"}], "text": "station {{ id }}"}
    served = with_tools(site, "Two trains.", chat={"tags": tags})
    chat = embed(visitor, served, SLOW)
    chat.field.click()
    chat.page.keyboard.type("@")
    expect(chat.frame.get_by_role("option", name="Central")).to_be_visible()
    # Still listed is what was found for nothing.
    chat.page.keyboard.type(word)
    chat.page.keyboard.press("Enter")
    if mention:
        chat.page.keyboard.press("Enter")
    chat.wait_for("(word) => globalThis.asked === word", word)
    chat.run("find()")
    chat.shows("Two trains.")
    said = json.dumps(served.player.asked[0].input)
    assert ("station zoo" in said, f"@{word}" in said) == (bool(mention), not mention)


def test_mentions_and_commands_are_the_pages(site: MakeSite, visitor: Visitor) -> None:
    tags = {"entities": [{"id": "old", "title": "Old Town"}], "text": "town {{ id }}"}
    served = with_tools(site, "Two trains.", chat={"tags": tags})
    chat = embed(visitor, served)
    chat.field.click()
    chat.page.keyboard.type("To @o")
    expect(chat.frame.get_by_role("option", name="Old Town")).to_be_visible()
    assert chat.until("search", lambda detail: detail == ["o"])
    expect(chat.frame.get_by_text("A town by the sea")).to_be_attached()
    chat.page.keyboard.press("Enter")
    chat.page.keyboard.press("Enter")
    chat.shows("Two trains.")
    assert "town old" in json.dumps(served.player.asked[0].input)
    mention = chat.frame.locator("article").get_by_role("button", name="Old Town")
    mention.hover()
    chat.until("preview")
    mention.click()
    assert chat.until("entity")[0]["id"] == "old"
    chat.field.click()
    chat.page.keyboard.type("/su")
    chat.frame.get_by_role("option", name="Summarise").click()
    assert chat.until("command")[0]["id"] == "sum"
    expect(chat.field).to_contain_text("Old Town")


def test_the_newest_options_count(site: MakeSite, visitor: Visitor) -> None:
    served = with_tools(site, [call("locate")], "Found.")
    chat = embed(visitor, served)
    chat.shows("Ahoy")
    chat.run(
        "chat.setOptions({ api: all.api, theme: 'dark', startScreen: { greeting: 'Later' }, "
        "onClientTool: () => ({ city: 'Oslo' }) })"
    )
    chat.shows("Later")
    expect(chat.frame.locator("html[data-theme='dark']")).to_be_attached()
    chat.say("Where?")
    chat.shows("Found.")
    assert "Oslo" in json.dumps(served.player.asked[1].input)
    assert chat.run("return told.filter(([name]) => name === 'tool').length") == 0


def test_an_element_that_is_moved_shows_its_thread_again(site: MakeSite, visitor: Visitor) -> None:
    served = with_tools(site, "One two three four.")
    gate = served.gate("three")
    chat = embed(visitor, served)
    chat.say("Count")
    chat.shows("One two")
    chat.run("document.getElementById('there').append(chat)")
    chat.shows("One two")
    gate.pass_when_reached()
    chat.shows("One two three four.")
    expect(chat.frame.get_by_role("article").filter(has_text="One two three four.")).to_have_count(1)


def test_methods_wait_until_there_are_options(site: MakeSite, visitor: Visitor) -> None:
    served = with_tools(site, "Nine boats.")
    chat = embed(visitor, served)
    other = "const other = document.createElement('openai-chatkit'); document.body.append(other);"
    chat.run("chat.remove()")
    chat.run(f"{other} globalThis.sent = other.sendUserMessage({{ text: 'Early' }}); other.setOptions(all); await sent")
    chat.shows("Nine boats.")


def test_options_that_come_after_the_frame_are_its_first(site: MakeSite, visitor: Visitor) -> None:
    served = with_tools(site, "Nine boats.", "Ten boats.")
    chat = embed(visitor, served)
    chat.say("How many?")
    chat.shows("Nine boats.")
    thread = chat.until("thread.change")["threadId"]
    # The frame says hello as soon as it is loaded.
    chat.run(
        "chat.remove(); globalThis.other = document.createElement('openai-chatkit');"
        "const loaded = new Promise((resolve) => "
        "addEventListener('message', ({ data }) => data === 'chatkit:hello' && resolve()));"
        "document.body.append(other); await loaded; globalThis.sent = other.sendUserMessage({ text: 'And now?' })"
    )
    chat.run("other.setOptions({ ...all, initialThread: values[0] }); await sent", thread)
    chat.shows("Ten boats.")
    chat.shows("Nine boats.")


def test_a_hosted_api_is_refused_with_an_error(site: MakeSite, visitor: Visitor) -> None:
    served = with_tools(site)
    chat = embed(visitor, served, "{ api: { getClientSecret: async () => 'secret' } }")
    error = chat.until("error")
    assert error["name"] == "InvalidFrameParamsError"
    assert "api.url" in error["message"]
    chat.run("chat.setOptions({ api: {} })")
    assert chat.until("error", lambda detail: "expected a string" in detail["message"])


def test_a_tool_that_fails_is_an_error_of_the_page_and_an_answer_for_the_model(
    site: MakeSite, visitor: Visitor
) -> None:
    served = with_tools(site, [call("locate")], "I can't tell.")
    chat = embed(visitor, served, "{ ...all, onClientTool: () => { throw new RangeError('no signal') } }")
    chat.say("Where am I?")
    chat.shows("I can't tell.")
    assert chat.until("error") == {"name": "RangeError", "message": "no signal"}
    assert "no signal" in json.dumps(served.player.asked[1].input)


def test_the_interface_speaks_the_language_of_its_option(site: MakeSite, visitor: Visitor) -> None:
    chat = embed(visitor, with_tools(site, "Neun Boote."), "{ api: all.api, locale: 'de-AT' }")
    expect(chat.frame.get_by_role("button", name="Nachricht senden")).to_be_visible()
    chat.run("chat.setOptions({ api: all.api, locale: 'ar' })")
    expect(chat.frame.locator("html[dir='rtl'][lang='ar']")).to_be_attached()
    send = chat.frame.get_by_role("button", name="إرسال الرسالة")
    expect(send).to_be_visible()
    box, field = send.bounding_box(), chat.field.bounding_box()
    assert box is not None
    assert field is not None
    assert box["x"] < field["x"] + field["width"] / 2, "the end of a line is on the left"


def test_variables_of_the_page_are_the_clients(site: MakeSite, visitor: Visitor) -> None:
    chat = embed(visitor, with_tools(site))
    chat.run("chat.style.setProperty('--ck-accent', 'rgb(1, 2, 3)'); chat.setOptions(all)")
    chat.field.fill("x")
    expect(chat.frame.get_by_role("button", name="Send message")).to_have_css("background-color", "rgb(1, 2, 3)")


SPEECH = """
async def write_down(audio, context):
    return f"{audio.media_type} of {len(audio.data) > 0}"
"""


def test_what_is_said_is_written_down(site: MakeSite, visitor: Visitor) -> None:
    dictation = {"dictation": {"python": "speech:write_down"}}
    served = site({"chat": dictation}, "Heard.", around=around, speech_py=SPEECH)
    chat = embed(visitor, served, "{ api: all.api, composer: { dictation: { enabled: true } } }")
    chat.frame.get_by_role("button", name="Dictate").click()
    stop = chat.frame.get_by_role("button", name="Stop dictating")
    expect(stop).to_be_visible()
    stop.click()
    expect(chat.field).to_contain_text(re.compile(r"audio/\w+ of True"))


def test_the_page_keeps_its_own_place_in_the_order_of_the_keyboard(site: MakeSite, visitor: Visitor) -> None:
    chat = embed(visitor, with_tools(site))
    chat.shows("Ahoy")
    page: Page = chat.page
    page.get_by_role("button", name="Before").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "OPENAI-CHATKIT"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.textContent") == "Before"
