"""The page of `client page`, and one around `connect` of `client types`, in a real browser with a real server.

ChatKit's component is the one thing that is not real: tests/browser/stand_in.js is in its place.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from runtime.cli.web_client.files import find_page_interface, types_text
from runtime.config.load import load_config
from tests.cli.compiling import compile_folder, missing
from tests.cli.test_serve import serving

STAND_IN = Path(__file__).parents[1] / "browser" / "stand_in.js"
expect.set_options(timeout=180_000)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CONFIG = """
version: 1
models: {default: {scripted: script.yaml}}
agents: {helper: {instructions: Help., tools: [pick_room, dim, card]}}
tools:
  pick_room:
    client: pick_room
    parameters: {type: object, properties: {floor: {type: integer}}, required: [floor], additionalProperties: false}
  dim:
    effect: dim_lights
    parameters: {type: object, properties: {to: {type: number}}, required: [to], additionalProperties: false}
  card: {widget: card, description: Show a card., stop: true}
widgets:
  card:
    template:
      type: Card
      children:
        - {type: Button, label: Brighter, onClickAction: {type: brighter, payload: {to: 1}}}
        - {type: Button, label: Note, onClickAction: {type: note, payload: {text: mine}, handler: client}}
        - {type: Button, label: Lost, onClickAction: {type: lost, handler: client}}
actions:
  brighter:
    effect: dim_lights
    data: {to: "{{ payload.to }}"}
    payload: {type: object, properties: {to: {type: number}}, required: [to]}
  note: {message: "{{ payload.text }}", payload: {type: object, properties: {text: {type: string}}, required: [text]}}
chat:
  greeting: Which room?
  start_prompts: [{label: Choose, prompt: a room please}]
  title: off
  tags: {entities: [{id: attic, title: Attic}], text: "{{ title }}"}
store: memory
"""
SCRIPT = """
turns:
  - user: room
    reply: [{call: {pick_room: {floor: 3}}}, "You have {{ data.room }}."]
  - user: dark
    reply: [{call: {dim: {to: 0.25}}}, Good night.]
  - user: card
    reply: {call: card}
"""
HANDLERS = """
const tell = (line) => document.title += `|${line}`;
export const handlers = {
  clientTools: { pick_room: async ({ floor }) => ({ room: `${floor}07` }) },
  effects: { dim_lights: ({ to }) => tell(`lights ${to}`) },
  actions: { note: ({ text }, item) => tell(`note ${text} ${typeof item.id}`) },
};
"""
OWN_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Chat</title>
<script src="/component.js" async></script>
<openai-chatkit id="chat"></openai-chatkit>
<script type="module">
  import { connect } from './chatkit.js';
  import { handlers } from './handlers.js';
  const chat = document.getElementById('chat');
  chat.addEventListener('chatkit.error', ({ detail }) => console.error(detail.error));
  connect(chat, handlers, { url: '{url}' }).catch((error) => console.error(error));
</script>
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("no browser: Chromium is missing (`apt-get install chromium`)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The types of the project, as the JavaScript that a browser runs."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "agents.yaml").write_text(CONFIG)
    (folder / "script.yaml").write_text(SCRIPT)
    config = load_config(folder).config
    assert config is not None
    (folder / "chatkit.ts").write_text(types_text(find_page_interface(config)))
    assert compile_folder(folder, emit=folder / "made") == []
    return (folder / "made" / "chatkit.js").read_text()


@pytest.fixture
def web(project: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the origin that serves it, which the project's server welcomes."""
    folder = project / "web"
    folder.mkdir()
    (folder / "component.js").write_text(STAND_IN.read_text())
    (folder / "favicon.ico").write_bytes(b"")  # browsers ask for it
    (folder / "handlers.js").write_text(HANDLERS)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        origin = f"http://127.0.0.1:{server.server_port}"
        (project / "agents.yaml").write_text(f"{CONFIG}server: {{cors: ['{origin}']}}\n")
        (project / "script.yaml").write_text(SCRIPT)
        yield folder, origin
        server.shutdown()
        thread.join()


@dataclass
class Opened:
    page: Page
    errors: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.page.evaluate("text => document.querySelector('openai-chatkit').sendUserMessage({ text })", text)


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Opened]]:
    context = browser.new_context()

    def open_page(url: str, closed: str = "") -> Opened:
        made = Opened(context.new_page())
        if closed:
            made.page.route(closed, lambda route: route.abort())
        made.page.on("console", lambda message: made.errors.append(message.text) if message.type == "error" else None)
        made.page.goto(url)
        return made

    yield open_page
    context.close()


