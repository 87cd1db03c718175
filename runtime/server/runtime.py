"""A loaded project: the composition root that connects generations, reloads, turns and HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents import Agent, Runner
from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadItemDoneEvent
from starlette.datastructures import State

from runtime.assemble.models import run_config
from runtime.assemble.project import ProjectBuildError, Snapshot
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.assemble.tools import BuiltTool
from runtime.assemble.widgets import BuiltWidget
from runtime.config.includes import PROFILE_VARIABLE
from runtime.config.model import Config
from runtime.diagnostics.diagnostic import Diagnostic, Place, has_errors
from runtime.errors import ConfigError
from runtime.resources.lease import Live
from runtime.resources.pool import Pool, Share
from runtime.server.attachments.uploads import Uploads
from runtime.server.generations.generation import Generation, build_generation, to_diagnostics
from runtime.server.generations.project_source import ProjectSource, read_project
from runtime.server.generations.reloader import Listener, Reloader, ReloadOutcome
from runtime.server.http.rate_limits import RequestLimiter
from runtime.server.http.routes import ProjectApp
from runtime.server.settings import DEFAULT_SETTINGS, ServerSettings
from runtime.server.turns.chatkit_server import RuntimeServer
from runtime.server.turns.sse import frame
from runtime.stores.store import ThreadStore

logger = logging.getLogger("runtime.server")
_warm = False


class Runtime:
    """A loaded project. `open` it before the first request and `close` it after the last; an app does both.

    After a `reload`, new requests use the new files; running ones end on those that they started with.
    """

    def __init__(
        self,
        source: ProjectSource,
        environ: Mapping[str, str] | None = None,
        settings: ServerSettings = DEFAULT_SETTINGS,
    ) -> None:
        self.root, self.file, self.environ = source.loaded.root, source.loaded.file, environ
        self.settings = settings
        self.pool = Pool()
        self.request_limiter = RequestLimiter()
        self.app_state = State({"runtime": self})
        self.server = RuntimeServer(lambda: self.live, lambda: self.draining, settings)
        self.live = self._build_first(source, None)
        self.reloader = Reloader(
            live=lambda: self.live,
            read=lambda: read_project(self.file, self.environ),
            build=self._build_next,
            end_turns=self.server.end_turns,
            is_draining=lambda: self.draining,
            settings=settings,
        )
        self.draining = False
        self.drain_callbacks: list[Callable[[], None]] = []
        """Called when the server starts to drain, to end responses that would never end by themselves."""
        self._opening: asyncio.Task[None] | None = None

    @property
    def generation(self) -> Generation:
        """The generation that serves."""
        return self.live.current

    @property
    def config(self) -> Config:
        """The configuration."""
        return self.generation.snapshot.config

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The warnings and notes about the configuration."""
        return self.generation.source.loaded.diagnostics

    @property
    def agents(self) -> Mapping[str, Agent[Any]]:
        """The agents, by their key in the file."""
        return self.generation.snapshot.agents

    @property
    def tools(self) -> Mapping[str, BuiltTool]:
        """The tools, by their key in the file or their import path."""
        return self.generation.snapshot.tools

    @property
    def widgets(self) -> Mapping[str, BuiltWidget]:
        """The widgets, by their key in the file."""
        return self.generation.snapshot.widgets

    @property
    def state(self) -> Mapping[str, Any]:
        """The objects of the `state` section, by name."""
        return self.generation.snapshot.shared.state

    @property
    def store(self) -> ThreadStore:
        """The store of the threads."""
        return self.generation.store

    @property
    def is_open(self) -> bool:
        """Whether requests can be served."""
        opening = self._opening
        return opening is not None and opening.done() and not opening.cancelled() and opening.exception() is None

    async def open(self) -> None:
        """Open the store, once for any number of calls; after `close` the project can be opened again.

        Raise StoreError, or the error of a lifespan of the project's routes.
        """
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        try:
            await asyncio.shield(self._opening)
        except Exception:
            self._opening = None
            raise

    async def _open(self) -> None:
        if self.generation.closed:
            self.live = self._build_first(self.generation.source, self.generation)
        self.draining = False
        self.reloader.bind_to_loop()
        await self.generation.open()
        await _warm_up()

    async def reload(self, *, explicit: bool = True) -> ReloadOutcome:
        """Read the files again, and serve them to new requests. Errors in the files are in the outcome, never raised.

        With `explicit=False`, as after an edit that was noticed, a file that looks half-written is held back.
        """
        return await self.reloader.reload(explicit=explicit)

    def on_reload(self, listener: Listener) -> None:
        """Call `listener` in the event loop with the outcome of each later reload."""
        self.reloader.listeners.append(listener)

    async def drain(self, grace_s: float) -> None:
        """Refuse new turns; after `grace_s` seconds end the running ones with an error that can be retried."""
        self.draining = True
        for callback in list(self.drain_callbacks):
            callback()
        await self.server.close(grace_s)

    async def close(self, grace_s: float = 5.0) -> None:
        """Drain, then close the store and everything else that was opened."""
        if self._opening is not None:
            await asyncio.wait({self._opening}, timeout=grace_s)
        await self.drain(grace_s)
        await self.reloader.wait_idle(grace_s)
        await self.live.wait_closed(grace_s)
        for generation in (*self.live.old, self.generation):
            await _close(generation)
        self._opening = None

    def _build_first(self, source: ProjectSource, before: Generation | None) -> Live[Generation]:
        share = self.pool.share()
        try:
            built = self._build(source, share, before)
        except BaseException:
            share.drop()
            raise
        built.snapshot.code.publish()
        return Live(built, _close)

    async def _build_next(self, source: ProjectSource) -> Generation | tuple[Diagnostic, ...]:
        """Build and open a generation beside the current one; return the errors if that fails, and release all."""
        place, share = Place(source.loaded.file.name), self.pool.share()
        try:
            built = await self.reloader.run_in_thread(self._build, source, share, self.generation)
        except ConfigError as error:
            await share.release()
            return tuple(error.diagnostics)
        except Exception as error:
            await share.release()
            logger.error("a new generation can't be built: %s: %s", type(error).__name__, error, exc_info=error)
            return (Diagnostic("A610", f"building the project raised {type(error).__name__}: {error}", place),)
        try:
            await built.open()
            built.take_over(self.generation)
        except Exception as error:
            await _close(built)
            if isinstance(error, ProjectBuildError):
                return tuple(to_diagnostics(error.problems, source))
            logger.error("a new generation can't be opened: %s: %s", type(error).__name__, error, exc_info=error)
            return (Diagnostic("A610", f"the project can't be opened: {type(error).__name__}: {error}", place),)
        return built

    def _build(self, source: ProjectSource, share: Share, before: Generation | None) -> Generation:
        def make_app(snapshot: Snapshot, uploads: Uploads | None) -> ProjectApp:
            # Each generation has its own `request.app.state`.
            return ProjectApp(
                snapshot, self.server, State({"runtime": self}), uploads, self.settings, self.request_limiter
            )

        return build_generation(source, share, before, make_app, offline=self.settings.offline)


