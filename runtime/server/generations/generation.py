"""One generation: a snapshot with the store behind it and the app in front of it, opened whole and closed whole."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.datastructures import State
from starlette.types import Receive, Scope, Send

from runtime.assemble.problems import Problems
from runtime.assemble.project import ProjectBuildError, Snapshot, build
from runtime.assemble.project_objects import take_over
from runtime.config.model.server import PythonStore
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Share
from runtime.resources.token_usage import UsageTable
from runtime.server.attachments import Uploads
from runtime.server.generations.project_source import Hashes, Reading
from runtime.server.history.converter import build_converter
from runtime.server.http.routes import Site
from runtime.stores import open_store
from runtime.stores.blobs import open_file_store
from runtime.stores.chatkit_adapter import ChatKitStoreAdapter
from runtime.stores.store import GenerationMark, ThreadStore

if TYPE_CHECKING:
    from runtime.server.runtime import Runtime

_RELATIVE_SQLITE = "sqlite:///"
OPENING_S = 30.0
"""How long, in seconds, the lifespans of the project's routes may take to begin."""
_LAST_WORDS_S = 1.0
"""How long, in seconds, a request may take to send what is left once its turn has been ended."""


class _SharedStore:
    """A store that is opened by the first generation that uses it, and closed after the last."""

    def __init__(self, store: ThreadStore) -> None:
        self.store = store
        self._opened = False
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        async with self._lock:
            if not self._opened:
                await self.store.open()
                self._opened = True

    async def close(self) -> None:
        # Also one that was never opened: a store of the project's own may hold something all the same.
        await self.store.close()
        self._opened = False


