"""The element in pages of others: with plain options, with React, of this site and of another one, and refused ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from runtime.cli.commands.client import write_client
from tests.cli.compiling import missing
from tests.conversations.playing import call
from tests.web.conftest import Chat, MakeSite, Site, Visitor
from tests.web.packages import HOW_TO_GET_THEM, MODULES

ISOLATED = {"cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp"}
TOOLS: dict[str, Any] = {
    "tools": {
        "locate": {"client": "locate", "parameters": {"type": "object", "properties": {}, "required": []}},
        "dim": {"effect": "dim_lights", "parameters": {"type": "object", "properties": {"to": {"type": "number"}}}},
        "card": {"widget": "card", "description": "Show a card.", "stop": True},
    },
    "widgets": {
        "card": {
            "template": {
                "type": "Card",
                "children": [
                    {
                        "type": "Button",
                        "label": "Mine",
                        "onClickAction": {"type": "note", "payload": {"n": 7}, "handler": "client"},
                    }
                ],
            }
        }
    },
    "actions": {"note": {"message": "Noted"}},
    "agents": {"helper": {"tools": ["locate", "dim", "card"]}},
}
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Host</title>
<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/page.css">
<script src="{client}/element.js"></script>
<h1>A page of somebody</h1><div id="place"><openai-chatkit id="chat"></openai-chatkit></div><div id="other"></div>
<script type="module" src="/page.js"></script></html>
"""
STYLE = "openai-chatkit { display: block; height: 500px }"
EVENTS = [
    *("ready", "error", "effect", "deeplink", "log", "response.start", "response.end", "history.open", "history.close"),
    *("thread.change", "thread.load.start", "thread.load.end", "tool.change"),
]
SCRIPT = """
const chat = document.getElementById('chat');
window.seen = [];
for (const name of EVENTS) {
  chat.addEventListener(`chatkit.${name}`, ({ detail }) =>
    seen.push([name, detail?.error ? { message: detail.error.message, real: detail.error instanceof Error } : detail]));
}
const note = (...words) => { document.title += `|${words.join(' ')}`; };
chat.setOptions({
  api: { url: 'URL', domainKey: 'x', fetch: (input, init) => { note('fetch'); return fetch(input, init); } },
  startScreen: { greeting: 'Welcome' },
  header: { rightAction: { icon: 'settings-cog', onClick: () => note('settings') } },
  onClientTool: ({ name, params }) => ({ place: `${name} ${JSON.stringify(params)} Oslo` }),
  widgets: { onAction: async (action, item) => note('action', action.type, action.payload.n, typeof item.id) },
});
"""
REACT = """
import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { ChatKit, useChatKit } from '@openai/chatkit-react';

function App() {
  const [scheme, setScheme] = useState('light');
  const { control, sendUserMessage } = useChatKit({
    api: { url: 'URL', domainKey: 'x' },
    theme: scheme,
    startScreen: { greeting: 'Welcome' },
    onClientTool: async ({ name }) => ({ place: `${name} Oslo` }),
    onEffect: ({ name, data }) => { document.title += `|${name} ${data.to}`; },
  });
  return <>
    <button onClick={() => setScheme('dark')}>Dark</button>
    <button onClick={() => sendUserMessage({ text: 'from the page' })}>Ask</button>
    <ChatKit control={control} />
  </>;
}
createRoot(document.getElementById('place')).render(<StrictMode><App /></StrictMode>);
"""


