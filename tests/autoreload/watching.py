"""A watcher at work on a project, and what its calls found there."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from watchfiles._rust_notify import RustNotify

from runtime.autoreload import Watched, Watcher
from runtime.autoreload.file_events import FileEvents
from runtime.sdk_internals import open_watch

NEVER_S = 3600.0
PATIENCE_S = 20.0

Contents = dict[str, str]


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
    poll_s: float = NEVER_S,
    changed: Callable[[], Awaitable[object]] | None = None,
    calls: Calls | None = None,
    patterns: Iterable[str] = (),
) -> AsyncIterator[Watching]:
    """Watch these files of a folder, named by their paths from it; by events alone unless told to look often."""
    own_calls, watched = calls or Calls(root), {root / name for name in files}
    fits = frozenset(patterns)
    watcher = Watcher(lambda: Watched(root, frozenset(watched), fits), changed or own_calls, poll_s=poll_s)
    with patch("runtime.autoreload.watcher.FileEvents", partial(_Events, own_calls.is_idle)):
        task = asyncio.create_task(watcher.run())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await watcher.ready.wait()
            yield Watching(own_calls, watched, watcher, task)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


class _Events(FileEvents):
    """Says when it begins to wait."""

    def __init__(self, is_idle: asyncio.Event, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._begin = partial(asyncio.get_running_loop().call_soon_threadsafe, is_idle.set)

    def wait(self) -> bool:
        self._begin()
        return super().wait()


class Listener:
    """Stands in for `RustNotify`, passes everything on, and lets a test wait until events have been dealt with."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waits = 0
        self._told_at: dict[str, int] = {}

    def __call__(self, *arguments: Any) -> _Heard:
        return _Heard(open_watch(*arguments), self)

    def begin(self) -> None:
        with self._changed:
            self._waits += 1
            self._changed.notify_all()

    def hear(self, events: object) -> None:
        with self._changed:
            if isinstance(events, set):
                self._told_at.update({Path(path).name: self._waits for _, path in events})

    async def dealt_with(self, name: str) -> None:
        """Wait until an event of this name was told, and the next wait for events has begun."""
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
