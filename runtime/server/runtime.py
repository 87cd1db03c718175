"""A project that has been loaded and built: its objects, its ChatKit server, and the store behind it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents import Agent

from runtime.assemble.problems import Problem
from runtime.assemble.snapshot import BuildFailed, Snapshot, build
from runtime.assemble.tools import BuiltTool
from runtime.assemble.widgets import BuiltWidget
from runtime.config.interpolate import path_text
from runtime.config.load import Loaded, load_config
from runtime.config.model import Config
from runtime.config.model.server import PythonStore
from runtime.diagnostics import Diagnostic, has_errors
from runtime.errors import ConfigError, RuntimeFault
from runtime.live import Live
from runtime.server.chat import RuntimeServer
from runtime.server.convert import build_converter
from runtime.server.warm import warm_up
from runtime.stores import open_store
from runtime.stores.adapter import ChatKitStoreAdapter
from runtime.stores.store import ThreadStore

_RELATIVE_SQLITE = "sqlite:///"


class Runtime:
    """What `runtime.load` returns. `open` before the first request, `close` after the last; an app does both."""

    def __init__(self, loaded: Loaded, snapshot: Snapshot) -> None:
        self.root, self.file, self.diagnostics = loaded.root, loaded.file, loaded.diagnostics
        self.live = Live(snapshot, _close)
        self.store = _open_store(snapshot)
        self.server = RuntimeServer(self.live, self.store)
        self._opening: asyncio.Task[None] | None = None

    @property
    def config(self) -> Config:
        """The configuration that serves now."""
        return self.live.current.config

    @property
    def agents(self) -> Mapping[str, Agent[Any]]:
        """The agents, by their key in the file."""
        return self.live.current.agents

    @property
    def tools(self) -> Mapping[str, BuiltTool]:
        """The tools, by their key in the file or their import path."""
        return self.live.current.tools

    @property
    def widgets(self) -> Mapping[str, BuiltWidget]:
        """The widgets, by their key in the file."""
        return self.live.current.widgets

    @property
    def state(self) -> Mapping[str, Any]:
        """The objects of the `state` section, by name."""
        return self.live.current.state

    @property
    def is_open(self) -> bool:
        """Whether requests can be served."""
        opening = self._opening
        return opening is not None and opening.done() and not opening.cancelled() and opening.exception() is None

    async def open(self) -> None:
        """Open the store; any number of calls open it once. Raise StoreError, or RuntimeFault after `close`."""
        if self.live.current.models.closed:
            raise RuntimeFault("the project was closed, and its models' clients with it (load it again)")
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        try:
            await asyncio.shield(self._opening)
        except Exception:
            self._opening = None
            raise

    async def _open(self) -> None:
        await self.store.open()
        await warm_up()

    async def close(self) -> None:
        """Let running turns end, then close the store and every client of the models."""
        await self.server.close()
        await self.store.close()
        await self.live.current.close()
        self._opening = None


def load(path: str | Path = "agents.yaml", *, environ: Mapping[str, str] | None = None) -> Runtime:
    """Load a project: the folder, or its agents.yaml. Its Python runs; nothing is served yet.

    `environ` stands for the process's environment. Raise ConfigError with every mistake at once.
    """
    loaded = load_config(Path(path), environ=environ, unset="error")
    if loaded.config is None or has_errors(loaded.diagnostics):
        raise ConfigError(loaded.diagnostics)
    try:
        snapshot = build(loaded.config, loaded.root.resolve(), loaded.environ, build_converter)
    except BuildFailed as failed:
        raise ConfigError([_diagnostic(problem, loaded) for problem in failed.problems]) from failed
    return Runtime(loaded, snapshot)


def _diagnostic(problem: Problem, loaded: Loaded) -> Diagnostic:
    return Diagnostic(
        problem.code,
        problem.message,
        loaded.places.value(problem.path),
        hint=problem.hint,
        path=path_text(problem.path),
        length=loaded.places.length(problem.path),
    )


def _open_store(snapshot: Snapshot) -> ThreadStore:
    declared = snapshot.config.store
    if isinstance(declared, PythonStore):
        assert snapshot.own_store is not None
        return ChatKitStoreAdapter(snapshot.own_store, lambda owner: {"user_id": owner})
    url = declared.url
    if url.startswith(_RELATIVE_SQLITE) and not url.startswith(_RELATIVE_SQLITE + "/"):
        url = _RELATIVE_SQLITE + os.fspath(snapshot.root / url.removeprefix(_RELATIVE_SQLITE))
    return open_store(url)


async def _close(snapshot: Snapshot) -> None:
    await snapshot.close()
