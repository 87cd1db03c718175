"""The `agents` section -> the SDK's Agents, wired to each other.

Handoffs carry no reference to the agent they lead to: the SDK walks such references on every run, which costs
time in proportion to the whole graph. They look their agent up when they are taken, so cycles are fine too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from agents import (
    Agent,
    AgentHooks,
    FunctionTool,
    FunctionToolResult,
    GenerateDynamicPromptData,
    ModelSettings,
    Prompt,
    RunContextWrapper,
)
from agents.agent import ToolsToFinalOutputResult
from agents.lifecycle import AgentHooksBase

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.guardrails import GuardrailSet
from runtime.assemble.handoffs import HandoffTarget, build_handoff
from runtime.assemble.mcp import McpServers
from runtime.assemble.models import Models, build_settings
from runtime.assemble.problems import AlreadyReported, BuildError, Problems
from runtime.assemble.token_meter import METERED
from runtime.assemble.tools import Tools
from runtime.config.model import Config
from runtime.config.model import agents as declared
from runtime.config.model import models as declared_models
from runtime.config.model import tools as declared_tools
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template, TemplateError

Agents = dict[str, Agent[RuntimeContext]]


class AgentBuilder:
    """The agents while they are being built: made first, filled after, so that they may refer to each other."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.agents: Agents = {key: Agent(name=entry.name or key) for key, entry in config.agents.items()}

    def as_tool(self, name: str, entry: declared_tools.AgentTool) -> FunctionTool:
        """Make a tool of an agent; what the agent shows reaches the user. Raise BuildError."""
        agent = self.agents.get(entry.agent)
        if agent is None:
            raise BuildError(f"no agent is named {entry.agent!r}")
        description = entry.description or self.config.agents[entry.agent].description
        limit = entry.max_turns or self.config.agents[entry.agent].max_turns
        return agent.as_tool(name, description or f"Ask the agent {agent.name}.", max_turns=limit, hooks=METERED)

    def fill(
        self,
        files: ProjectFiles,
        code: ProjectCode,
        models: Models,
        tools: Tools,
        guards: Mapping[str, GuardrailSet],
        servers: McpServers,
        problems: Problems,
    ) -> None:
        """Give every agent its model, instructions, tools and handoffs."""
        for key, entry in self.config.agents.items():
            agent = self.agents[key]
            with problems.record("A302", "agents", key, "instructions"):
                agent.instructions = build_instructions(entry.instructions, files, code)
            agent.handoff_description = entry.description
            if entry.prompt is not None:
                agent.prompt = _stored_prompt(entry.prompt)
            if entry.hooks is not None:
                with problems.record("A302", "agents", key, "hooks"):
                    agent.hooks = _hooks(code, entry.hooks)
            agent.handoffs = []
            for index, target in enumerate(entry.handoffs):
                if target.agent in self.agents:
                    with problems.record("A302", "agents", key, "handoffs", index):
                        made = HandoffTarget(self.agents[target.agent], guards.get(target.agent))
                        described = target.description or self.config.agents[target.agent].description or ""
                        agent.handoffs.append(build_handoff(target, made, described, code))
            agent.mcp_servers = servers.views(key)
            self._add_tools(agent, entry, tools)
            self._add_model(agent, entry, models, tools)

    def _add_tools(self, agent: Agent[RuntimeContext], entry: declared.Agent, tools: Tools) -> None:
        named = dict.fromkeys(name for reference in entry.tools for name in tools.expand(reference))
        chosen = [tools.built[name] for name in named if name in tools.built]
        agent.tools = [built.tool for built in chosen]
        stops = frozenset(built.tool.name for built in chosen if built.stop)
        agent.tool_use_behavior = _stop_at(stops, entry.tool_use_behavior == "stop_on_first_tool")
        agent.reset_tool_choice = entry.reset_tool_choice

    def _add_model(self, agent: Agent[RuntimeContext], entry: declared.Agent, models: Models, tools: Tools) -> None:
        try:
            built = models.get(entry.model)
        except AlreadyReported:
            return  # reported where the models were built
        agent.model = built.for_agent(agent.name)
        settings = built.settings.resolve(build_settings(entry.settings))
        if settings.parallel_tool_calls is None and self._calls_client(entry, tools) and self._obeys(entry.model):
            # Client tools run one after the other; a model that asks for one at a time wastes no turn.
            settings = settings.resolve(ModelSettings(parallel_tool_calls=False))
        agent.model_settings = settings

    def _calls_client(self, entry: declared.Agent, tools: Tools) -> bool:
        return any(reference in tools.built and tools.built[reference].client for reference in entry.tools)

    def _obeys(self, model: str) -> bool:
        declaration = self.config.models.get(model) or declared_models.OpenAIModel(name=model)
        return isinstance(declaration, declared_models.OpenAIModel) and declaration.base_url is None


