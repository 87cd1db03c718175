"""The `agents` section -> the SDK's Agents, all made first and completed afterwards: they may refer to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents import (
    Agent,
    AgentOutputSchema,
    AgentOutputSchemaBase,
    FunctionTool,
    FunctionToolResult,
    GenerateDynamicPromptData,
    Handoff,
    ModelBehaviorError,
    ModelSettings,
    Prompt,
    RunContextWrapper,
    UserError,
)
from agents.agent import ToolsToFinalOutputResult
from agents.extensions.handoff_filters import remove_all_tools
from agents.handoffs import HandoffInputData
from agents.lifecycle import AgentHooksBase
from agents.strict_schema import ensure_strict_json_schema
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import call_function, holds, resolve_function, resolve_object
from runtime.assemble.guardrails import NO_GUARDRAILS, GuardrailSet, enforce
from runtime.assemble.instructions import build_instructions
from runtime.assemble.mcp import McpServers
from runtime.assemble.models import Models, build_settings
from runtime.assemble.problems import AlreadyReported, BuildError, Problems
from runtime.assemble.schemas import compile_schema, read_json, strict_form
from runtime.assemble.token_meter import METERED
from runtime.assemble.tools import Tools
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model import Config
from runtime.config.model import agents as declared
from runtime.config.model import models as declared_models
from runtime.config.model import tools as declared_tools
from runtime.config.project_files import ProjectFiles
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template

Agents = dict[str, Agent[RuntimeContext]]


class AgentBuilder:
    """Makes the agents, and completes them once everything that they use is built."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.agents: Agents = {key: Agent(name=entry.name or key) for key, entry in config.agents.items()}

    def as_tool(self, name: str, entry: declared_tools.AgentTool) -> FunctionTool:
        """Make a tool that runs an agent; what the agent's tools show reaches the user. Raise BuildError."""
        agent = self.agents.get(entry.agent)
        if agent is None:
            raise BuildError(f"no agent is named {entry.agent!r}")
        description = entry.description or self.config.agents[entry.agent].description
        limit = entry.max_turns or self.config.agents[entry.agent].max_turns
        return agent.as_tool(name, description or f"Ask the agent {agent.name}.", max_turns=limit, hooks=METERED)

    def complete(
        self,
        files: ProjectFiles,
        code: ProjectCode,
        models: Models,
        tools: Tools,
        guardrails: Mapping[str, GuardrailSet],
        servers: McpServers,
        problems: Problems,
    ) -> None:
        """Set the model, instructions, tools and handoffs of every agent; failures are recorded in `problems`."""
        for key, entry in self.config.agents.items():
            agent = self.agents[key]
            with problems.record("A302", "agents", key, "instructions"):
                agent.instructions = build_instructions(entry.instructions, files, code)
            agent.handoff_description = entry.description
            if entry.prompt is not None:
                agent.prompt = _stored_prompt(entry.prompt)
            if entry.hooks is not None:
                with problems.record("A302", "agents", key, "hooks"):
                    agent.hooks = resolve_object(
                        code, entry.hooks, AgentHooksBase, "agents.AgentHooks", "derive it from agents.AgentHooks"
                    )
            agent.handoffs = []
            for index, target in enumerate(entry.handoffs):
                if target.agent in self.agents:
                    with problems.record("A302", "agents", key, "handoffs", index):
                        checks = guardrails.get(target.agent, NO_GUARDRAILS)
                        text = target.description or self.config.agents[target.agent].description or ""
                        agent.handoffs.append(_build_handoff(target, self.agents[target.agent], checks, text, code))
            agent.mcp_servers = servers.views(key)
            self._add_tools(agent, entry, tools)
            self._add_model(agent, entry, models, tools)

    def _add_tools(self, agent: Agent[RuntimeContext], entry: declared.Agent, tools: Tools) -> None:
        names = dict.fromkeys(name for reference in entry.tools for name in tools.expand(reference))
        used = [tools.built[name] for name in names if name in tools.built]
        agent.tools = [built.tool for built in used]
        stops = frozenset(built.tool.name for built in used if built.stop)
        agent.tool_use_behavior = _stop_after(stops, entry.tool_use_behavior == "stop_on_first_tool")
        agent.reset_tool_choice = entry.reset_tool_choice

    def _add_model(self, agent: Agent[RuntimeContext], entry: declared.Agent, models: Models, tools: Tools) -> None:
        try:
            built = models.get(entry.model)
        except AlreadyReported:
            return
        agent.model = built.for_agent(agent.name)
        settings = built.settings.resolve(build_settings(entry.settings))
        if settings.parallel_tool_calls is None and _calls_client(entry, tools) and self._is_openai(entry.model):
            # Client tools run one after the other, so several calls in one response would save no turn.
            settings = settings.resolve(ModelSettings(parallel_tool_calls=False))
        agent.model_settings = settings

    def _is_openai(self, model: str) -> bool:
        """Return whether the model is at OpenAI: other endpoints may reject `parallel_tool_calls`."""
        declaration = self.config.models.get(model) or declared_models.OpenAIModel(name=model)
        return isinstance(declaration, declared_models.OpenAIModel) and declaration.base_url is None


