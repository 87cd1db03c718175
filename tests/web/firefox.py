"""Firefox as it is installed, driven by WebDriver BiDi, which it speaks without a driver of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.cli.compiling import missing
from tests.web.conftest import PATIENCE_MS, VIOLATIONS, Conduct

_PREFERENCES: dict[str, Any] = {
    # What is not on loopback meets a proxy that does not exist: the browser's own services can't be reached.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1, localhost",
    "ui.prefersReducedMotion": 1,
}
DARK: dict[str, Any] = {"layout.css.prefers-color-scheme.content-override": 0}
_EVENTS = ("network.beforeRequestSent", "log.entryAdded")
_ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
_KEYS = {"Enter": "\ue007", "Tab": "\ue004", "Escape": "\ue00c", "Shift": "\ue008"}
# Waits in the page, which answers once the function of its arguments returns something.
_WAIT = """async (patience, ...args) => {
  const end = performance.now() + patience;
  for (;;) {
    const found = (FUNCTION)(...args);
    if (found || performance.now() > end) return found || null;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}"""


class CommandFailedError(Exception):
    """The browser refused a command; `kind` is its error code."""

    def __init__(self, method: str, kind: str, message: str) -> None:
        super().__init__(f"{method}: {kind}: {message}")
        self.kind = kind


class Firefox:
    """A session with a Firefox process."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._ids = socket, count(1)
        self.events: list[dict[str, Any]] = []
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=list(_EVENTS))
        self.send("script.addPreloadScript", functionDeclaration=f"() => {{ {VIOLATIONS} }}")

    def send(self, method: str, **params: Any) -> Any:
        """Send a command and return its result; the events that come meanwhile are kept."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(2 * PATIENCE_MS / 1000))
            if message["type"] == "event":
                self.events.append(message)
            elif message["id"] == number:
                if message["type"] == "error":
                    raise CommandFailedError(method, message["error"], message["message"])
                return message["result"]


@contextmanager
def open_firefox(profile: Path, preferences: Mapping[str, Any] | None = None) -> Iterator[Firefox]:
    """Start Firefox with a profile of its own in an empty folder, and end it with the block."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        missing("no browser: Firefox is missing (`apt-get install firefox-esr`)")
    settings = {**_PREFERENCES, **(preferences or {})}
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in settings.items())
    (profile / "user.js").write_text("".join(lines))
    command = [program, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", str(profile)]
    log = profile / "firefox.log"
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            with connect(f"{_read_address(process, log)}/session", max_size=None) as socket:
                firefox = Firefox(socket)
                yield firefox
                firefox.send("browser.close")
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_MS / 1000)
            except subprocess.TimeoutExpired:
                process.kill()


def _read_address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        if found := _ADDRESS.search(log.read_text(errors="replace")):
            return found[1]
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"Firefox ended with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")


@dataclass(kw_only=True)
class FirefoxVisitor(Conduct):
    """A user of Firefox, with cookies and storage of their own."""

    firefox: Firefox
    user: str = field(init=False)

    def __post_init__(self) -> None:
        self.firefox.events.clear()
        self.user = self.firefox.send("browser.createUserContext")["userContext"]

    def open(self, url: str, path: str = "/") -> FirefoxChat:
        self.allowed.append(url)
        context = self.firefox.send("browsingContext.create", type="tab", userContext=self.user)["context"]
        chat = FirefoxChat(self.firefox, context)
        chat.go(f"{url}{path}")
        return chat

    def leave(self) -> None:
        """Close the pages, and note what they did."""
        self.firefox.send("session.status")
        self.firefox.send("browser.removeUserContext", userContext=self.user)
        for event in self.firefox.events:
            params = event["params"]
            if event["method"] == "network.beforeRequestSent":
                self.requests.append(params["request"]["url"])
            elif params["level"] == "error":
                self.errors.append(str(params["text"]))


