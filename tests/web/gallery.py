"""The gallery of web/gallery in Chromium: a page that draws the widgets and the Markdown that a test gives it."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize

from tests.cli.compiling import missing
from tests.web.packages import HOW_TO_GET_THEM, MODULES, WEB

# What the client's frame is served with.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: https:; "
    "font-src 'self' data: https:; media-src blob:; frame-src 'self'; connect-src 'none'; form-action 'none'; "
    "base-uri 'none'; object-src 'none'; frame-ancestors 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
BUILD_SECONDS = 300
SIZE: ViewportSize = {"width": 720, "height": 800}


@functools.cache
def _built() -> Path:
    """Build the gallery once in a process, in a copy of web/ beside its packages."""
    node, vite = shutil.which("node"), MODULES / "vite" / "bin" / "vite.js"
    if node is None or not vite.is_file():
        missing(f"the client's packages are missing: {HOW_TO_GET_THEM}")
    folder = Path(tempfile.mkdtemp(prefix="gallery-"))
    sources, built = folder / "web", folder / "built"
    shutil.copytree(WEB, sources, ignore=shutil.ignore_patterns("node_modules"))
    (sources / "node_modules").symlink_to(MODULES.resolve())
    command = [node, str(vite), "build", "--config", "gallery/vite.config.ts", "--outDir", str(built)]
    ran = subprocess.run(command, cwd=sources, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return built


class _Files(SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Gallery:
    """The page, and what went wrong in it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page, self.problems = page, list[str]()
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("console", self._on_console)
        page.on("request", partial(self._on_request, origin))
        page.goto(f"{origin}/index.html")
        page.locator("html[data-ready]").wait_for()

    def reset(self) -> None:
        """Forget what is held, what was sent and what went wrong, and take the first size again."""
        self.hold(False)
        self.actions()
        self.page.set_viewport_size(SIZE)
        self.problems.clear()

    def _on_console(self, message: ConsoleMessage) -> None:
        # A violation of the policy is an error, too.
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def _on_request(self, origin: str, request: Request) -> None:
        if not request.url.startswith((origin, "data:")):
            self.problems.append(f"request to {request.url}")

    def draw(self, widget: dict[str, Any], **look: Any) -> None:
        """Draw a widget, by default anew; `fresh=False` makes it the next version of the one before.

        The look is `dark`, `rtl`, and the `theme` of ChatKit's options.
        """
        self.page.evaluate("([widget, look]) => gallery.draw(widget, look)", [widget, look])

    def write(self, source: str, props: dict[str, Any] | None = None, **look: bool) -> None:
        """Draw a text as Markdown."""
        self.page.evaluate(
            "([props, look]) => gallery.write(props, look)",
            [{"source": source, **(props or {})}, {"fresh": True, **look}],
        )

    def html(self, selector: str = "#root") -> str:
        """Return the inner HTML of an element."""
        return self.page.locator(selector).inner_html()

    def actions(self) -> list[dict[str, Any]]:
        """Return the actions that were sent since the last call."""
        actions: list[dict[str, Any]] = self.page.evaluate("() => gallery.actions()")
        return actions

    def hold(self, on: bool = True) -> None:
        """Leave the actions that follow unanswered until `finish`."""
        self.page.evaluate("(on) => gallery.hold(on)", on)

    def finish(self, error: str | None = None) -> None:
        """Answer the held actions, or fail them."""
        self.page.evaluate("(error) => gallery.finish(error ?? undefined)", error)


@contextmanager
def open_gallery(browser: Browser) -> Iterator[Gallery]:
    """Open the gallery."""
    with _served(_built()) as origin:
        context = browser.new_context(viewport=SIZE, permissions=["clipboard-read", "clipboard-write"])
        yield Gallery(context.new_page(), origin)
        context.close()