def _calls_client(entry: declared.Agent, tools: Tools) -> bool:
    return any(reference in tools.built and tools.built[reference].client for reference in entry.tools)


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


def _stop_after(names: frozenset[str], any_tool: bool) -> Any:
    """End the turn after these tools and after client calls, but not after a failed call: the model gets the error."""

    def decide(
        context: RunContextWrapper[RuntimeContext], results: list[FunctionToolResult]
    ) -> ToolsToFinalOutputResult:
        failed = context.context._turn_state.failed_calls
        for result in results:
            if (any_tool or result.tool.name in names) and _call_id(result) not in failed:
                return ToolsToFinalOutputResult(is_final_output=True, final_output=result.output)
        waiting = context.context.client_tool_call is not None
        return ToolsToFinalOutputResult(is_final_output=waiting, final_output="" if waiting else None)

    return decide


def _call_id(result: FunctionToolResult) -> str | None:
    raw = result.run_item.raw_item if result.run_item is not None else None
    call_id = raw.get("call_id") if isinstance(raw, dict) else getattr(raw, "call_id", None)
    return None if call_id is None else str(call_id)


# Handoffs.


def _build_handoff(
    entry: declared.Handoff, agent: Agent[Any], guardrails: GuardrailSet, description: str, code: ProjectCode
) -> Handoff[Any, Any]:
    """Make a handoff without a reference to its agent: the SDK follows the references of all agents on every run."""
    validator = compile_schema(entry.input, "input") if entry.input is not None else None
    callback = resolve_function(code, entry.on_handoff, "a function of (ctx, data)") if entry.on_handoff else None

    async def take(ctx: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
        user_text = ctx.context._turn_state.user_text
        if user_text is not None:
            await enforce(guardrails.input, ctx.context, agent, user_text)
        data = None
        if validator is not None:
            data = read_json(arguments or "{}", validator, "the input of the handoff", ModelBehaviorError)
        if callback is not None:
            await call_function(callback, ctx, data)
        return agent

    return Handoff(
        tool_name=entry.tool_name or Handoff.default_tool_name(agent),
        tool_description=f"Handoff to the {agent.name} agent to handle the request. {description}".strip(),
        input_json_schema=dict(entry.input) if entry.input else ensure_strict_json_schema({}),
        strict_json_schema=not entry.input,
        on_invoke_handoff=take,
        agent_name=agent.name,
        input_filter=_filter(entry.history, code),
        is_enabled=_enabled(entry.enabled_if, agent.name),
    )


def _enabled(condition: bool | str | None, agent: str) -> Any:
    if not isinstance(condition, str):
        return condition is not False
    when, name = Template.parse(condition), f"`enabled_if` of the handoff to {agent!r}"
    return lambda ctx, _: holds(when, scope_of(ctx.context), name)


def _filter(history: str | declared.HistoryFilter, code: ProjectCode) -> Any:
    if isinstance(history, declared.HistoryFilter):
        return resolve_function(code, history.python, "a function of (data)")
    return {"full": None, "messages": remove_all_tools, "last_turn": _last_turn}[history]


def _last_turn(data: HandoffInputData) -> HandoffInputData:
    """Remove everything before the user's last message."""
    history = data.input_history
    if isinstance(history, str):
        return data
    messages = [index for index, item in enumerate(history) if item.get("role") == "user"]
    return data.clone(input_history=tuple(history[messages[-1] :])) if messages else data


# `output`: the type of the answer, and the widget or template that shows it to the user.


@dataclass(frozen=True, slots=True)
class BuiltOutput:
    """The type of an agent's answer, and the widget or text that shows it."""

    type: AgentOutputSchemaBase
    widget: BuiltWidget | None
    text: Template | None

    def read(self, answer: str) -> dict[str, Any]:
        """Return the fields of an answer. Raise ModelBehaviorError if it is of another type."""
        value = self.type.validate_json(answer)
        dumped = value if isinstance(value, dict) else TypeAdapter(type(value)).dump_python(value, mode="json")
        return dumped if isinstance(dumped, dict) else {"output": dumped}


class _JsonOutputSchema(AgentOutputSchemaBase):
    """An output type that is declared as a JSON Schema; strict where the schema allows it."""

    def __init__(self, name: str, schema: Mapping[str, Any], validator: Draft202012Validator) -> None:
        self._name, self._validator = name, validator
        strict = strict_form(schema)
        self._strict = strict is not None
        self._schema = dict(schema) if strict is None else strict

    def is_plain_text(self) -> bool:
        return False

    def name(self) -> str:
        return self._name

    def json_schema(self) -> dict[str, Any]:
        return self._schema

    def is_strict_json_schema(self) -> bool:
        return self._strict

    def validate_json(self, json_str: str) -> Any:
        return read_json(json_str, self._validator, "the answer", ModelBehaviorError)


def build_outputs(
    config: Config, code: ProjectCode, widget: Callable[[str], BuiltWidget], problems: Problems
) -> dict[str, BuiltOutput]:
    """Return the outputs by the agent's key; failures are recorded in `problems`."""
    built: dict[str, BuiltOutput] = {}
    for key, agent in config.agents.items():
        if agent.output is not None:
            with problems.record("A306", "agents", key, "output"):
                built[key] = _build_output(key, agent.output, code, widget)
    return built


def _build_output(
    key: str, entry: declared.Output, code: ProjectCode, widget: Callable[[str], BuiltWidget]
) -> BuiltOutput:
    built = widget(entry.widget) if entry.widget is not None else None
    text = Template.parse(entry.template) if entry.template is not None else None
    if entry.python is not None:
        return BuiltOutput(_output_by_python(entry.python, code), built, text)
    schema = entry.schema_ if entry.schema_ is not None else built.data_schema if built is not None else None
    if schema is None:
        raise BuildError("the answer has no schema", "give the widget its 'data', or the output a 'schema'")
    return BuiltOutput(_JsonOutputSchema(f"{key}_output", schema, compile_schema(schema, "schema")), built, text)


def _output_by_python(path: str, code: ProjectCode) -> AgentOutputSchemaBase:
    value = code.resolve(path)
    if isinstance(value, AgentOutputSchemaBase):
        return value
    if not isinstance(value, type):
        raise BuildError(f"{path!r} is {type(value).__name__}, not a type", code="A324")
    try:
        return AgentOutputSchema(value)
    except UserError:
        return AgentOutputSchema(value, strict_json_schema=False)
