"""The names under which a model sees the tools and handoffs of its agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runtime.config.cross_checks import transfer_name
from runtime.config.model.agents import Agent
from runtime.config.openapi_documents import operation_names
from runtime.static_analysis.resolver import Symbol
from runtime.validation.checked_project import CheckedProject
from runtime.validation.python.tools import own_name


@dataclass(frozen=True, slots=True)
class AgentTools:
    """What an agent can call: `tools` maps a name to the reference in agents.yaml, `handoffs` one to an agent's name.

    `is_complete` is False where a variable is not set or a reference leads to nothing. `is_certain` is also False
    where Python may give a tool another name.
    """

    tools: Mapping[str, str]
    handoffs: Mapping[str, str]
    is_complete: bool
    is_certain: bool

    @property
    def names(self) -> set[str]:
        """All names that the agent can call."""
        return {*self.tools, *self.handoffs}


def agent_name(project: CheckedProject, key: str) -> str:
    """Return the name of the agent that agents.yaml declares as `key`."""
    agent = project.config.agents.get(key)
    return (agent.name if agent is not None else None) or key


def agent_tools(project: CheckedProject, agent: Agent) -> AgentTools:
    """Return what an agent can call."""
    tools: dict[str, str] = {}
    is_complete = all(handoff.agent in project.config.agents for handoff in agent.handoffs)
    is_certain = True
    for reference in agent.tools:
        entry = project.config.tools.get(reference)
        operations = operation_names(project.config, project.files, reference)
        if operations is not None:
            tools |= dict.fromkeys(operations, reference)
        elif entry is not None:
            tools[getattr(entry, "hosted", None) or reference] = reference
        elif ":" in reference:
            symbol = find_symbol(project, reference)
            name = own_name(symbol) if symbol is not None and symbol.kind in ("function", "tool") else ""
            is_certain = is_certain and bool(name)
            tools[name or reference.rpartition(":")[2].rpartition(".")[2]] = reference
        else:
            is_complete = False  # an unknown tool, which is reported where it is named
        is_complete = is_complete and "${" not in reference
    names = [agent_name(project, handoff.agent) for handoff in agent.handoffs if handoff.agent in project.config.agents]
    return AgentTools(tools, {transfer_name(name): name for name in names}, is_complete, is_certain and is_complete)


def find_symbol(project: CheckedProject, import_path: str) -> Symbol | None:
    """Return what an import path leads to; None where that is not certain."""
    module_name, _, attributes = import_path.partition(":")
    modules = project.resolver.modules
    module = modules.get(module_name) if modules.finder.knows(module_name) else None
    symbol = None if module is None else project.resolver.follow(module, attributes.split("."))
    return symbol if isinstance(symbol, Symbol) else None