@pytest.fixture(params=["page", "types"])
def chat(
    request: pytest.FixtureRequest, web: tuple[Path, str], cli: Callable[..., Any], opened: Callable[[str], Opened]
) -> Iterator[Opened]:
    """A page of either kind, connected to the project's server."""
    folder, origin = web
    with serving(folder.parent, "dev") as server:
        if request.param == "page":
            ran = cli("client", "page", "small", "-o", str(folder), "--server", server.url, "--script", "/component.js")
            assert (ran.code, ran.err) == (0, "")
            assert (folder / "handlers.js").read_text() == HANDLERS
        else:
            (folder / "chatkit.js").write_text(request.getfixturevalue("compiled"))
            (folder / "index.html").write_text(OWN_PAGE.replace("{url}", server.url))
        made = opened(origin)
        expect(made.page.locator("h2.ready")).to_have_text("Which room?")
        yield made


def test_a_page_asks_for_its_options_and_answers_a_client_tool(chat: Opened) -> None:
    chat.page.get_by_role("button", name="Choose").click()
    expect(chat.page.locator("p.user_message")).to_have_text("a room please")
    # The model says what the page's handler gave for the arguments that the model had chosen.
    expect(chat.page.locator("p.assistant_message")).to_have_text("You have 307.")
    assert chat.errors == []


def test_effects_of_tools_and_of_buttons_reach_their_handler(chat: Opened) -> None:
    chat.say("make it dark")
    expect(chat.page).to_have_title("Chat|lights 0.25")
    chat.say("the card")
    chat.page.get_by_role("button", name="Brighter").click()
    expect(chat.page).to_have_title("Chat|lights 0.25|lights 1")
    assert chat.errors == []


def test_actions_of_the_browser_reach_their_handler_and_one_without_is_an_error(chat: Opened) -> None:
    chat.say("the card")
    chat.page.get_by_role("button", name="Note").click()
    expect(chat.page).to_have_title("Chat|note mine string")
    assert chat.errors == []
    with chat.page.expect_console_message(lambda message: "lost" in message.text):
        chat.page.get_by_role("button", name="Lost").click()


def test_a_page_finds_what_may_be_mentioned(chat: Opened) -> None:
    found = chat.page.evaluate("document.querySelector('openai-chatkit').options.entities.onTagSearch('att')")
    assert [entity["id"] for entity in found] == ["attic"]


def test_a_page_that_lacks_a_handler_says_so_when_it_opens(
    web: tuple[Path, str], cli: Callable[..., Any], opened: Callable[[str], Opened]
) -> None:
    folder, origin = web
    (folder / "handlers.js").write_text(HANDLERS.replace("pick_room", "pick_a_room"))
    with serving(folder.parent, "dev") as server:
        cli("client", "page", "small", "-o", str(folder), "--server", server.url, "--script", "/component.js")
        page = opened(origin).page
        expect(page.locator("h2.ready")).to_have_text("Which room?")
        expect(page.locator("#problem")).to_have_text("handlers.js has no 'pick_room' in clientTools")


def test_a_page_that_the_server_does_not_welcome_says_what_to_do(
    web: tuple[Path, str], cli: Callable[..., Any], opened: Callable[[str], Opened]
) -> None:
    folder, origin = web
    (folder.parent / "agents.yaml").write_text(CONFIG)
    with serving(folder.parent, "dev") as server:
        cli("client", "page", "small", "-o", str(folder), "--server", server.url, "--script", "/component.js")
        expect(opened(origin).page.locator("#problem")).to_contain_text(
            f"does server.cors in agents.yaml have {origin}?"
        )


def test_a_page_that_can_t_load_openai_s_component_says_so_and_shows_the_server_s_own(
    web: tuple[Path, str], cli: Callable[..., Any], opened: Callable[..., Opened]
) -> None:
    folder, origin = web
    with serving(folder.parent, "dev") as server:
        cli("client", "page", "small", "-o", str(folder), "--server", server.url)
        page = opened(origin, closed="https://cdn.platform.openai.com/**").page
        expect(page.locator("#notice")).to_have_text(
            re.compile("^can't load https://cdn.*: this is the chat client of")
        )
        expect(page.locator("head > script").last).to_have_attribute("src", f"{server.url}/element.js")
        expect(page.frame_locator("openai-chatkit iframe").get_by_text("Which room?")).to_be_visible()


def test_a_page_whose_handlers_are_broken_says_so(
    web: tuple[Path, str], cli: Callable[..., Any], opened: Callable[[str], Opened]
) -> None:
    folder, origin = web
    (folder / "handlers.js").write_text("export const handlers = {")
    cli("client", "page", "small", "-o", str(folder), "--script", "/component.js")
    expect(opened(origin).page.locator("#problem")).to_contain_text("can't load handlers.js")
