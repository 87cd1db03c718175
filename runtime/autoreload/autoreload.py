"""Reload a running app when its files change or at SIGHUP, as `serve` and `dev` do."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from fastapi import FastAPI

from runtime.autoreload.watch_set import ProjectPaths, find_mounted_files
from runtime.autoreload.watcher import Watcher
from runtime.server.generations.last_good import LastGoodSaver
from runtime.server.runtime import Runtime

logger = logging.getLogger("runtime.reload")

_MOUNTED = (
    "%s is mounted as a single file: replacing the file outside does not change it here (mount its folder; in "
    "Kubernetes, without subPath)"
)


def enable_autoreload(app: FastAPI, *, watch: bool = True) -> None:
    """Make an app of `create_app` reload its project at SIGHUP and, with `watch`, at each edit, during its lifespan."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[Any]:
        async with inner(app) as state, autoreloading(app.state.runtime, watch=watch):
            yield state

    app.router.lifespan_context = lifespan


@asynccontextmanager
async def autoreloading(runtime: Runtime, *, watch: bool = True) -> AsyncIterator[None]:
    """Reload an open project at SIGHUP and, with `watch`, at each edit; save the served version in `.chatkit/`.

    SIGHUP only works in the main thread, and not on Windows.
    """
    last_good = LastGoodSaver(lambda: runtime.generation.source, runtime.reloader.listeners)
    last_good.start()
    watching: asyncio.Task[None] | None = None
    try:
        if watch:
            for file in find_mounted_files(watched_paths(runtime).files):
                logger.warning(_MOUNTED, file)
            watcher = Watcher(lambda: watched_paths(runtime), lambda: runtime.reload(explicit=False))
            watching = asyncio.create_task(watcher.run(), name="watch the project's files")
            await watcher.ready.wait()
            # The files may have changed since the project was read.
            await runtime.reload(explicit=False)
        with _reload_at_sighup(runtime):
            yield
    finally:
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await last_good.stop()


def watched_paths(runtime: Runtime) -> ProjectPaths:
    """Return the paths of the current generation, and of the latest attempt to replace it."""
    current = runtime.generation.source
    latest = runtime.reloader.latest or current
    patterns = current.loaded.files.patterns.keys() | latest.loaded.files.patterns.keys()
    return ProjectPaths(runtime.root, current.watched_files() | latest.watched_files(), frozenset(patterns))


@contextmanager
def _reload_at_sighup(runtime: Runtime) -> Iterator[None]:
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[object]]()

    def reload() -> None:
        task = asyncio.ensure_future(runtime.reload())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        before = signal.getsignal(signal.SIGHUP)
        loop.add_signal_handler(signal.SIGHUP, reload)
    except (AttributeError, NotImplementedError, RuntimeError, ValueError):
        yield  # the platform has no SIGHUP, or this is not the main thread
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        # The event loop restores the default, which ends a process that `nohup` started.
        signal.signal(signal.SIGHUP, before)
