from __future__ import annotations

import asyncio
import copy
import importlib.util
import random
from types import ModuleType
from typing import Any

from agents import Agent, RunHooks, Runner
from agents.run_internal import agent_tool_configuration, run_loop, tool_use_tracker
from agents.util import _coro

import runtime.assemble.tools  # noqa: F401  # takes the shortcuts
from runtime.assemble.models import run_config
from runtime.sdk_shortcuts import fix_identities
from tests.conversations.playing import Player


async def _answer(value: object) -> object:
    await asyncio.sleep(0)
    return value


async def test_hooks_that_nobody_wrote_start_no_task() -> None:
    started: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coroutine, **options: _noted(started, loop, coroutine, options))
    try:
        gather = vars(run_loop)["gather_with_cancel"]
        assert await gather() == ()
        assert await gather(_coro.noop_coroutine(), RunHooks[Any]().on_agent_start(Any, Any)) == (None, None)
        assert started == []
        mixed = await gather(_coro.noop_coroutine(), _answer(1), _coro.noop_coroutine(), _answer(2))
        assert mixed == (None, 1, None, 2)
        assert len(started) == 2
        assert await gather(_answer(1), _answer(2)) == (1, 2)
    finally:
        loop.set_task_factory(None)


def _noted(started: list[object], loop: Any, coroutine: Any, options: dict[str, Any]) -> asyncio.Task[Any]:
    started.append(coroutine)
    return asyncio.Task(coroutine, loop=loop, **options)


async def test_hooks_of_ones_own_are_called() -> None:
    heard: list[str] = []

    class Hooks(RunHooks[Any]):
        async def on_agent_start(self, context: Any, agent: Any) -> None:
            heard.append("agent")

        async def on_llm_end(self, context: Any, agent: Any, response: Any) -> None:
            heard.append("model")

    agent: Agent[Any] = Agent(name="A", model=Player("Hi."))
    await Runner.run(agent, "Hello", hooks=Hooks(), run_config=run_config())
    assert heard == ["agent", "model"]


def _as_installed() -> ModuleType:
    """Return the SDK's module again, as it is without the shortcut."""
    spec = importlib.util.find_spec(agent_tool_configuration.__name__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Runs:
    """Runs of one agent whose tools change, checked by one version of the SDK's module."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.agent = module, Agent[Any](name="A")
        self.active: list[Any] = []

    def act(self, action: str, tools: list[Any], chance: random.Random) -> list[bool]:
        module = self.module
        match action:
            case "begin":
                run = module._ToolResolution(self.agent, tuple(self.agent.tools))
                self.active.append(run)
                module._observe_tools(self.active, run.initial_tools)
            case "end" if self.active:
                module._observe_tools(self.active, tuple(self.agent.tools))
                del self.active[chance.randrange(len(self.active))]
            case "look":
                module._observe_tools(self.active, tuple(self.agent.tools))
            case "change":
                vars(self.agent)["tools"] = list(tools)
            case "assign":
                module._resolutions[id(self.agent)] = self.active
                module.assign_agent_tools(self.agent, list(tools))
                del module._resolutions[id(self.agent)]
        return [run.conflicted for run in self.active]


def test_concurrent_runs_meet_the_same_conflicts_over_tools() -> None:
    assert agent_tool_configuration._observe_tools.__module__ == "runtime.sdk_shortcuts"
    sets = [[], [object()], [object()], [object(), object()]]
    conflicts, pristine = 0, _as_installed()
    for seed in range(300):
        chance = random.Random(seed)
        ours, theirs = _Runs(agent_tool_configuration), _Runs(pristine)
        for _ in range(40):
            action, tools = chance.choice(["begin", "begin", "end", "look", "change", "assign"]), chance.choice(sets)
            number = chance.random()
            marked = ours.act(action, tools, random.Random(number))
            assert marked == theirs.act(action, tools, random.Random(number))
            conflicts += any(marked)
    assert conflicts > 100


def test_identities_are_built_once_for_agents_that_do_not_change() -> None:
    build = vars(tool_use_tracker)["_build_agent_identity_keys_by_id"]
    waiter: Agent[Any] = Agent(name="Same", instructions="Wait.")
    cook: Agent[Any] = Agent(name="Same", instructions="Cook.", handoffs=[waiter])
    keys = {id(cook): "Same", id(waiter): "Same#2"}
    assert build(cook) == keys
    assert build(cook) is not build(cook)
    fix_identities([cook, waiter])
    assert build(cook) == keys
    assert build(cook) is build(cook)
    twin = copy.copy(cook)
    assert build(twin) == {id(twin): "Same", id(waiter): "Same#2"}
    other = cook.clone(name="Other")
    assert build(other) == {id(other): "Other", id(waiter): "Same"}
