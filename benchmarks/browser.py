"""Measure the chat page in Chromium: its first view, its text, a long thread, and the CPU that serving it takes.

    python -m benchmarks.browser [--quick] [--only view,text,thread,files] [--rounds 5] [--items 10000] [--json FILE]

The baseline is plain.html, a page of 30 lines that appends text to a paragraph.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from benchmarks.harness import BenchmarkError, Figure, Options, Sample, Session, count_noun, run
from benchmarks.project.instant_model import DELTAS
from benchmarks.projects import PLAN, PROJECT, Plan, thread_name
from benchmarks.servers import Server, run_server

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Frame, Page

PLAIN, CLIENT = "plain", "client"
ONLY = ("view", "text", "thread", "files")
FRAME_MS = 1000 / 60
_LIMIT_MS = 60_000
_PATHS = {PLAIN: "/plain", CLIENT: "/"}
_SCRIPT = Path(__file__).with_name("browser.js")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
_SCROLL = """async ([element, frames, step]) => {
  const times = [];
  await new Promise((resolve) => {
    const next = (at) => {
      times.push(at);
      element.scrollTop -= step;
      if (times.length > frames) resolve();
      else requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
  return times.slice(1).map((at, index) => at - times[index]);
}"""
_FIND_SCROLLER = """() => {
  const isLong = (element) => element.scrollHeight > element.clientHeight * 2 && element.querySelector('article');
  return [...document.querySelectorAll('*')].findLast(isLong);
}"""


@dataclass(frozen=True, slots=True)
class Stage:
    """The server and the browser that all measurements use."""

    server: Server
    browser: Browser

    @asynccontextmanager
    async def context(self) -> AsyncIterator[BrowserContext]:
        """A browser without a cache, until the block ends."""
        context = await self.browser.new_context(viewport={"width": 420, "height": 700})
        context.set_default_timeout(_LIMIT_MS)
        await context.add_init_script(path=_SCRIPT)
        yield context
        await context.close()

    def url(self, name: str, end: str = "") -> str:
        """Return the address of a page."""
        return f"http://127.0.0.1:{self.server.port}{_PATHS[name]}{end}"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("browser", __doc__, "a short thread, once")
    parser.add_size("--rounds", 5, 1, "rounds per figure")
    parser.add_size("--items", 10_000, 120, "items in the long thread")
    parser.add_size("--frames", 300, 10, "frames for which the long thread is scrolled")
    parser.add_size("--visits", 50, 2, "visits whose files are requested")
    parser.add_names("--only", ONLY)
    return run(_main(parser.parse(arguments)))


Measure = Callable[[Stage, argparse.Namespace, str], Awaitable[Sample]]


async def _main(options: argparse.Namespace) -> int:
    measures: Mapping[str, Measure] = {
        "view": _measure_view, "text": _measure_text, "thread": _measure_thread, "files": _measure_files,
    }  # fmt: skip
    session, pages = Session((PLAIN, CLIENT), baseline=PLAIN), {name: name for name in (PLAIN, CLIENT)}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        async with _serve(Path(folder), options) as server, _open_browser() as browser:
            stage = Stage(server, browser)
            for part in options.only:

                async def take(name: str, measure: Measure = measures[part]) -> Sample:
                    return await measure(stage, options, name)

                # The plain page has no threads.
                shown = {CLIENT: CLIENT} if part == "thread" else pages
                await session.measure(part, shown, take, options.rounds)
    session.publish(options, "items", "frames", "visits")
    return 0


@asynccontextmanager
async def _serve(folder: Path, options: argparse.Namespace) -> AsyncIterator[Server]:
    project = folder / "sqlite"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".chatkit", "__pycache__"))
    (project / PLAN).write_text(json.dumps(asdict(Plan(threads=((options.items, 1),)))))
    with (project / "agents.yaml").open("a") as file:
        file.write("server: {page: true}\n")
    async with run_server("sqlite", "pages", project, fork=options.quick) as server:
        yield server


@asynccontextmanager
async def _open_browser() -> AsyncIterator[Browser]:
    from playwright.async_api import async_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise BenchmarkError("Chromium is missing (apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        await browser.close()


async def _open(context: BrowserContext, url: str) -> tuple[Page, float]:
    """Open a page; return it, and the milliseconds from the navigation to its first paint with content."""
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_function("() => notes.shownAt > 0")
    return page, float(await page.evaluate("() => notes.shownAt"))


async def _measure_view(stage: Stage, options: argparse.Namespace, name: str) -> Sample:
    async with stage.context() as context:
        page, first_ms = await _open(context, stage.url(name))
        await page.close()
        _, again_ms = await _open(context, stage.url(name))
    figure = "time to first view"
    return {Figure(figure, "first visit", "ms"): first_ms, Figure(figure, "next visit", "ms"): again_ms}


async def _measure_text(stage: Stage, options: argparse.Namespace, name: str) -> Sample:
    async with stage.context() as context:
        page, _ = await _open(context, stage.url(name))
        frame = page.frames[-1]
        await frame.get_by_role("textbox").click()
        await page.keyboard.type("paced")
        await page.keyboard.press("Enter")
        last = DELTAS[-1].strip()
        await frame.wait_for_function(f"() => notes.painted.{last}")
        arrived, painted = await page.evaluate("() => notes.arrived"), await frame.evaluate("() => notes.painted")
    if not set(arrived) == set(painted) == {delta.strip() for delta in DELTAS}:
        raise BenchmarkError(f"{name!r} does not show the text of the model: {sorted(painted)}")
    delays_ms = [painted[word] - arrived[word] for word in arrived]
    case = "50 deltas, 20 ms apart"
    return {
        Figure("event to painted text, the first", case, "ms"): delays_ms[0],
        Figure("event to painted text, median", case, "ms"): median(delays_ms),
        Figure("event to painted text, 95th percentile", case, "ms"): percentile_95(delays_ms),
    }


async def _measure_thread(stage: Stage, options: argparse.Namespace, name: str) -> Sample:
    async with stage.context() as context:
        page = await context.new_page()
        await page.goto(stage.url(name, f"#thread={thread_name(options.items, 0)}"))
        frame = await _frame_with_words(page)
        loaded_ms = await frame.evaluate(f"() => notes.painted.{DELTAS[-1].strip()}")
        loaded_ms -= await page.evaluate("() => performance.timeOrigin")
        scroller = await frame.evaluate_handle(_FIND_SCROLLER)
        frames_ms = await frame.evaluate(_SCROLL, [scroller, options.frames, 300])
    dropped = sum(max(round(frame_ms / FRAME_MS) - 1, 0) for frame_ms in frames_ms)
    case = f"thread of {count_noun(options.items, 'item')}"
    return {
        Figure("time to the end of a thread", case, "ms"): loaded_ms,
        Figure("frame time while scrolling, 95th percentile", case, "ms"): percentile_95(frames_ms),
        Figure("frames dropped while scrolling", case, "%"): 100 * dropped / (dropped + len(frames_ms)),
    }


async def _frame_with_words(page: Page) -> Frame:
    await page.locator("openai-chatkit iframe").wait_for()
    frame = page.frames[-1]
    await frame.wait_for_function(f"() => notes.painted.{DELTAS[-1].strip()}")
    return frame


async def _measure_files(stage: Stage, options: argparse.Namespace, name: str) -> Sample:
    paths: list[str] = []
    async with stage.context() as context:
        origin = f"http://127.0.0.1:{stage.server.port}"
        context.on("request", lambda request: paths.append(request.url.removeprefix(origin)))
        page, _ = await _open(context, stage.url(name))
        await page.wait_for_load_state("networkidle")
    files = sorted({path for path in paths if path.startswith("/")})
    before_s = stage.server.cpu_s
    sent = await asyncio.to_thread(_request_files, stage.server.port, files, options.visits)
    cpu_s = stage.server.cpu_s - before_s
    return {
        Figure("files of a first visit", "files", ""): len(files),
        Figure("bytes of a first visit", "compressed", "KB"): sent / options.visits / 1000,
        Figure("CPU per first visit", "all files, one connection", "ms"): 1000 * cpu_s / options.visits,
    }


def _request_files(port: int, paths: list[str], visits: int) -> int:
    """Request files again and again; return the bytes of the bodies."""
    connection, sent = http.client.HTTPConnection("127.0.0.1", port), 0
    for _ in range(visits):
        for path in paths:
            connection.request("GET", path, headers={"accept-encoding": "gzip"})
            response = connection.getresponse()
            sent += len(response.read())
            if response.status != 200:
                raise BenchmarkError(f"GET {path} has status {response.status}")
    connection.close()
    return sent


def percentile_95(values: list[float]) -> float:
    """Return the 95th percentile of at least two values."""
    return quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    sys.exit(main())
