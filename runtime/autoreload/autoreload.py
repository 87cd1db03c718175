"""Keep a running app up to date with its files: what `serve` and `dev` do, and an app around ours may."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from fastapi import FastAPI

from runtime.autoreload.watch_set import Watched, mounted_alone
from runtime.autoreload.watcher import Watcher
from runtime.server.generations.last_good import LastGoodSaver
from runtime.server.runtime import Runtime

logger = logging.getLogger("runtime.reload")


def keep_current(app: FastAPI, *, watch: bool = True) -> None:
    """Let an app of `create_app` reload its project while it runs: at SIGHUP and, with `watch`, at each edit."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with inner(app) as state, keeping_current(app.state.runtime, watch=watch):
            yield state

    app.router.lifespan_context = lifespan


@asynccontextmanager
async def keeping_current(runtime: Runtime, *, watch: bool = True) -> AsyncIterator[None]:
    """Reload an open project at SIGHUP and, with `watch`, at each edit, and keep what serves in `.chatkit/`.

    SIGHUP is heard in the main thread of a process alone, and not on Windows.
    """
    last_good = LastGoodSaver(lambda: runtime.generation.source, runtime.reloader.listeners)
    last_good.start()
    watching: asyncio.Task[None] | None = None
    try:
        if watch:
            _warn_of_mounts(runtime)
            watcher = Watcher(lambda: watched_by(runtime), lambda: runtime.reload(explicit=False))
            watching = asyncio.create_task(watcher.run(), name="watch the project's files")
            await watcher.ready.wait()
            # An edit while the project was built was seen by nobody.
            await runtime.reload(explicit=False)
        with _at_hangup(runtime):
            yield
    finally:
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await last_good.stop()


def watched_by(runtime: Runtime) -> Watched:
    """What an edit may change: the files of what serves, and those of the latest attempt to replace it."""
    current = runtime.generation.source
    latest = runtime.reloader.latest or current
    patterns = current.loaded.files.patterns.keys() | latest.loaded.files.patterns.keys()
    return Watched(runtime.root, current.watched_files() | latest.watched_files(), frozenset(patterns))


def _warn_of_mounts(runtime: Runtime) -> None:
    for file in mounted_alone(watched_by(runtime).files):
        logger.warning(
            "%s is mounted by itself: an edit outside that replaces the file never arrives here (mount its folder; in "
            "Kubernetes, without subPath)",
            file,
        )


@contextmanager
def _at_hangup(runtime: Runtime) -> Iterator[None]:
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[object]]()

    def hear() -> None:
        task = asyncio.ensure_future(runtime.reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    hangup: Callable[[], None] = hear
    try:
        loop.add_signal_handler(signal.SIGHUP, hangup)
    except (AttributeError, NotImplementedError, RuntimeError, ValueError):
        yield  # no such signal here, or not in this thread
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