class FirefoxChat:
    """A page with the chat in it; texts and elements are those of the chat's frame."""

    def __init__(self, firefox: Firefox, page: str) -> None:
        self._firefox, self.page = firefox, page

    @property
    def frame(self) -> str:
        """The browsing context of the chat; the page makes another one when it is loaded again."""
        finder = "() => !!document.querySelector('openai-chatkit')?.shadowRoot?.querySelector('iframe')"
        assert self.wait_for(finder, within=self.page), "the page has no chat"
        [top] = self._firefox.send("browsingContext.getTree", root=self.page)["contexts"]
        return str(top["children"][0]["context"])

    def go(self, url: str) -> None:
        self._firefox.send("browsingContext.navigate", context=self.page, url=url, wait="complete")

    def reload(self) -> None:
        """Load the page again, once its address names the thread."""
        assert self.wait_for("() => location.hash.startsWith('#thread=')", within=self.page)
        self._firefox.send("browsingContext.reload", context=self.page, wait="complete")

    def resize(self, width: int, height: int) -> None:
        viewport = {"width": width, "height": height}
        self._firefox.send("browsingContext.setViewport", context=self.page, viewport=viewport)

    def run(self, function: str, *args: Any, within: str = "") -> Any:
        """Call a function in the frame, or in another context, and return its JSON value."""
        done = self._firefox.send(
            "script.callFunction",
            functionDeclaration=f"async (...args) => JSON.stringify((await ({function})(...args)) ?? null)",
            arguments=[_local(arg) for arg in args],
            target={"context": within or self.frame},
            awaitPromise=True,
        )
        assert done["type"] == "success", done["exceptionDetails"]["text"]
        return json.loads(done["result"]["value"])

    def wait_for(self, function: str, *args: Any, within: str = "") -> Any:
        """Call a function until it returns something, and return that; None: it never did."""
        # A frame that just loads replaces its first, empty document.
        for _ in range(10):
            try:
                return self.run(_WAIT.replace("FUNCTION", function), PATIENCE_MS, *args, within=within)
            except CommandFailedError as error:
                if error.kind not in ("no such frame", "unknown error"):
                    raise
        raise AssertionError("the frame is loaded again and again")

    def text(self) -> str:
        """Return the text that the chat shows."""
        return str(self.run("() => document.body.innerText"))

    def shows(self, text: str) -> None:
        """Wait for a text in the chat."""
        finder = "(text) => document.body?.innerText.includes(text)"
        assert self.wait_for(finder, text), f"{text!r} is missing in {self.text()!r}"

    def hides(self, selector: str) -> None:
        """Wait until no element matches."""
        finder = "(selector) => !document.querySelector(selector)"
        assert self.wait_for(finder, selector), f"{selector} does not go"

    def find(self, role: str, name: str) -> dict[str, Any]:
        """Wait for an element with a role and a name, as screen readers have them; return a reference to it."""
        frame, value = self.frame, {"role": role, "name": name}
        for _ in range(PATIENCE_MS // 50):
            located = self._firefox.send(
                "browsingContext.locateNodes", context=frame, locator={"type": "accessibility", "value": value}
            )
            if located["nodes"]:
                return {"sharedId": located["nodes"][0]["sharedId"]}
            self.run("() => new Promise((resolve) => setTimeout(resolve, 50))", within=frame)
        raise AssertionError(f"no {role} {name!r} in {self.text()!r}")

    def click(self, role: str, name: str) -> None:
        """Click on an element with the mouse."""
        element = self.find(role, name)
        self.run("(element) => element.scrollIntoView({ block: 'nearest' })", element)
        origin = {"type": "element", "element": element}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            *({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")),
        ]
        source = {"type": "pointer", "id": "mouse", "actions": actions}
        self._firefox.send("input.performActions", context=self.frame, actions=[source])

    def press(self, *keys: str, shift: bool = False) -> None:
        """Press and release keys in turn, wherever the focus is."""
        actions = [
            {"type": kind, "value": _KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")
        ]  # fmt: skip
        if shift:
            held = _KEYS["Shift"]
            actions = [{"type": "keyDown", "value": held}, *actions, {"type": "keyUp", "value": held}]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self._firefox.send("input.performActions", context=self.page, actions=[source])

    def has_focus(self, role: str, name: str) -> bool:
        """Return whether the keyboard is at an element."""
        script = "(element) => document.hasFocus() && element === document.activeElement"
        return bool(self.run(script, self.find(role, name)))

    def tab_to(self, role: str, name: str, *, back: bool = False) -> None:
        """Move by Tab, or back by Shift and Tab, until an element has the focus."""
        for _ in range(40):
            if self.has_focus(role, name):
                return
            self.press("Tab", shift=back)
        raise AssertionError(f"Tab does not reach the {role} {name!r}")

    def say(self, text: str, field: str = "Message the AI") -> None:
        """Type a message and send it with Enter."""
        self.click("textbox", field)
        self.press(*text, "Enter")


def _local(value: Any) -> dict[str, Any]:
    """Return a value as BiDi takes it."""
    if isinstance(value, dict):
        return value
    return {"type": "number" if isinstance(value, int) else "string", "value": value}
