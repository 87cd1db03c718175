"""`entry` and the composer's menus -> which agent answers a message, on which model, with which tool first."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents import Agent, HostedMCPTool, Tool
from agents.model_settings import MCPToolChoice
from chatkit.types import InferenceOptions

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.models import Models, build_settings
from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.tools import BuiltTool
from runtime.config.model import Config
from runtime.config.model.entry import ChosenTool, PythonEntry, Route
from runtime.config.openapi_documents import has_tool
from runtime.errors import RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")
Agents = Mapping[str, Agent[RuntimeContext]]


@dataclass(frozen=True, slots=True)
class EntryAgent:
    """The agent that begins a turn: its key in the file, and the object, as the user's choices make it."""

    key: str
    agent: Agent[RuntimeContext]


@dataclass(frozen=True, slots=True)
class _Rule:
    agent: str
    tool: str | None = None
    when: Template | None = None


@dataclass(slots=True)
class Routing:
    """Who begins a turn. Agents that a choice changes are copies, made once for each choice."""

    config: Config
    agents: Agents
    models: Models
    tools: Mapping[str, BuiltTool]
    rules: tuple[_Rule, ...] = ()
    choose: Callable[[RuntimeContext], Any] | None = None
    _copies: dict[tuple[str, str | None, str | None], Agent[RuntimeContext]] = field(default_factory=dict)

    async def choose_agent(
        self, context: RuntimeContext, chosen: InferenceOptions | None, active: str | None = None
    ) -> str:
        """The key of the agent that answers; `active` is the one that had the last word in the thread.

        Raise RuntimeFault where the project's function names none.
        """
        tool = chosen.tool_choice.id if chosen is not None and chosen.tool_choice is not None else None
        if self.choose is not None:
            named = self.choose(context)
            key = await named if inspect.isawaitable(named) else named
            if key not in self.agents:
                raise RuntimeFault(f"the function of `entry` returned {key!r}, and no agent is named that")
            return str(key)
        keeps = active is not None and active in self.agents and self.config.agents[active].sticky
        scope: dict[str, Any] | None = None
        for rule in self.rules:
            if rule.tool is not None and rule.tool == tool:
                return rule.agent
            if rule.when is not None and not keeps:
                scope = scope or {**scope_of(context), "tool": tool, "model": chosen.model if chosen else None}
                if _holds(rule.when, scope):
                    return rule.agent
        return active if keeps and active is not None else self.config.entry_agent

    def entry_agent(self, key: str, chosen: InferenceOptions | None, first: bool) -> EntryAgent:
        """The agent of that key on the chosen model; `first` says that the chosen tool is still to be called."""
        model = chosen.model if chosen is not None else None
        tool = chosen.tool_choice.id if first and chosen is not None and chosen.tool_choice is not None else None
        if not any(choice.model == model for choice in self.config.chat.composer.models):
            model = None  # chosen before an edit took it from the menu
        called = next((choice.tool for choice in self.config.chat.composer.tools if choice.id == tool), None)
        if called is not None and not has_tool(self.config, self.config.agents[key].tools, called):
            called = None
        wanted = (key, model, called)
        if wanted not in self._copies:
            self._copies[wanted] = self._copy(key, model, called)
        return EntryAgent(key, self._copies[wanted])

    def _copy(self, key: str, model: str | None, tool: str | None) -> Agent[RuntimeContext]:
        agent = self.agents[key]
        if model is not None:
            built = self.models.get(model)
            settings = built.settings.resolve(build_settings(self.config.agents[key].settings))
            if agent.model_settings.parallel_tool_calls is not None and settings.parallel_tool_calls is None:
                settings = dataclasses.replace(settings, parallel_tool_calls=agent.model_settings.parallel_tool_calls)
            agent = agent.clone(model=built.for_agent(agent.name), model_settings=settings)
        if tool is not None:
            settings = dataclasses.replace(agent.model_settings, tool_choice=_choice(self.tools[tool].tool))
            # The SDK lets go of the choice after the first call.
            agent = agent.clone(model_settings=settings, reset_tool_choice=True)
        return agent


def _choice(tool: Tool) -> str | MCPToolChoice:
    if not isinstance(tool, HostedMCPTool):
        return tool.name
    choice = MCPToolChoice(server_label=tool.tool_config["server_label"], name="")
    choice.name = None  # type: ignore[assignment]  # any tool of the server: the API knows that, the SDK's type does not
    return choice


def _holds(when: Template, scope: Mapping[str, Any]) -> bool:
    try:
        return bool(when.render(scope))
    except TemplateError as error:
        logger.warning("a condition of `entry` does not hold, because it can't be told: %s", error)
        return False


def build_routing(
    config: Config,
    agents: Agents,
    models: Models,
    tools: Mapping[str, BuiltTool],
    code: ProjectCode,
    problems: Problems,
) -> Routing:
    """Build who answers; failures are recorded in `problems`."""
    entrance = Routing(config, agents, models, tools)
    if isinstance(config.entry, PythonEntry):
        with problems.record("A310", "entry", "python"):
            function = code.resolve(config.entry.python)
            if not callable(function):
                message = f"{config.entry.python!r} is {type(function).__name__}"
                raise BuildError(message, "give a function of the turn's context", code="A324")
            entrance.choose = function
    elif isinstance(config.entry, list):
        entrance.rules = tuple(_rule(route) for route in config.entry if isinstance(route, Route))
    return entrance


def _rule(route: Route) -> _Rule:
    if isinstance(route.when, ChosenTool):
        return _Rule(route.agent, tool=route.when.tool)
    return _Rule(route.agent, when=Template.parse(route.when))