class _Lifespan:
    """Holds a context manager open in a task of its own: what it opened is closed by the task that opened it."""

    def __init__(self, context: AbstractAsyncContextManager[Mapping[str, Any]], code: ProjectCode) -> None:
        self._context, self._code = context, code
        self._end = asyncio.Event()

    async def begin(self) -> Mapping[str, Any]:
        opened: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(opened), name="lifespan of the project's routes")
        both: set[asyncio.Future[Any]] = {self._task, opened}
        try:
            await asyncio.wait(both, timeout=OPENING_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not opened.done():
                self._task.cancel()
        if not opened.done():
            try:
                await self._task  # raises what stopped it
            except asyncio.CancelledError:
                raise TimeoutError(f"the lifespan of a route did not begin within {OPENING_S:.0f} s") from None
            raise RuntimeError("the lifespan of a route ended before it began")
        return opened.result()

    async def _hold(self, opened: asyncio.Future[Mapping[str, Any]]) -> None:
        try:
            with self._code.pinned():
                async with self._context as value:
                    opened.set_result(value)
                    await self._end.wait()
        except SystemExit as error:
            # Out of a task it would end the process.
            raise RuntimeError(f"the lifespan of a route called sys.exit({error.code!r})") from error

    async def end(self) -> None:
        self._end.set()
        await self._task


@dataclass(slots=True, weakref_slot=True, eq=False)
class Generation:
    """What serves at one time; `open` before the first request, `close` after the last."""

    number: int
    reading: Reading
    snapshot: Snapshot
    share: Share
    site: Site
    uploads: Uploads | None
    _store: _SharedStore
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    requests: set[asyncio.Task[Any]] = field(default_factory=set)
    """The requests that are being answered."""
    _state: Mapping[str, Any] = field(default_factory=dict)
    _lifespan: _Lifespan | None = None
    closed: bool = False
    ending: bool = False
    """Whether its turns are being ended: no further one may begin."""
    began_empty: tuple[str, ...] = ()
    """The objects that were made anew and could not take over what the old ones held."""

    @property
    def store(self) -> ThreadStore:
        """Where this generation keeps threads."""
        return self._store.store

    @property
    def hashes(self) -> Hashes:
        """What it is made of."""
        return self.reading.hashes

    @property
    def mark(self) -> GenerationMark:
        """What a thread remembers of the generation that answered last."""
        return GenerationMark(self.number, self.hashes.config, self.hashes.code)

    async def open(self) -> None:
        """Open the store and the lifespans of the project's routes. Raise what they raise."""
        await self._store.open()
        if self.snapshot.routers and self._lifespan is None:
            lifespan = _Lifespan(self.site.running(), self.snapshot.code)
            self._state = await lifespan.begin()
            self._lifespan = lifespan

    async def close(self) -> None:
        """End the lifespans, and give back what is shared; what nobody else uses is closed. Once is enough."""
        if self.closed:
            return
        self.closed = True
        try:
            if self._lifespan is not None:
                lifespan, self._lifespan = self._lifespan, None
                await lifespan.end()
        finally:
            self.site.forget()
            await self.share.release()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request over HTTP."""
        if self._state:
            scope.setdefault("state", {}).update(self._state)
        task = asyncio.current_task()
        assert task is not None
        self.requests.add(task)
        try:
            with self.snapshot.code.pinned():
                await self.site(scope, receive, send)
        finally:
            self.requests.discard(task)

    async def end_requests(self) -> None:
        """Let the requests whose turns have been ended come to their end, and cut off the others."""
        if self.requests:
            await asyncio.wait(set(self.requests), timeout=_LAST_WORDS_S)
        for task in self.requests:
            task.cancel()
        if self.requests:
            await asyncio.wait(set(self.requests), timeout=_LAST_WORDS_S)

    def take_over(self, before: Generation) -> None:
        """Take over what the objects of `before` hold, right before this one serves. Raise ProjectBuildError."""
        problems = Problems(self.snapshot.code.sources)
        with self.snapshot.code.pinned():
            empty = take_over(before.snapshot.shared, self.snapshot.shared, problems)
        if problems.recorded:
            raise ProjectBuildError(problems.recorded)
        self.began_empty = tuple(empty)


def build_generation(reading: Reading, share: Share, before: Generation | None, runtime: Runtime) -> Generation:
    """Build what was read, which has a configuration. Raise ProjectBuildError; the caller then gives `share` back.

    `before` is what serves now: as long as the project's Python has not changed, its modules are kept, and with them
    whatever they hold.
    """
    if before is not None and not before.closed and before.snapshot.code.hash == reading.sources.hash:
        code = before.snapshot.code
    else:
        code = ProjectCode(reading.loaded.root, reading.sources)
    with code.attempt():
        return _assemble(reading, code, share, before, runtime)


def _assemble(
    reading: Reading, code: ProjectCode, share: Share, before: Generation | None, runtime: Runtime
) -> Generation:
    loaded = reading.loaded
    assert loaded.config is not None
    # The first one taken is the last one given back: the objects that its modules made are closed before.
    share.get(("code", code), lambda: code, ProjectCode.discard)
    snapshot = build(loaded.config, loaded.files, code, loaded.environ, share, build_converter)
    store = _shared_store(snapshot, share)
    uploads = _uploads(snapshot, store.store, share)
    return Generation(
        number=1 if before is None else before.number + 1,
        reading=reading,
        snapshot=snapshot,
        share=share,
        site=Site(snapshot, runtime.server, State({"runtime": runtime}), uploads),
        uploads=uploads,
        _store=store,
    )


def _uploads(snapshot: Snapshot, store: ThreadStore, share: Share) -> Uploads | None:
    declared = snapshot.config.chat.attachments
    if declared is None:
        return None

    def make() -> Uploads:
        return Uploads(declared, store, open_file_store(declared.store, snapshot.root, declared.options))

    return share.get(("uploads", declared.model_dump_json(), id(store)), make, Uploads.close)


def _shared_store(snapshot: Snapshot, share: Share) -> _SharedStore:
    declared = snapshot.config.store
    if isinstance(declared, PythonStore):
        own = snapshot.shared.store
        assert own is not None
        usage = share.get(("usage",), UsageTable)
        adapter = partial(ChatKitStoreAdapter, own, lambda owner: {"user_id": owner}, usage)
        # The adapter holds the store, so that its id is nobody else's.
        return share.get(("adapter", id(own)), lambda: _SharedStore(adapter()), _SharedStore.close)
    url = declared.url
    if url.startswith(_RELATIVE_SQLITE) and not url.startswith(_RELATIVE_SQLITE + "/"):
        url = _RELATIVE_SQLITE + os.fspath(snapshot.root / url.removeprefix(_RELATIVE_SQLITE))
    return share.get(("threads", url), lambda: _SharedStore(open_store(url)), _SharedStore.close)