def load(
    path: str | Path = "agents.yaml",
    *,
    environ: Mapping[str, str] | None = None,
    profile: str | None = None,
    offline: bool = False,
) -> Runtime:
    """Load the project in a folder, or of its agents.yaml, and run its Python, without serving it.

    `environ` replaces the environment of the process. `profile` selects one of the file's `profiles`, as `--profile`
    does; an empty text selects none, whatever CHATKIT_PROFILE says. With `offline`, a model without a key
    answers from its `offline` script; otherwise the missing key is an error. Raise ConfigError with all errors.
    """
    if profile is not None:
        # A reload reads the environment again, so the profile is laid over it rather than copied into it.
        environ = ChainMap({PROFILE_VARIABLE: profile}, dict(environ) if environ is not None else os.environ)
    settings = replace(DEFAULT_SETTINGS, offline=offline)
    return build_runtime(read_project(Path(path).absolute(), environ), environ, settings)


def build_runtime(
    source: ProjectSource, environ: Mapping[str, str] | None = None, settings: ServerSettings = DEFAULT_SETTINGS
) -> Runtime:
    """Build a project from its source. Raise ConfigError with all errors."""
    if source.loaded.config is None or has_errors(source.loaded.diagnostics):
        raise ConfigError(source.loaded.diagnostics)
    return Runtime(source, environ, settings)


async def _close(generation: Generation) -> None:
    try:
        await generation.close()
    except Exception as error:
        logger.error("closing generation %s raised %s: %s", generation.number, type(error).__name__, error)


async def _warm_up() -> None:
    """Run one offline turn in a process, so that the first user does not wait for the SDKs' lazy initialisation."""
    global _warm
    if _warm:
        return
    _warm = True
    model = ScriptedConversation.from_data({"otherwise": "ready"})
    result = Runner.run_streamed(Agent(name="warm-up", model=model), "ready?", run_config=run_config())
    async for _ in result.stream_events():
        continue
    content = [AssistantMessageContent(text="ready")]
    item = AssistantMessageItem(id="warm-up", thread_id="warm-up", created_at=datetime.now(UTC), content=content)
    frame(ThreadItemDoneEvent(item=item))
