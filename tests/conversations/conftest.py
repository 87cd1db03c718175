"""Projects made for one test, their app, and a client that talks to it; and a backend on the bare SDKs beside them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from agents import Agent
from fastapi import FastAPI

from runtime.server.app import build_app
from runtime.server.generations.project_source import read_project
from runtime.server.runtime import Runtime, build_runtime
from runtime.server.settings import ServerSettings
from tests.conversations.bare import BareServer, bare_app
from tests.conversations.later_turns import LaterTurn, play_on, say_later
from tests.conversations.over_http import WANTED, OverHttp
from tests.conversations.playing import Player, on_stage
from tests.conversations.talking import PATIENCE_S, Client, Exchange, leave_all


@dataclass(kw_only=True)
class Chat(Client):
    """A client of a project, and what is behind it."""

    runtime: Runtime
    player: Player
    folder: Path
    turn: LaterTurn | None = None

    async def say(self, text: str, thread: str | None = None, **more: Any) -> Exchange:
        if self.turn is None or thread is not None:
            return await super().say(text, thread, **more)
        return await say_later(self.begin, self.turn, text, **more)

    async def items(self, thread: str) -> list[dict[str, Any]]:
        items = await super().items(thread)
        return items if self.turn is None else items[self.turn.items :]

    async def hidden(self, thread: str, owner: str = "local") -> list[Any]:
        """Every item that the thread holds, those that only the model sees among them."""
        from runtime.stores.store import ALL_KINDS

        page = await self.runtime.store.load_items(owner, thread, limit=1000, order="asc", kinds=ALL_KINDS)
        return page.data


@dataclass(kw_only=True)
class Bare(Client):
    server: BareServer
    player: Player


MakeChat = Callable[..., Awaitable[Chat]]
MakeBare = Callable[..., Bare]

QUICK = ServerSettings(files_stable_s=0.01, offline=True)
"""No test waits for its own edits to settle."""


def write_project(folder: Path, config: Mapping[str, Any], files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    declared = {"version": 1, "store": "memory", "auth": "none", **config}
    if str(declared["store"]).startswith("postgres"):
        declared["store"] = {"url": declared["store"], "timeout": PATIENCE_S}
    (folder / "agents.yaml").write_text(
        json.dumps({key: value for key, value in declared.items() if value is not None})
    )
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def player() -> Iterator[Player]:
    made = Player()
    name = uuid4().hex
    on_stage[name] = made
    made.stage_name = name
    yield made
    del on_stage[name]


@pytest.fixture
def turn(request: pytest.FixtureRequest, player: Player) -> Iterator[LaterTurn | None]:
    """Where a conversation is in its thread: at its beginning, or as `EVERY_TURN` says."""
    number: int | None = getattr(request, "param", None)
    if number is None:
        yield None
        return
    with play_on(player) as stub:
        yield LaterTurn(number, stub)


@pytest.fixture
async def chat(tmp_path: Path, player: Player, turn: LaterTurn | None) -> AsyncIterator[MakeChat]:
    """Make a project from its agents.yaml (a mapping) and files, open its app, and give a client of it.

    `default` is the player where the project declares no models, or a Chat Completions endpoint that plays it.
    """
    modules = set(sys.modules)
    async with AsyncExitStack() as stack:

        async def make(
            config: Mapping[str, Any] | None = None,
            name: str = "project",
            environ: Any = None,
            settings: ServerSettings = QUICK,
            **files: str,
        ) -> Chat:
            declared = {"agents": {"helper": {}}, **(config or {})}
            played = {"python": "tests.conversations.playing:find", "with": {"name": player.stage_name}}
            declared.setdefault("models", {"default": played if turn is None else turn.model})
            folder = tmp_path / name
            write_project(folder, declared, {file_name(key): text for key, text in files.items()})
            environ = environ or {}
            app = build_app(build_runtime(read_project(folder, environ), environ, settings))
            await stack.enter_async_context(app.router.lifespan_context(app))
            path = app.state.runtime.config.server.path
            reached: Any = OverHttp(app, stack) if WANTED else app
            return Chat(app=reached, path=path, runtime=app.state.runtime, player=player, folder=folder, turn=turn)

        yield make
        leave_all()
    for module in set(sys.modules) - modules:
        if str(getattr(sys.modules[module], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[module]


def file_name(key: str) -> str:
    """Return app/tools.py for `app__tools_py`: keyword arguments can't contain slashes and dots."""
    stem, _, ending = key.rpartition("_")
    return f"{stem.replace('__', '/')}.{ending}" if ending in ("py", "yaml", "md", "widget", "json") else key


@pytest.fixture
def bare(player: Player) -> MakeBare:
    def make(**options: Any) -> Bare:
        slow, max_turns = options.pop("slow", False), options.pop("max_turns", 10)
        agent: Agent[Any] = Agent(name="helper", model=player, **options)
        server = BareServer(agent, slow=slow, max_turns=max_turns)
        app: FastAPI = bare_app(server)
        return Bare(app=app, server=server, player=player)

    return make
