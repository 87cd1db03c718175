"""The pages of the examples drive the element, against the projects themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from runtime.cli.uvicorn_server import app_in_background
from runtime.server.app import create_app
from tests.examples.example_model import Canned, ExampleModel
from tests.examples.exchanges import Reader
from tests.web.conftest import Chat, Visitor

ROOT = Path(__file__).parents[2]
HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Example</title><link rel="icon" href="data:,">
<script src="/chatkit/element.js"></script><script type="module" src="/start.js"></script>
<link rel="stylesheet" href="/start.css"></head><body><openai-chatkit></openai-chatkit></body></html>"""
START = """
import { effects, options } from '/page.js';
const told = [];
const note = (name) => (...args) => void told.push([name, ...args]);
const page = {
  show: note('show'), selected: () => ['zoo', 'hill'], say: note('say'), update: note('update'), home: note('home'),
  open: note('open'), customer: 'omar',
};
const chat = document.querySelector('openai-chatkit');
chat.addEventListener('chatkit.effect', ({ detail: { name, data } }) => effects[name](data, page));
chat.addEventListener('chatkit.error', ({ detail }) => console.error(detail.error));
chat.setOptions(options(await (await fetch('/chatkit/options.json')).json(), page));
globalThis.told = told;
"""
CSS = "html,body{margin:0}openai-chatkit{height:640px;max-width:480px}"


class NobodyWaits(Reader):
    """The model does not wait for what the browser has read."""

    def await_done(self, text: str) -> None:
        """Return at once."""


class Example:
    def __init__(self, chat: Chat, model: ExampleModel) -> None:
        self.chat, self.model = chat, model

    def was_told(self, *event: Any) -> None:
        """Wait until the page has done something."""
        script = "event => told.some((each) => JSON.stringify(each) === event)"
        wanted = json.dumps(list(event), separators=(",", ":"), ensure_ascii=False)
        self.chat.wait_for(script, wanted)


@pytest.fixture
def example(visitor: Visitor, tmp_path: Path) -> Iterator[Any]:
    """Serve an example with its page, and open it."""
    with ExitStack() as stack:

        def open_it(name: str, prefix: str, script: str, canned: Canned = lambda user: None) -> Example:
            folder = ROOT / "examples" / name
            model = ExampleModel(ROOT / "tests" / "examples" / script, NobodyWaits(), canned)
            model_url = stack.enter_context(app_in_background(model.app))
            environ = {
                f"{prefix}_MODEL": "example",
                f"{prefix}_MODEL_URL": f"{model_url}/v1",
                f"{prefix}_DATA": str(tmp_path),
                "OPENAI_API_KEY": "none",
            }
            app = create_app(folder / "agents.yaml", environ=environ)

            def file(text: str, media_type: str) -> Any:
                async def respond(_request: Any) -> Response:
                    return Response(text, media_type=media_type)

                return respond

            async def html(_request: Any) -> Response:
                return HTMLResponse(HTML)

            routes = [
                Route("/example", html),
                Route("/page.js", file((folder / "page.js").read_text(), "text/javascript")),
                Route("/start.js", file(START, "text/javascript")),
                Route("/start.css", file(CSS, "text/css")),
                Mount("/", app),
            ]
            around = Starlette(routes=routes, lifespan=app.router.lifespan_context)
            url = stack.enter_context(app_in_background(around))
            chat = visitor.open(url, "/example")
            # Before the server: a page asks for it again.
            stack.callback(chat.page.close)
            return Example(chat, model)

        yield open_it


