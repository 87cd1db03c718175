"""One generation: a snapshot with its store and its ASGI app, built, opened and closed as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runtime.assemble.problems import Problem, Problems
from runtime.assemble.project import ProjectBuildError, Snapshot, build
from runtime.assemble.project_objects import take_over
from runtime.config.model.server import PythonStore
from runtime.config.secrets.mask import mask_diagnostics
from runtime.diagnostics.diagnostic import Diagnostic, Place, sort_diagnostics
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.errors import ConfigError, RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.resources.containment import ProjectCodeError, contained, described
from runtime.resources.pool import Share
from runtime.resources.token_usage import UsageTable
from runtime.server.attachments.uploads import Uploads
from runtime.server.generations.project_source import Hashes, ProjectSource
from runtime.server.history.converter import build_converter
from runtime.server.retention import AgingStore, Retention
from runtime.stores import open_declared_store, resolve_url
from runtime.stores.chatkit_adapter import ChatKitStoreAdapter
from runtime.stores.encrypted_files import open_file_store
from runtime.stores.store import GenerationMark, ThreadStore

_LIFESPAN_OPEN_S = 30.0
"""Seconds that the lifespans of the project's routes may take to start."""
_LAST_BYTES_S = 1.0
"""Seconds that a request may take to send its last bytes after its turn was ended."""
# These codes are about an import path rather than about the entry that contains it.
_IMPORT_PATH_CODES = {"A320", "A321", "A324"}
_IMPORT_PATH_KEYS = ("python", "factory")


class GenerationApp(Protocol):
    """The ASGI app of one generation."""

    has_page: bool
    """Whether `/` shows the chat page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

    def is_client_file(self, scope: Scope) -> bool:
        """Return whether a request reads a file of the web client, which is the same for everybody."""

    async def admit(self, scope: Scope, roles: Sequence[str]) -> Response | None:
        """Set the user of a request that another app answers; return the response to one without such a role."""

    def lifespan(self) -> AbstractAsyncContextManager[Mapping[str, Any]]:
        """Run the lifespans of the project's routers; yields the state that they share with requests."""

    def release(self) -> None:
        """Drop references to the project's routes."""


MakeApp = Callable[[Snapshot, Uploads | None], GenerationApp]


class SharedStore:
    """A store that several generations use: the first one opens it, the pool closes it after the last one."""

    def __init__(self, store: ThreadStore) -> None:
        self.store = store
        self._opened = False
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Open the store unless it is open. Raise StoreError."""
        async with self._lock:
            if not self._opened:
                await self.store.open()
                self._opened = True

    async def close(self) -> None:
        """Close the store, also if it was never opened: a store in the project's Python may hold resources."""
        await self.store.close()
        self._opened = False