class Host:
    """A web server of somebody else, with the pages of a mapping."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {"/icon.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>", "/page.css": STYLE}
        self.headers: dict[str, str] = {}
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = host.files.get(self.path.partition("?")[0])
                kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
                self.send_response(404 if text is None else 200)
                for name, value in host.headers.items():
                    self.send_header(name, value)
                self.send_header("content-type", kinds.get(self.path.rpartition(".")[2], "text/html; charset=utf-8"))
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"

    def protect(self, client: str) -> None:
        """Send the strictest policy under which a page of another site works."""
        self.headers["content-security-policy"] = (
            f"default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self' {client}; connect-src {client}; "
            f"frame-src {client}; base-uri 'none'; form-action 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def script(url: str) -> str:
    return SCRIPT.replace("URL", url).replace("EVENTS", str(EVENTS))


@pytest.fixture
def embedded(site: MakeSite, host: Host, visitor: Visitor) -> Callable[..., tuple[Chat, Site]]:
    """Open a page of another origin that has the chat of a project."""

    def make(*replies: Any, cors: bool = True, text: str = "", **config: Any) -> tuple[Chat, Site]:
        origins = [host.origin] if cors else []
        served = site({**TOOLS, "server": {"cors": origins}, **config}, *replies)
        client = f"{served.url}/chatkit"
        host.protect(served.url)
        host.files["/"] = PAGE.replace("{client}", client)
        host.files["/page.js"] = text or script(client)
        visitor.allowed.append(served.url)
        return visitor.open(host.origin), served

    return make


def events(chat: Chat) -> list[Any]:
    found: list[Any] = chat.page.evaluate("seen")
    return found


def named(chat: Chat, name: str) -> list[Any]:
    return [detail for kind, detail in events(chat) if kind == name]


def first_error(chat: Chat) -> Any:
    """Wait for an event that reports an error."""
    return chat.page.evaluate("""() => new Promise((resolve) => {
      const look = () => {
        const found = seen.find(([name]) => name === 'error');
        found ? resolve(found[1]) : setTimeout(look, 20);
      };
      look();
    })""")


def test_the_page_answers_client_tools_effects_and_actions(
    embedded: Callable[..., tuple[Chat, Site]],
) -> None:
    chat, served = embedded([call("locate")], "You are there.", [call("dim", to=0.5)], "Good night.", [call("card")])
    chat.shows("Welcome")
    chat.say("Where am I?")
    chat.shows("You are there.")
    assert "locate {} Oslo" in str(served.player.asked[-1].input)
    chat.say("Dark please")
    chat.shows("Good night.")
    assert named(chat, "effect") == [{"name": "dim_lights", "data": {"to": 0.5}}]
    chat.say("A card")
    chat.frame.get_by_role("button", name="Mine").click()
    chat.frame.locator("header button").last.click()
    expect(chat.page).to_have_title(re.compile(r"\|settings$"))
    assert "|fetch" in chat.page.title()
    assert "|action note 7 string" in chat.page.title()


def test_methods_and_events_of_the_element(embedded: Callable[..., tuple[Chat, Site]]) -> None:
    chat, _ = embedded("One.", "Two.")
    chat.shows("Welcome")
    ask = "([name, ...rest]) => document.getElementById('chat')[name](...rest)"
    chat.page.evaluate(ask, ["sendUserMessage", {"text": "first"}])
    chat.shows("One.")
    thread = named(chat, "thread.change")[-1]["threadId"]
    assert thread.startswith("thr_")
    chat.page.evaluate(ask, ["setComposerValue", {"text": "a draft"}])
    expect(chat.field).to_contain_text("a draft")
    chat.page.evaluate(ask, ["setThreadId", None])
    chat.shows("Welcome")
    chat.page.evaluate(ask, ["setThreadId", thread])
    chat.shows("One.")
    chat.page.evaluate(ask, ["showHistory"])
    expect(chat.frame.get_by_role("button", name="Close chat history")).to_be_visible()
    chat.page.evaluate(ask, ["hideHistory"])
    chat.page.evaluate(ask, ["focusComposer"])
    expect(chat.field).to_be_focused()
    chat.page.evaluate(ask, ["fetchUpdates"])
    kinds = [kind for kind, _ in events(chat)]
    assert kinds[0] == "ready"
    assert {"response.start", "response.end", "history.open", "history.close", "thread.load.end"} <= {*kinds}
    assert named(chat, "thread.change")[-2:] == [{"threadId": None}, {"threadId": thread}]
    assert named(chat, "error") == []


def test_a_page_of_another_site_that_is_not_declared_gets_an_error(
    embedded: Callable[..., tuple[Chat, Site]], visitor: Visitor
) -> None:
    visitor.expected.append("frame-ancestors|Framing|CORS|ERR_FAILED|ERR_BLOCKED|policy: ")
    chat, _ = embedded("Fine.", cors=False)
    error = first_error(chat)
    assert error["real"]
    assert "frame.html" in error["message"]


def test_the_hosted_api_is_refused_with_an_error(embedded: Callable[..., tuple[Chat, Site]]) -> None:
    text = script("x").replace("api: {", "api: { getClientSecret: async () => 'secret' }, never: {")
    chat, _ = embedded("Fine.", text=text)
    error = first_error(chat)
    assert error["real"]
    assert "api" in error["message"]


def test_an_element_that_is_moved_in_the_page_shows_its_thread_again(
    embedded: Callable[..., tuple[Chat, Site]],
) -> None:
    chat, _ = embedded("One.")
    chat.shows("Welcome")
    chat.say("first")
    chat.shows("One.")
    chat.page.evaluate("document.getElementById('other').append(document.getElementById('chat'))")
    chat.shows("One.")
    expect(chat.page.locator("#other openai-chatkit")).to_be_visible()


def test_a_page_that_is_isolated_from_other_sites_can_have_the_chat(
    embedded: Callable[..., tuple[Chat, Site]], host: Host
) -> None:
    host.headers.update(ISOLATED)
    chat, _ = embedded("One.")
    chat.shows("Welcome")
    assert chat.page.evaluate("crossOriginIsolated") is True
    chat.say("first")
    chat.shows("One.")


def test_the_page_of_client_page_works_unchanged(site: MakeSite, host: Host, visitor: Visitor, tmp_path: Path) -> None:
    served = site(
        {**TOOLS, "server": {"cors": [host.origin]}}, [call("locate")], "You are there.", [call("dim", to=1)], "Ok."
    )
    client = f"{served.url}/chatkit"
    folder = tmp_path / "page"
    arguments = {"check": False, "server": client, "script": f"{client}/element.js"}
    assert write_client("page", served.folder, output=folder / "index.html", **arguments) == 0
    host.files["/"] = (folder / "index.html").read_text().replace("</title>", "</title><link rel=icon href=/icon.svg>")
    handlers = (folder / "handlers.js").read_text()
    host.files["/handlers.js"] = re.sub(r"return \{ error: .* \};", "return { place: 'Oslo' };", handlers)
    visitor.allowed.append(served.url)
    chat = visitor.open(host.origin)
    chat.say("Where am I?")
    chat.shows("You are there.")
    assert "Oslo" in str(served.player.asked[-1].input)
    with chat.page.expect_console_message(lambda message: "dim_lights" in message.text):
        chat.say("Dark")
    chat.shows("Ok.")


def bundle(folder: Path, source: str) -> str:
    """Bundle a page's script as its author's tools do."""
    builder, node = MODULES / "esbuild" / "bin" / "esbuild", shutil.which("node")
    if not builder.is_file() or node is None or not (MODULES / "@openai" / "chatkit-react").is_dir():
        missing(f"@openai/chatkit-react is missing: {HOW_TO_GET_THEM}")
    (folder / "page.jsx").write_text(source)
    options = ["--bundle", "--format=esm", "--jsx=automatic", "--define:process.env.NODE_ENV='production'"]
    ran = subprocess.run(
        [node, str(builder), "page.jsx", *options],
        cwd=folder, env={**os.environ, "NODE_PATH": str(MODULES)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("same_site", [True, False])
def test_a_page_with_the_react_component_works_unchanged(
    site: MakeSite, host: Host, visitor: Visitor, tmp_path: Path, same_site: bool
) -> None:
    def around(app: Any) -> Any:
        from starlette.applications import Starlette
        from starlette.responses import Response
        from starlette.routing import Mount, Route

        async def page(request: Any) -> Response:
            kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
            name = request.url.path
            return Response(host.files[name], media_type=kind.get(name.rpartition(".")[2], "text/html"))

        own = [Route(path, page) for path in ("/app", "/page.js", "/page.css", "/icon.svg")]
        return Starlette(routes=[*own, Mount("/", app)], lifespan=app.router.lifespan_context)

    served = site({**TOOLS, "server": {"cors": [host.origin]}}, [call("dim", to=1)], "Hello.", around=around)
    client = "/chatkit" if same_site else f"{served.url}/chatkit"
    host.files["/page.js"] = bundle(tmp_path, REACT.replace("URL", client))
    host.files["/app"] = PAGE.replace("{client}", client).replace('<openai-chatkit id="chat"></openai-chatkit>', "")
    if not same_site:
        host.protect(served.url)
        visitor.allowed.append(served.url)
    chat = visitor.open(served.url if same_site else host.origin, "/app")
    chat.shows("Welcome")
    chat.page.get_by_role("button", name="Ask").click()
    chat.shows("from the page")
    chat.shows("Hello.")
    expect(chat.page).to_have_title("Host|dim_lights 1")
    chat.page.get_by_role("button", name="Dark").click()
    expect(chat.frame.locator("html")).to_have_attribute("data-theme", "dark")