def test_the_metro_answers_the_tool_and_moves_its_map(example: Any) -> None:
    metro = example("metro_map", "METRO", "metro_script.yaml")
    chat = metro.chat
    chat.shows("Where do you want to go?")
    expect(chat.field).to_have_attribute("aria-placeholder", "Where to? Mention stations with @")
    chat.say("what have I selected")
    chat.shows("2 stations.")
    chat.say("from harbour to museum")
    chat.shows("There you are.")
    metro.was_told("show", ["harbour", "old_town", "museum"])
    chat.frame.get_by_role("button", name="Harbour").first.click()
    metro.was_told("show", ["harbour"])
    chat.frame.get_by_role("button", name="light mode").click()
    metro.was_told("show", [])
    chat.field.click()
    chat.page.keyboard.type("to @zo")
    expect(chat.frame.get_by_role("option", name="Zoo")).to_be_visible()
    chat.page.keyboard.press("Enter")
    chat.page.keyboard.press("Enter")
    chat.shows("You said: to")
    mention = chat.frame.get_by_role("article").get_by_role("button", name="Zoo")
    mention.hover()
    expect(chat.frame.get_by_role("tooltip", name="Zoo")).to_contain_text("green")
    mention.click()
    metro.was_told("show", ["zoo"])


def test_the_lounge_hears_its_ferret(example: Any) -> None:
    lounge = example("pet_lounge", "LOUNGE", "lounge_script.yaml")
    chat = lounge.chat
    expect(chat.frame.locator("html[data-theme='dark']")).to_be_attached()
    chat.say("what does it say")
    chat.shows("You heard it.")
    lounge.was_told("say", "more seeds")
    chat.say("play")
    chat.shows(re.compile(r"^Joy \d"))
    assert [event for event, *_ in chat.page.evaluate("told")] == ["say", "update"]
    chat.say("name it")
    chat.frame.get_by_role("button", name="Otto").click()
    chat.say("wash it and show me")
    chat.shows("It shines.")
    chat.frame.get_by_role("button", name="home").click()
    lounge.was_told("home")


def test_the_desk_takes_files_of_the_customer_whom_the_page_names(example: Any) -> None:
    desk = example("airline_desk", "AIRLINE", "airline_script.yaml")
    chat = desk.chat
    chat.shows("Agents of Northwind Air may read along.")
    with chat.page.expect_file_chooser() as chooser:
        chat.frame.get_by_role("button", name="Add").click()
        chat.frame.get_by_role("menuitem", name="Attach files").click()
    chooser.value.set_files({"name": "pass.txt", "mimeType": "text/plain", "buffer": b"seat 4C"})
    chat.shows("pass.txt")
    chat.say("show trip")
    chat.shows("That is your trip.")
    chat.frame.get_by_role("button", name="Good answer").last.click()
    expect(chat.frame.get_by_role("button", name="Good answer").last).to_have_attribute("aria-pressed", "true")
    asked = json.dumps(desk.model.requests)
    assert "seat 4C" in asked
    assert "omar" in asked.lower()
    chat.say("a meal")
    chat.frame.get_by_role("button", name="vegan").first.click()


def test_the_newsroom_chooses_an_agent_by_a_tool_and_opens_articles(example: Any) -> None:
    paper = example("newsroom", "NEWS", "news_script.yaml")
    chat = paper.chat
    chat.frame.get_by_role("button", name="Traffic").click()
    chat.shows("Here they are.")
    chat.frame.get_by_role("button", name="Tram line four opens R. Holt").click()
    paper.was_told("open", "a1")
    chat.frame.get_by_role("button", name="Add").click()
    chat.frame.get_by_role("menuitem", name="Set me a riddle").click()
    chat.say("please")
    chat.shows("What has rails and no train on Sundays?")
    chat.field.click()
    chat.page.keyboard.type("@tram")
    expect(chat.frame.get_by_role("option").first).to_be_visible()
    chat.page.keyboard.press("Enter")
    chat.page.keyboard.press("Enter")
    chat.shows("You said:")
    mention = chat.frame.locator("button.ck-tag").last
    mention.hover()
    expect(chat.frame.get_by_role("tooltip").locator(".ckw-card, [class*=ckw]").first).to_be_visible()
    opened = len(chat.page.evaluate("told"))
    mention.click()
    chat.page.wait_for_function("(opened) => told.length > opened", arg=opened)
    assert chat.page.evaluate("told").pop()[0] == "open"
