"""A project that has been loaded and built: its objects, its ChatKit server, and the store behind it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agents import Agent
from starlette.datastructures import State

from runtime.assemble.project import ProjectBuildError
from runtime.assemble.tools import BuiltTool
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model import Config
from runtime.diagnostics.diagnostic import Diagnostic, Place, has_errors
from runtime.errors import ConfigError, RuntimeFault
from runtime.resources.lease import Live
from runtime.resources.pool import Pool, Share
from runtime.server.generations.build_diagnostics import diagnostics_of
from runtime.server.generations.generation import Generation, build_generation
from runtime.server.generations.project_source import Reading, read_project
from runtime.server.generations.reloader import Outcome, Reloader
from runtime.server.turns.chatkit_server import RuntimeServer
from runtime.server.warmup import warm_up
from runtime.stores.store import ThreadStore

logger = logging.getLogger("runtime.server")


class Runtime:
    """What `runtime.load` returns. `open` before the first request, `close` after the last; an app does both.

    `reload` makes the next requests run on what the files hold by then; those that run keep what they began with.
    """

    def __init__(self, reading: Reading, environ: Mapping[str, str] | None = None) -> None:
        loaded = reading.loaded
        self.root, self.file, self.environ = loaded.root, loaded.file, environ
        self.pool = Pool()
        self.app_state = State({"runtime": self})
        self.server = RuntimeServer(self)
        self.live = self._first(reading)
        self.reloader = Reloader(self)
        self.draining = False
        self.at_drain: list[Callable[[], None]] = []
        """What is called when the server begins to shut down, to end what would go on for ever."""
        self._opening: asyncio.Task[None] | None = None

    @property
    def generation(self) -> Generation:
        """The generation that serves now."""
        return self.live.current

    @property
    def config(self) -> Config:
        """The configuration that serves now."""
        return self.generation.snapshot.config

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The warnings and notes about it."""
        return self.generation.reading.loaded.diagnostics

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
        """Where threads are kept now."""
        return self.generation.store

    @property
    def is_open(self) -> bool:
        """Whether requests can be served."""
        opening = self._opening
        return opening is not None and opening.done() and not opening.cancelled() and opening.exception() is None

    async def open(self) -> None:
        """Open the store; any number of calls open it once, and after `close` it can be opened again.

        Raise StoreError, or whatever the lifespan of one of the project's routes raises.
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
            self.live = self._first(self.generation.reading)
        self.draining = False
        self.reloader.begin()
        await self.generation.open()
        await warm_up()

    async def reload(self, *, asked: bool = True) -> Outcome:
        """Read the files again and let the next requests run on them; what is wrong with them is in the outcome.

        A file that looks half-written is taken as it is only if `asked`; see `Outcome`.
        """
        return await self.reloader.reload(asked=asked)

    async def drain(self, grace_s: float) -> None:
        """Take no more turns; give those that run `grace_s` seconds, then end them as errors that can be retried."""
        self.draining = True
        for end in list(self.at_drain):
            end()
        await self.server.close(grace_s)

    async def close(self, grace_s: float = 5.0) -> None:
        """Drain, then close the store and whatever else was opened."""
        if self._opening is not None:
            await asyncio.wait({self._opening}, timeout=grace_s)
        await self.drain(grace_s)
        await self.reloader.settle(grace_s)
        await self.live.wait_closed(grace_s)
        for generation in (*self.live.old, self.generation):
            await _close(generation)
        self._opening = None

    async def build(self, reading: Reading) -> Generation | tuple[Diagnostic, ...]:
        """Build and open what was read, beside what serves; or say why that is impossible, and leave no trace of it."""
        place, share = Place(reading.loaded.file.name), self.pool.share()
        try:
            made = await self.reloader.in_thread(self._build, reading, share)
        except ConfigError as error:
            await share.release()
            return tuple(error.diagnostics)
        except Exception as error:
            await share.release()
            logger.error("a new generation can't be built: %s: %s", type(error).__name__, error, exc_info=error)
            return (Diagnostic("A610", f"building the project raised {type(error).__name__}: {error}", place),)
        try:
            await made.open()
            made.take_over(self.generation)
        except Exception as error:
            await _close(made)
            if isinstance(error, ProjectBuildError):
                return tuple(diagnostics_of(error.problems, reading))
            logger.error("a new generation can't be opened: %s: %s", type(error).__name__, error, exc_info=error)
            return (Diagnostic("A610", f"the project can't be opened: {type(error).__name__}: {error}", place),)
        return made

    def _first(self, reading: Reading) -> Live[Generation]:
        share = self.pool.share()
        try:
            made = self._build(reading, share)
        except BaseException:
            share.drop()
            raise
        made.snapshot.code.publish()
        return Live(made, _close)

    def _build(self, reading: Reading, share: Share) -> Generation:
        before = self.live.current if hasattr(self, "live") else None
        try:
            return build_generation(reading, share, before, self)
        except ProjectBuildError as failed:
            raise ConfigError(diagnostics_of(failed.problems, reading)) from failed
        except SystemExit as error:
            raise RuntimeFault(f"the project called sys.exit({error.code!r}) while it was built") from error


def load(path: str | Path = "agents.yaml", *, environ: Mapping[str, str] | None = None) -> Runtime:
    """Load a project: the folder, or its agents.yaml. Its Python runs; nothing is served yet.

    `environ` stands for the process's environment. Raise ConfigError with every mistake at once.
    """
    return build_runtime(read_project(Path(path).absolute(), environ), environ)


def build_runtime(reading: Reading, environ: Mapping[str, str] | None = None) -> Runtime:
    """Build a project that has been read. Raise ConfigError with every mistake at once."""
    if reading.loaded.config is None or has_errors(reading.loaded.diagnostics):
        raise ConfigError(reading.loaded.diagnostics)
    return Runtime(reading, environ)


async def _close(generation: Generation) -> None:
    try:
        await generation.close()
    except Exception as error:
        logger.error("closing generation %s raised %s: %s", generation.number, type(error).__name__, error)
