"""`entry` and the menus of the composer -> the entry agent of a message, and the model and tool that the user chose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents import Agent, HostedMCPTool, Tool
from agents.model_settings import MCPToolChoice
from chatkit.types import InferenceOptions

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import AsyncFunction, ProjectFunctions, holds
from runtime.assemble.models import Models, build_settings
from runtime.assemble.problems import Problems
from runtime.assemble.roles import may_use, require_role
from runtime.assemble.tools import BuiltTool
from runtime.auth.user import User
from runtime.config.model import Config
from runtime.config.model.agents import ChosenTool, PythonEntry, Route
from runtime.config.openapi_documents import has_tool
from runtime.errors import RuntimeFault
from runtime.sdk_shortcuts import fix_identities
from runtime.templates.template import Template

Agents = Mapping[str, Agent[RuntimeContext]]


@dataclass(frozen=True, slots=True)
class EntryAgent:
    """The agent that starts a turn: its key in the file, and the object, with the user's choices applied."""

    key: str
    agent: Agent[RuntimeContext]


@dataclass(slots=True)
class Routing:
    """Chooses the entry agent. An agent with a chosen model or tool is a copy, made once for each choice."""

    config: Config
    agents: Agents
    models: Models
    tools: Mapping[str, BuiltTool]
    routes: tuple[Route, ...] = ()
    function: AsyncFunction | None = None
    _copies: dict[tuple[str, str | None, str | None], Agent[RuntimeContext]] = field(default_factory=dict)

    async def choose_agent(
        self, context: RuntimeContext, chosen: InferenceOptions | None, active: str | None = None
    ) -> str:
        """Return the key of the entry agent, which the user may use; `active` is the agent that answered last.

        Raise RuntimeFault if the project's function returns an unknown key, RequestError (403) if the user may not use
        the agent that is left.
        """
        key = await self._choose(context, chosen, active)
        self.require(key, context.user)
        return key

    @property
    def is_restricted(self) -> bool:
        """Whether an agent that may answer first requires a role."""
        sticky = (agent for agent in self.config.agents.values() if agent.sticky)
        return any(agent.roles for agent in (*sticky, *(self.config.agents[key] for key in self.config.entry_agents)))

    def require(self, key: str, user: User | None) -> None:
        """Raise RequestError (403) unless a user may use an agent."""
        if key in self.config.agents:
            require_role(user, self.config.agents[key].roles, "this assistant")

    def require_choice(self, choice: str, user: User | None) -> None:
        """Raise RequestError (403) unless a user may use the tool behind an entry of the composer's tool menu."""
        tool = next((entry.tool for entry in self.config.chat.composer.tools if entry.id == choice), None)
        built = self.tools.get(tool) if tool is not None else None
        for roles in built.required if built is not None else ():
            require_role(user, roles, f"the tool {choice!r}")

    def _may_use(self, key: str, user: User | None) -> bool:
        roles = self.config.agents[key].roles
        return not roles or may_use(user, (roles,))

    async def _choose(self, context: RuntimeContext, chosen: InferenceOptions | None, active: str | None) -> str:
        if self.function is not None:
            key = await self.function(context)
            if key not in self.agents:
                raise RuntimeFault(f"the function of `entry` returned {key!r}, and no agent is named that")
            return str(key)
        tool = _chosen_tool(chosen)
        stays = active is not None and active in self.agents and self.config.agents[active].sticky
        stays = stays and self._may_use(active or "", context.user)
        scope: dict[str, Any] | None = None
        for route in self.routes:
            if not self._may_use(route.agent, context.user):
                continue
            if isinstance(route.when, ChosenTool):
                if route.when.tool == tool:
                    return route.agent
            elif isinstance(route.when, bool):
                if route.when and not stays:
                    return route.agent
            elif not stays:
                scope = scope or {**scope_of(context), "tool": tool, "model": chosen.model if chosen else None}
                if holds(Template.parse(route.when), scope, f"the condition of the route to {route.agent!r}"):
                    return route.agent
        return active if stays and active is not None else self.config.entry_agent

    def entry_agent(self, key: str, chosen: InferenceOptions | None, first: bool) -> EntryAgent:
        """Return the agent of that key on the chosen model; if `first`, with the chosen tool as its first call."""
        menus = self.config.chat.composer
        model = chosen.model if chosen is not None else None
        if not any(choice.model == model for choice in menus.models):
            model = None  # chosen before an edit removed it from the menu
        chosen_tool = _chosen_tool(chosen) if first else None
        tool = next((choice.tool for choice in menus.tools if choice.id == chosen_tool), None)
        if tool is not None and not has_tool(self.config, self.config.agents[key].tools, tool):
            tool = None
        choice = (key, model, tool)
        if choice not in self._copies:
            self._copies[choice] = copied = self._copy(*choice)
            fix_identities([copied])
        return EntryAgent(key, self._copies[choice])

    def _copy(self, key: str, model: str | None, tool: str | None) -> Agent[RuntimeContext]:
        agent = self.agents[key]
        if model is not None:
            built = self.models.get(model)
            settings = built.settings.resolve(build_settings(self.config.agents[key].settings))
            if agent.model_settings.parallel_tool_calls is not None and settings.parallel_tool_calls is None:
                settings = dataclasses.replace(settings, parallel_tool_calls=agent.model_settings.parallel_tool_calls)
            agent = agent.clone(model=built.for_agent(agent.name), model_settings=settings)
        if tool is not None:
            settings = dataclasses.replace(agent.model_settings, tool_choice=_tool_choice(self.tools[tool].tool))
            # Without the reset, the SDK would force the tool in every request of the run.
            agent = agent.clone(model_settings=settings, reset_tool_choice=True)
        return agent


def _chosen_tool(chosen: InferenceOptions | None) -> str | None:
    return chosen.tool_choice.id if chosen is not None and chosen.tool_choice is not None else None


def _tool_choice(tool: Tool) -> str | MCPToolChoice:
    if not isinstance(tool, HostedMCPTool):
        return tool.name
    choice = MCPToolChoice(server_label=tool.tool_config["server_label"], name="")
    choice.name = None  # type: ignore[assignment]  # any tool of the server: the API has that, the SDK's type does not
    return choice


def build_routing(
    config: Config,
    agents: Agents,
    models: Models,
    tools: Mapping[str, BuiltTool],
    functions: ProjectFunctions,
    problems: Problems,
) -> Routing:
    """Build the routing; failures are recorded in `problems`."""
    routing = Routing(config, agents, models, tools)
    if isinstance(config.entry, PythonEntry):
        with problems.record("A310", "entry", "python"):
            routing.function = functions.resolve(config.entry.python, "a function of the turn's context")
    elif isinstance(config.entry, list):
        routing.routes = tuple(route for route in config.entry if isinstance(route, Route))
    return routing