def _stored_prompt(entry: declared.StoredPrompt) -> Any:
    variables = {name: Template.parse(text) for name, text in entry.variables.items()}

    def fill(data: GenerateDynamicPromptData) -> Prompt:
        scope = scope_of(data.context.context)
        prompt: Prompt = {"id": entry.id}
        if entry.version is not None:
            prompt["version"] = entry.version
        if variables:
            prompt["variables"] = {name: str(text.render(scope)) for name, text in variables.items()}
        return prompt

    return fill


def _hooks(code: ProjectCode, path: str) -> AgentHooks[Any]:
    value = code.resolve(path)
    value = value() if isinstance(value, type) else value
    if not isinstance(value, AgentHooksBase):
        raise BuildError(f"{path!r} is no agents.AgentHooks", "derive it from agents.AgentHooks", code="A324")
    return cast(AgentHooks[Any], value)


def _stop_at(names: frozenset[str], at_any: bool = False) -> Any:
    """End the turn after these tools, and whenever a tool of any kind has called the client.

    Not after a call that failed: the model is to see why, and the user would be left with nothing.
    """

    def decide(
        context: RunContextWrapper[RuntimeContext], results: list[FunctionToolResult]
    ) -> ToolsToFinalOutputResult:
        for result in results:
            if (at_any or result.tool.name in names) and _call_id(
                result
            ) not in context.context._turn_state.failed_calls:
                return ToolsToFinalOutputResult(is_final_output=True, final_output=result.output)
        waiting = context.context.client_tool_call is not None
        return ToolsToFinalOutputResult(is_final_output=waiting, final_output="" if waiting else None)

    return decide


def _call_id(result: FunctionToolResult) -> str | None:
    raw = result.run_item.raw_item if result.run_item is not None else None
    call_id = raw.get("call_id") if isinstance(raw, dict) else getattr(raw, "call_id", None)
    return None if call_id is None else str(call_id)


# Instructions from the file, from a file of their own, or from Python -> what the SDK's Agent takes.

Instructions = str | Callable[..., Any] | None


def build_instructions(entry: declared.Instructions | None, files: ProjectFiles, code: ProjectCode) -> Instructions:
    """Return a string, or a function of the run's context where the text is a template or Python decides."""
    match entry:
        case None:
            return None
        case declared.PythonInstructions():
            return _from_python(entry.python, code)
        case declared.FileInstructions():
            text, raw = _read(files, entry.file), entry.raw
        case declared.InlineInstructions():
            text, raw = entry.text, entry.raw
    return text if raw else _from_template(text)


def _read(files: ProjectFiles, name: str) -> str:
    text = files.read(name)
    if isinstance(text, Diagnostic):
        raise BuildError(text.message, text.hint)
    # A model sees one kind of line end, whatever the editor writes.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _from_python(path: str, code: ProjectCode) -> str | Callable[..., Any]:
    value = code.resolve(path)
    if not isinstance(value, str) and not callable(value):
        hint = "give a string or a function of (context, agent)"
        raise BuildError(f"{path!r} is {type(value).__name__}", hint, code="A324")
    return value  # type: ignore[no-any-return]  # str or callable: checked above


def _from_template(text: str) -> Instructions:
    try:
        template = Template.parse(text)
    except TemplateError as error:
        raise BuildError(f"the instructions are no valid template: {error}") from error
    if template.is_constant:
        return str(template.render({}))

    def render(context: RunContextWrapper[RuntimeContext], agent: Agent[Any]) -> str:
        return str(template.render(scope_of(context.context)))

    return render
