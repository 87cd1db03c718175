"""A watcher at work on a project, and what its calls found there."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from watchfiles._rust_notify import RustNotify

from runtime.autoreload.watch_set import ProjectPaths, WatchSet, find_watch_set
from runtime.autoreload.watcher import FileEvents, Watcher
from runtime.sdk_internals import open_watch

PATIENCE_S = 180.0

Contents = dict[str, str]


def refuse_to_watch(folders: list[str]) -> RustNotify:
    raise OSError(errno.ENOSPC, "OS file watch limit reached")


@dataclass(frozen=True)
class Detection:
    """How a watcher under test detects changes: the constructor arguments of `Watcher` and `FileEvents`."""

    poll_s: float = 3600.0
    open_watch: Callable[[list[str]], RustNotify] = open_watch
    find_watch_set: Callable[[ProjectPaths], WatchSet] = find_watch_set


BY_EVENTS = Detection()
BY_SCANS = Detection(0.01, refuse_to_watch)


@dataclass
class Calls:
    """Reads the whole folder at each call: a change is seen once a call has found what it left behind."""

    root: Path
    found: list[Contents] = field(default_factory=list)
    is_idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the watcher waits: what happens then is noticed by the wait, not by the look after a call."""
    _news: asyncio.Queue[Contents] = field(default_factory=asyncio.Queue)

    async def __call__(self) -> None:
        self.is_idle.clear()
        contents = read_all(self.root)
        self.found.append(contents)
        self._news.put_nowait(contents)

    async def until(self, condition: Callable[[Contents], bool]) -> None:
        """Wait for a call that found this, and until the watcher waits again."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(await self._news.get()):
                continue
            await self.is_idle.wait()

    async def saw(self, name: str, text: str | None) -> None:
        """Wait for a call that found this in the file; None stands for no file."""
        await self.until(lambda contents: contents.get(name) == text)


def read_all(root: Path) -> Contents:
    contents: Contents = {}
    for folder, _, names in os.walk(root, followlinks=True):
        for path in (Path(folder, name) for name in names):
            with suppress(OSError, UnicodeDecodeError):  # an editor's file that is gone again; a database
                contents[path.relative_to(root).as_posix()] = path.read_text()
    return contents


@dataclass
class Watching:
    calls: Calls
    files: set[Path]
    watcher: Watcher
    task: asyncio.Task[None]


@asynccontextmanager
async def watching(
    root: Path,
    files: Iterable[str],
    detection: Detection = BY_EVENTS,
    changed: Callable[[], Awaitable[object]] | None = None,
    calls: Calls | None = None,
    patterns: Iterable[str] = (),
) -> AsyncIterator[Watching]:
    """Watch these files of a folder, given by their paths from it."""
    own_calls, paths = calls or Calls(root), {root / name for name in files}
    globs = frozenset(patterns)
    watcher = Watcher(
        lambda: ProjectPaths(root, frozenset(paths), globs),
        changed or own_calls,
        poll_s=detection.poll_s,
        open_events=partial(_Events, own_calls.is_idle, detection),
    )
    task = asyncio.create_task(watcher.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await watcher.ready.wait()
        yield Watching(own_calls, paths, watcher, task)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class _Events(FileEvents):
    """Sets an event when it starts to wait."""

    def __init__(self, is_idle: asyncio.Event, detection: Detection, poll_s: float, stop: threading.Event) -> None:
        super().__init__(poll_s, stop, open_watch=detection.open_watch, find_watch_set=detection.find_watch_set)
        self._set_idle = partial(asyncio.get_running_loop().call_soon_threadsafe, is_idle.set)

    def wait(self) -> bool:
        self._set_idle()
        return super().wait()


class Listener:
    """Replaces `open_watch`: forwards everything, and lets a test wait until events have been handled."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waits = 0
        self._told_at: dict[str, int] = {}

    def __call__(self, folders: list[str]) -> Any:
        return _Heard(open_watch(folders), self)

    def begin(self) -> None:
        with self._changed:
            self._waits += 1
            self._changed.notify_all()

    def hear(self, events: object) -> None:
        with self._changed:
            if isinstance(events, set):
                self._told_at.update({Path(path).name: self._waits for _, path in events})

    async def dealt_with(self, name: str) -> None:
        """Wait until an event of this name has come, and the next wait for events has begun."""
        await self._until(lambda: self._waits > self._told_at.get(name, self._waits))

    async def waiting(self) -> None:
        """Wait until events are waited for."""
        await self._until(lambda: self._waits > 0)

    async def _until(self, condition: Callable[[], bool]) -> None:
        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(condition, PATIENCE_S)

        assert await asyncio.to_thread(wait)


class _Heard:
    def __init__(self, notify: RustNotify, listener: Listener) -> None:
        self._notify = notify
        self._listener = listener

    def watch(self, *arguments: Any) -> object:
        self._listener.begin()
        events = self._notify.watch(*arguments)
        self._listener.hear(events)
        return events

    def close(self) -> None:
        self._notify.close()
