"""What the Agents SDK works out in each run although it is known: skipped, in this whole process; each with a test.

Together it is a fifth of a turn's CPU, and it grows with the streams, the agents and the tools. The results are those
of the SDK's own functions, which still serve what is not known. The names are private ones of agents 0.24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import is_
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents import Agent

_KEPT = "_kept_identities"


def skip_idle_tasks() -> None:
    """Let runs not start a task for a hook that nobody has written, and not wait where there is nothing to wait for.

    The SDK gathers the hooks of the run and of the agent at each step; an absent one is a coroutine that does nothing.
    It also gathers the conditions of handoffs and tools where there are none.
    """
    from agents.lifecycle import AgentHooksBase, RunHooksBase
    from agents.run_internal import run_loop, tool_execution, turn_preparation, turn_resolution
    from agents.util import _asyncio_tasks, _coro

    hooks = (hook for base in (RunHooksBase, AgentHooksBase) for name, hook in vars(base).items() if name[:3] == "on_")
    idle = {_coro.noop_coroutine.__code__, *(hook.__code__ for hook in hooks)}
    gather = _asyncio_tasks.gather_with_cancel

    async def gather_busy(*awaitables: Any, on_child_failure: Callable[[BaseException], None] | None = None) -> Any:
        busy = [each for each in awaitables if getattr(each, "cr_code", None) not in idle]
        if len(busy) < len(awaitables):
            for each in awaitables:
                if each not in busy:
                    each.close()
        results: Iterable[Any] = await gather(*busy, on_child_failure=on_child_failure) if busy else ()
        if len(busy) == len(awaitables):
            return results
        found = iter(results)
        return tuple(next(found) if each in busy else None for each in awaitables)

    for module in (run_loop, tool_execution, turn_preparation, turn_resolution):
        vars(module)["gather_with_cancel"] = gather_busy


def compare_tools_once() -> None:
    """Let a run compare its agent's tools with those of one concurrent run of the agent, rather than of each.

    A change of the tools marks every run that is active. So as long as the oldest one is not marked, all have the
    tools that it has; only the newest may differ.
    """
    from agents.run_internal import agent_tool_configuration

    observe = agent_tool_configuration._observe_tools

    def is_same(run: Any, tools: tuple[Any, ...]) -> bool:
        initial = run.initial_tools
        return not run.tools_assigned and len(initial) == len(tools) and all(map(is_, initial, tools))

    def observe_two(active: list[Any], tools: tuple[Any, ...]) -> None:
        if len(active) < 2:
            return
        oldest = active[0]
        if oldest.conflicted or not is_same(oldest, tools) or not is_same(active[-1], tools):
            observe(active, tools)

    agent_tool_configuration._observe_tools = observe_two


def keep_identities() -> None:
    """Let runs that begin with an agent given to `fix_identities` use the identities of the first such run.

    The SDK describes every agent that can be reached, with all tools and settings, twice in each run. The descriptions
    only tell agents of the same name apart.
    """
    from agents.run_internal import tool_use_tracker
    from agents.sandbox import runtime_session_manager

    build = tool_use_tracker._build_agent_identity_keys_by_id  # type: ignore[attr-defined]  # imported there

    def identities_of(initial_agent: Agent[Any]) -> dict[int, str]:
        kept: dict[int, str] | None = vars(initial_agent).get(_KEPT)
        if kept is None:
            return build(initial_agent)
        if id(initial_agent) not in kept:
            # Not built yet, or a copy, which has the attribute of its original.
            kept = vars(initial_agent)[_KEPT] = build(initial_agent)
        return kept

    for module in (tool_use_tracker, runtime_session_manager):
        vars(module)["_build_agent_identity_keys_by_id"] = identities_of


def fix_identities(agents: Iterable[Agent[Any]]) -> None:
    """Declare that nobody changes the names, tools, settings and handoffs of agents any more."""
    for agent in agents:
        vars(agent)[_KEPT] = {}
