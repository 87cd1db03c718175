"""A browser, and pages of a real server in it whose model waits at gates. Each test ends with what the pages did.

No page may ask anybody but the servers of its test, break its policy, or raise an error.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Locator, Page, expect, sync_playwright

from runtime.cli.uvicorn_server import app_in_background
from runtime.server.app import build_app
from runtime.server.generations.project_source import read_project
from runtime.server.runtime import Runtime, build_runtime
from tests.cli.compiling import missing
from tests.conversations.conftest import QUICK, file_name, write_project
from tests.conversations.playing import Player, on_stage
from tests.web.gallery import Gallery, open_gallery

PATIENCE_MS = 180_000
"""How long a page may take on a machine that does other things: no test waits for it to pass."""
expect.set_options(timeout=PATIENCE_MS)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) =>
  console.error(`policy: ${event.violatedDirective} refused ${event.blockedURI || 'inline'} in ${location.href}`));
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not of the session: one process can run one Playwright at a time, and other modules have their own.
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("no browser: Chromium is missing (`apt-get install chromium`)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def opened_gallery(browser: Browser) -> Iterator[Gallery]:
    with open_gallery(browser) as gallery:
        yield gallery


@pytest.fixture
def gallery(opened_gallery: Gallery) -> Iterator[Gallery]:
    """The page of the gallery, which nothing may go wrong in. It has what the test before drew."""
    opened_gallery.reset()
    yield opened_gallery
    assert opened_gallery.problems == []


class Gate:
    """A place at which the model waits: `reached` once it is there, until the test opens it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def wait(self) -> None:
        event = asyncio.Event()
        self._waiting.append((asyncio.get_running_loop(), event))
        self.reached.set()
        if not self._open.is_set():
            await event.wait()

    def open(self) -> None:
        """Let the model go on; also before it has come."""
        self._open.set()
        for loop, event in self._waiting:
            # The server of a test that has failed may be gone.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    def pass_when_reached(self) -> None:
        assert self.reached.wait(PATIENCE_MS / 1000)
        self.open()


@dataclass
class Site:
    """A served project."""

    url: str
    """Its address without a path."""
    player: Player
    runtime: Runtime
    folder: Path

    def gate(self, word: str) -> Gate:
        """Stop the model before the piece of text that is `word`."""
        gate = Gate()
        self.player.gates[word] = gate  # type: ignore[assignment]  # the player only waits for it
        return gate


MakeSite = Callable[..., Site]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MakeSite]:
    """Serve a project, made from agents.yaml (a mapping), the replies of its model and files, until the test ends."""
    with ExitStack() as stack:

        def make(
            config: Mapping[str, Any] | None = None,
            *replies: Any,
            name: str = "project",
            around: Callable[[Any], Any] = lambda app: app,
            **files: str,
        ) -> Site:
            player = Player(*replies)
            player.stage_name = uuid4().hex
            on_stage[player.stage_name] = player
            stack.callback(on_stage.pop, player.stage_name)
            model = {"python": "tests.conversations.playing:find", "with": {"name": player.stage_name}}
            declared = {"agents": {"helper": {}}, "models": {"default": model}, "server": {"page": True}}
            folder = tmp_path / name
            write_project(folder, {**declared, **(config or {})}, {file_name(key): text for key, text in files.items()})
            app = build_app(build_runtime(read_project(folder, {}), {}, QUICK))
            stack.callback(lambda: [gate.open() for gate in player.gates.values() if isinstance(gate, Gate)])
            url = stack.enter_context(app_in_background(around(app)))
            return Site(url, player, app.state.runtime, folder)

        yield make
        # The gates first: the server waits for its requests.
        for player in on_stage.values():
            for gate in player.gates.values():
                if isinstance(gate, Gate):
                    gate.open()


@dataclass
class Chat:
    """A page with the chat in it."""

    page: Page
    frame: FrameLocator

    @property
    def field(self) -> Locator:
        return self.frame.get_by_role("textbox").last

    def say(self, text: str) -> None:
        """Type a message and send it with Enter, once the turn before has ended."""
        self.field.click()
        self.page.keyboard.type(text)
        # In any language: the button that sends is a button that stops while a turn runs.
        expect(self.frame.locator(".ck-send[type=button]")).to_have_count(0)
        self.page.keyboard.press("Enter")

    def reload(self) -> None:
        """Load the page again, once its address names the thread."""
        self.page.wait_for_url(re.compile("#thread="))
        self.page.reload()

    def shows(self, text: str | re.Pattern[str]) -> Locator:
        """Wait for a text in the chat."""
        found = self.frame.get_by_text(text).first
        expect(found).to_be_visible()
        return found

    def wait_for(self, script: str, *args: Any) -> Any:
        """Call a function in the page until it returns something, and return that."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while not (value := self.page.evaluate(f"(args) => ({script})(...args)", list(args))):
            assert time.monotonic() < end, f"the page never had {script} for {args}"
            # Events of the page come between two evaluations.
            self.page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 50))")
        return value

    def text(self) -> str:
        """Return the text that the chat shows."""
        return self.frame.locator("body").inner_text()

    def find(self, role: Any, name: str) -> Locator:
        """Wait for an element with a role and a name, as screen readers have them."""
        found = self.frame.get_by_role(role, name=name, exact=True).first
        expect(found).to_be_visible()
        return found

    def click(self, role: Any, name: str) -> None:
        """Click on an element with the mouse."""
        self.find(role, name).click()

    def tab_to(self, role: Any, name: str) -> None:
        """Move by Tab until an element has the focus."""
        element = self.find(role, name)
        for _ in range(40):
            if element.evaluate("element => element === element.ownerDocument.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach the {role} {name!r}")


@dataclass(kw_only=True)
class Conduct:
    """What pages did: the addresses they asked for, and what went wrong in them."""

    allowed: list[str] = field(default_factory=list)
    """The addresses that pages may ask; opening a page allows its own."""
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Patterns of errors that belong to the test."""

    def check(self) -> None:
        """Fail for what no page may do."""
        beyond = [url for url in self.requests if not url.startswith((*self.allowed, "data:", "blob:", "about:"))]
        assert beyond == [], "requests beyond the server"
        unexpected = [text for text in self.errors if not any(re.search(known, text) for known in self.expected)]
        assert unexpected == [], "errors, or violations of a policy"


@dataclass(kw_only=True)
class Visitor(Conduct):
    """A browser's user, and their pages."""

    context: BrowserContext

    def __post_init__(self) -> None:
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_init_script(VIOLATIONS)
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("console", lambda message: self._note(message.type, message.text))
        self.context.on("weberror", lambda error: self.errors.append(f"page error: {error.error}"))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error":
            self.errors.append(text)

    def open(self, url: str, path: str = "/") -> Chat:
        self.allowed.append(url)
        page = self.context.new_page()
        page.goto(f"{url}{path}")
        return Chat(page, page.frame_locator("openai-chatkit iframe"))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Make a user with a browser of their own; options are those of Playwright's contexts."""
    made: list[Visitor] = []

    def make(**options: Any) -> Visitor:
        made.append(Visitor(context=browser.new_context(**{"locale": "en-US", "reduced_motion": "reduce", **options})))
        return made[-1]

    yield make
    for visitor in made:
        folder = os.environ.get("CHATKIT_TEST_SCREENSHOTS")
        for index, page in enumerate(visitor.context.pages if folder else ()):
            page.screenshot(
                path=f"{folder}/{os.environ['PYTEST_CURRENT_TEST'].split('::')[-1].split(' ')[0]}-{index}.png"
            )
        visitor.context.close()
    for visitor in made:
        visitor.check()


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    return visit()