class _Lifespan:
    """Runs a context manager in its own task, so that the task that enters it also exits it."""

    def __init__(self, context: AbstractAsyncContextManager[Mapping[str, Any]], code: ProjectCode) -> None:
        self._context, self._code = context, code
        self._end = asyncio.Event()

    async def start(self) -> Mapping[str, Any]:
        started: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(started), name="lifespan of the project's routes")
        both: set[asyncio.Future[Any]] = {self._task, started}
        try:
            await asyncio.wait(both, timeout=_LIFESPAN_OPEN_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not started.done():
                self._task.cancel()
        if not started.done():
            try:
                await self._task  # raises the error that stopped it
            except asyncio.CancelledError:
                raise TimeoutError(f"the lifespan of a route did not begin within {_LIFESPAN_OPEN_S:.0f} s") from None
            raise RuntimeFault("the lifespan of a route ended before it began")
        return started.result()

    async def _run(self, started: asyncio.Future[Mapping[str, Any]]) -> None:
        try:
            # A SystemExit that leaves a task ends the process.
            with contained(), self._code.pinned():
                async with self._context as value:
                    started.set_result(value)
                    await self._end.wait()
        except ProjectCodeError as error:
            raise RuntimeFault(f"the lifespan of a route {described(error.cause)}") from error.cause

    async def stop(self) -> None:
        self._end.set()
        await self._task


@dataclass(slots=True, weakref_slot=True, eq=False, kw_only=True)
class Generation:
    """A version of the project that serves requests: `open` before the first one, `close` after the last."""

    number: int
    source: ProjectSource
    snapshot: Snapshot
    share: Share
    app: GenerationApp
    uploads: Uploads | None
    shared_store: SharedStore
    retention: Retention | None
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    requests: set[asyncio.Task[Any]] = field(default_factory=set)
    """The tasks of the requests in flight."""
    closed: bool = False
    ending: bool = False
    """Whether its turns are being ended, so that no new turn may start."""
    lost_state: tuple[str, ...] = ()
    """The objects that were recreated without the state of their predecessors, such as `state.cart`."""
    _route_state: Mapping[str, Any] = field(default_factory=dict)
    _lifespan: _Lifespan | None = None

    @property
    def store(self) -> ThreadStore:
        """The store of its threads."""
        return self.shared_store.store

    @property
    def hashes(self) -> Hashes:
        """The hashes of its source."""
        return self.source.hashes

    @property
    def mark(self) -> GenerationMark:
        """The mark that is stored with a thread when this generation answers in it."""
        return GenerationMark(self.number, self.hashes.config, self.hashes.code)

    async def open(self) -> None:
        """Open the store and start the lifespans of the project's routes. Raise their errors."""
        await self.shared_store.open()
        if self.retention is not None:
            self.retention.start()
        if self.snapshot.routers and self._lifespan is None:
            lifespan = _Lifespan(self.app.lifespan(), self.snapshot.code)
            self._route_state = await lifespan.start()
            self._lifespan = lifespan

    async def close(self) -> None:
        """Stop the lifespans and release shared objects; a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        try:
            if self._lifespan is not None:
                lifespan, self._lifespan = self._lifespan, None
                await lifespan.stop()
        finally:
            self.app.release()
            await self.share.release()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if self._route_state:
            scope.setdefault("state", {}).update(self._route_state)
        task = asyncio.current_task()
        assert task is not None
        self.requests.add(task)
        try:
            with self.snapshot.code.pinned():
                await self.app(scope, receive, send)
        finally:
            self.requests.discard(task)

    async def admit(self, scope: Scope, roles: Sequence[str]) -> Response | None:
        """Set the user of a request that another app answers; return the response to one without such a role."""
        with self.snapshot.code.pinned():
            return await self.app.admit(scope, roles)

    async def end_requests(self) -> None:
        """Wait briefly for requests whose turns were ended, then cancel the remaining ones."""
        if self.requests:
            await asyncio.wait(set(self.requests), timeout=_LAST_BYTES_S)
        for task in self.requests:
            task.cancel()
        if self.requests:
            await asyncio.wait(set(self.requests), timeout=_LAST_BYTES_S)

    def take_over(self, before: Generation) -> None:
        """Copy the state of the old objects into the new ones, right before the swap. Raise ProjectBuildError."""
        problems = Problems(self.snapshot.code.sources)
        with self.snapshot.code.pinned():
            lost = take_over(before.snapshot.shared, self.snapshot.shared, problems)
        if problems.recorded:
            raise ProjectBuildError(problems.recorded)
        self.lost_state = tuple(lost)


def build_generation(
    source: ProjectSource, share: Share, before: Generation | None, make_app: MakeApp, *, offline: bool = False
) -> Generation:
    """Build a source that has a configuration. Raise ConfigError; the caller then releases `share`.

    `before` is the current generation. While the project's Python, and the data that it reads, are unchanged, its
    modules and their globals are reused.
    """
    is_same = before is not None and not before.closed and before.snapshot.code.hash == source.code.hash
    if before is not None and is_same and before.source.data_digest() == source.data_digest():
        code = before.snapshot.code
    else:
        code = ProjectCode(source.loaded.root, source.code)
    number = 1 if before is None else before.number + 1
    try:
        with contained(), code.attempt():
            return _assemble(source, code, share, number, make_app, offline)
    except ProjectBuildError as failed:
        # Imported here: a project that can be built needs no explanation.
        from runtime.validation.build_errors import explain_build_errors

        raise ConfigError(explain_build_errors(source.loaded, to_diagnostics(failed.problems, source))) from failed
    except ProjectCodeError as error:
        raise RuntimeFault(f"the project {described(error.cause)} while it was built") from error.cause


def _assemble(
    source: ProjectSource, code: ProjectCode, share: Share, number: int, make_app: MakeApp, offline: bool
) -> Generation:
    loaded = source.loaded
    assert loaded.config is not None
    # Taken first, so released last: objects that the code made are closed before it.
    share.get(("code", code), lambda: code, ProjectCode.discard)
    snapshot = build(loaded.config, loaded.files, code, loaded.environ, share, build_converter, offline=offline)
    store = _shared_store(snapshot, share)
    uploads = _uploads(snapshot, store.store, share)
    return Generation(
        number=number,
        source=source,
        snapshot=snapshot,
        share=share,
        app=make_app(snapshot, uploads),
        uploads=uploads,
        shared_store=store,
        retention=_retention(snapshot, store.store, uploads, share),
    )


def _retention(snapshot: Snapshot, store: ThreadStore, uploads: Uploads | None, share: Share) -> Retention | None:
    keep_s = getattr(snapshot.config.store, "keep", None)
    if keep_s is None:
        return None
    # Only `store: {python: …}` gives another kind of store, and that has no `keep`.
    aging = cast(AgingStore, store)
    key = ("retention", id(store), keep_s, id(uploads))
    return share.get(key, lambda: Retention(aging, keep_s, uploads), Retention.close)


def _uploads(snapshot: Snapshot, store: ThreadStore, share: Share) -> Uploads | None:
    declared = snapshot.config.chat.attachments
    if declared is None:
        return None

    keys = tuple(getattr(snapshot.config.store, "encrypt", None) or ())

    def make() -> Uploads:
        return Uploads(declared, store, open_file_store(declared.store, snapshot.root, declared.options, keys))

    return share.get(("uploads", declared.model_dump_json(), id(store), keys), make, Uploads.close)


def _shared_store(snapshot: Snapshot, share: Share) -> SharedStore:
    declared = snapshot.config.store
    if isinstance(declared, PythonStore):
        own = snapshot.shared.store
        assert own is not None
        usage = share.get(("usage",), UsageTable)
        adapter = partial(ChatKitStoreAdapter, own, lambda owner: {"user_id": owner}, usage)
        # The adapter references `own`, so no other object gets its id while the key is in use.
        return share.get(("adapter", id(own)), lambda: SharedStore(adapter()), SharedStore.close)
    # What is in memory outlives edits of what holds for databases alone.
    options = () if declared.url == "memory" else (*(declared.encrypt or ()), declared.connections, declared.timeout)
    key = ("threads", resolve_url(declared.url, snapshot.root), options)
    return share.get(key, lambda: SharedStore(open_declared_store(declared, snapshot.root)), SharedStore.close)


def to_diagnostics(problems: Iterable[Problem], source: ProjectSource) -> list[Diagnostic]:
    """Return the problems as diagnostics in agents.yaml or at a line of Python, masked and sorted by place.

    A broken module gives one diagnostic, however many entries import it.
    """
    diagnostics: list[Diagnostic] = []
    in_python: dict[tuple[str, Place], list[Problem]] = {}
    for problem in problems:
        if problem.place is None:
            diagnostics.append(_in_config(problem, source))
        else:
            in_python.setdefault((problem.code, problem.place), []).append(problem)
    diagnostics += [_in_python(place, same, source) for (_, place), same in in_python.items()]
    return sort_diagnostics(mask_diagnostics(diagnostics, source.loaded.secrets))


def _in_config(problem: Problem, source: ProjectSource) -> Diagnostic:
    places, path = source.loaded.places, problem.path
    if problem.code in _IMPORT_PATH_CODES:
        path = _import_path_key(path, source)
    place, length = places.value(path), places.length(path)
    return Diagnostic(problem.code, problem.message, place, hint=problem.hint, path=path_text(path), length=length)


def _in_python(place: Place, same: Sequence[Problem], source: ProjectSource) -> Diagnostic:
    first, others = same[0], len(same) - 1
    needed_by = str(source.loaded.places.value(first.path))
    if others:
        hint = f"{needed_by} and {others} other place{'s' if others > 1 else ''} need it"
    else:
        hint = f"{needed_by} needs it"
    hint = f"{first.hint}; {hint}" if first.hint else hint
    return Diagnostic(first.code, first.message, place, hint=hint, path=path_text(first.path), length=first.length)


def _import_path_key(path: KeyPath, source: ProjectSource) -> KeyPath:
    """Extend the path of an entry to its key that holds an import path, if it has one."""
    filled = source.loaded.filled
    value: Any = filled.source.data if filled is not None else None
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return path
    if isinstance(value, Mapping):
        return next(((*path, key) for key in _IMPORT_PATH_KEYS if key in value), path)
    return path
