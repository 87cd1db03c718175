"""Agents of the project's own Python (`agents: {cat: {python: …}}`): copied, before agents.yaml is laid over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from agents import Agent, Handoff, RunContextWrapper

from runtime.assemble.contained_objects import ContainedHooks
from runtime.assemble.context import RuntimeContext
from runtime.assemble.functions import ProjectFunctions
from runtime.assemble.guardrails import NO_GUARDRAILS, GuardrailSet, enforce
from runtime.assemble.problems import BuildError, Problems
from runtime.config.model import Config
from runtime.config.model import agents as declared
from runtime.config.references import ANOTHER_NAME, agents_of_one_name
from runtime.project_code.loader import ProjectCode
from runtime.resources.containment import contained, contained_function

OwnAgents = Mapping[str, Agent[Any]]
"""The project's own objects, unchanged, by the agent's key."""
MakeHandoff = Callable[[str], Handoff[Any, Any]]
"""Makes the handoff to the agent of a key."""


def resolve_own_agents(config: Config, code: ProjectCode, problems: Problems) -> OwnAgents:
    """Return the objects that `python` of agents names; failures are recorded in `problems`."""
    own: dict[str, Agent[Any]] = {}
    for key, entry in config.agents.items():
        if entry.python is not None:
            with problems.record("A302", "agents", key, "python"):
                own[key] = _resolve(key, entry, config, code)
    return own


def _resolve(key: str, entry: declared.Agent, config: Config, code: ProjectCode) -> Agent[Any]:
    value = code.resolve(str(entry.python))
    if not isinstance(value, Agent):
        hint = "name an Agent of the Agents SDK that a module holds"
        raise BuildError(f"{entry.python!r} is {type(value).__name__}, not an agents.Agent", hint, code="A324")
    if value.mcp_servers and not entry.has_key("tools"):
        hint = "declare them under 'mcp', and list 'SERVER.*' in the agent's 'tools'"
        raise BuildError(f"{entry.python!r} has 'mcp_servers', which nobody connects", hint)
    if _needs_output(value) and entry.output is None and key in _answering(config):
        hint = "add 'output: {template: …}', or 'output: {widget: …}'"
        raise BuildError(f"{entry.python!r} has an 'output_type', and nothing shows its answer", hint)
    return value


def _needs_output(agent: Agent[Any]) -> bool:
    return agent.output_type is not None and agent.output_type is not str


def _answering(config: Config) -> set[str]:
    """Return the keys of the agents that may answer a user, rather than only another agent."""
    return {*config.entry_agents, *(handoff.agent for agent in config.agents.values() for handoff in agent.handoffs)}


def copy_agent(own: Agent[Any], name: str | None, functions: ProjectFunctions) -> Agent[RuntimeContext]:
    """Return a copy without what the runtime builds anew: tools, handoffs and guardrails."""
    return dataclasses.replace(
        own,
        name=name or own.name,
        instructions=functions.limited(own.instructions, f"the instructions of {own.name!r}")
        if callable(own.instructions)
        else own.instructions,
        hooks=None if own.hooks is None else ContainedHooks(own.hooks),
        tools=[],
        handoffs=[],
        mcp_servers=[],
        input_guardrails=[],
        output_guardrails=[],
    )


def own_handoffs(
    key: str,
    own: OwnAgents,
    agents: Mapping[str, Agent[Any]],
    guardrails: Mapping[str, GuardrailSet],
    make: MakeHandoff,
) -> list[Handoff[Any, Any]]:
    """Return the handoffs of an object, which lead to the declared agents. Raise BuildError for any other agent."""
    keys = {id(agent): other for other, agent in own.items()}
    by_name = {agent.name: other for other, agent in own.items()}
    handoffs: list[Handoff[Any, Any]] = []
    for target in own[key].handoffs:
        found = keys.get(id(target)) if isinstance(target, Agent) else by_name.get(target.agent_name)
        if found is None:
            name = target.name if isinstance(target, Agent) else target.agent_name
            hint = "declare it, too: `agents: {NAME: {python: …}}`; or write the agent's 'handoffs'"
            raise BuildError(f"it hands over to the agent {name!r}, which agents.yaml does not declare", hint)
        if isinstance(target, Agent):
            handoffs.append(make(found))
        else:
            handoffs.append(_led_to(target, agents[found], guardrails.get(found, NO_GUARDRAILS)))
    return handoffs


def _led_to(handoff: Handoff[Any, Any], agent: Agent[Any], guardrails: GuardrailSet) -> Handoff[Any, Any]:
    """Return a copy of a handoff of the SDK that leads to the declared agent, once its own function was called."""
    inner = handoff.on_invoke_handoff

    async def take(ctx: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
        user_text = ctx.context._turn_state.user_text
        if user_text is not None:
            await enforce(guardrails.input, ctx.context, agent, user_text)
        with contained(f"the handoff {handoff.tool_name!r}"):
            await inner(ctx, arguments)
        return agent

    enabled, narrow = handoff.is_enabled, handoff.input_filter
    return dataclasses.replace(
        handoff,
        on_invoke_handoff=take,
        agent_name=agent.name,
        is_enabled=contained_function(enabled) if callable(enabled) else enabled,
        input_filter=None if narrow is None else contained_function(narrow),
    )


def check_names(agents: Mapping[str, Agent[Any]], own: OwnAgents, problems: Problems) -> None:
    """Record a problem for each object whose name another agent has: turns find their agent by its name."""
    names = {key: agent.name for key, agent in agents.items()}
    # An object last, so that it is the one of the two that is reported.
    for key, message in agents_of_one_name({key: names[key] for key in sorted(names, key=own.__contains__)}):
        if key in own:
            with problems.record("A216", "agents", key, "python"):
                raise BuildError(message, ANOTHER_NAME)
