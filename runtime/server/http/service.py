"""The part of a loaded project that the HTTP side uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from starlette.datastructures import State

from runtime.resources.lease import Live
from runtime.server.generations.generation import Generation
from runtime.server.generations.reloader import Reloader, ReloadOutcome
from runtime.server.settings import ServerSettings


class ProjectService(Protocol):
    """A project that can be served; `runtime.Runtime` is one."""

    settings: ServerSettings
    app_state: State
    live: Live[Generation]
    reloader: Reloader
    draining: bool
    drain_callbacks: list[Callable[[], None]]
    """Called when the server starts to drain, to end responses that would never end by themselves."""

    @property
    def generation(self) -> Generation:
        """The generation that serves."""

    @property
    def is_open(self) -> bool:
        """Whether requests can be served."""

    async def open(self) -> None:
        """Open the project, once for any number of calls."""

    async def close(self) -> None:
        """Drain, and close the project."""

    async def reload(self) -> ReloadOutcome:
        """Reload the project's files."""
