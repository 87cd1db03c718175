"""The `agents` section -> the SDK's Agents, all made first and completed afterwards: they may refer to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents import (
    Agent,
    FunctionTool,
    FunctionToolResult,
    GenerateDynamicPromptData,
    Handoff,
    ItemHelpers,
    MessageOutputItem,
    Model,
    ModelBehaviorError,
    ModelRefusalError,
    ModelSettings,
    Prompt,
    RunContextWrapper,
    RunResult,
    RunResultStreaming,
    ToolCallOutputItem,
    default_tool_error_function,
)
from agents.agent import ToolsToFinalOutputResult
from agents.extensions.handoff_filters import remove_all_tools
from agents.handoffs import HandoffInputData
from agents.lifecycle import AgentHooksBase
from agents.strict_schema import ensure_strict_json_schema

from runtime.assemble.contained_objects import ContainedHooks, ContainedModel
from runtime.assemble.context import RuntimeContext, current_call_id, scope_of
from runtime.assemble.functions import ProjectFunctions, call_function, holds, resolve_function, resolve_object
from runtime.assemble.guardrails import NO_GUARDRAILS, GuardrailSet, enforce
from runtime.assemble.instructions import build_instructions
from runtime.assemble.mcp import McpServers
from runtime.assemble.model_failures import REASONS, failure_kind
from runtime.assemble.models import Models, build_settings
from runtime.assemble.outputs import BuiltOutput, text_for_model
from runtime.assemble.own_agents import OwnAgents, copy_agent, own_handoffs
from runtime.assemble.problems import AlreadyReported, BuildError, Problems
from runtime.assemble.roles import may_use, restricted, set_tool_roles
from runtime.assemble.schemas import compile_schema, read_json
from runtime.assemble.token_meter import METERED
from runtime.assemble.tool_failures import declared_text, record_failure
from runtime.assemble.tools import Tools
from runtime.config.model import Config
from runtime.config.model import agents as declared
from runtime.config.model import models as declared_models
from runtime.config.model import tools as declared_tools
from runtime.config.project_files import ProjectFiles
from runtime.config.references import transfer_name
from runtime.project_code.loader import ProjectCode
from runtime.resources.containment import contained_function
from runtime.sdk_shortcuts import fix_identities
from runtime.templates.template import Template

Agents = dict[str, Agent[RuntimeContext]]
AgentResult = RunResult | RunResultStreaming


class AgentBuilder:
    """Makes the agents, and completes them once everything that they use is built."""

    def __init__(self, config: Config, own: OwnAgents, functions: ProjectFunctions) -> None:
        self.config, self.own = config, own
        self.agents: Agents = {
            key: restricted(
                copy_agent(own[key], entry.name, functions) if key in own else Agent(name=entry.name or key)
            )
            for key, entry in config.agents.items()
        }
        self.outputs: Mapping[str, BuiltOutput] = {}
        """Set once the outputs are built, which may refer to widgets of any kind."""

    def as_tool(self, name: str, entry: declared_tools.AgentTool) -> FunctionTool:
        """Make a tool that runs an agent; what the agent's tools show reaches the user. Raise BuildError."""
        agent = self.agents.get(entry.agent)
        if agent is None:
            raise BuildError(f"no agent is named {entry.agent!r}")
        description = entry.description or self.config.agents[entry.agent].description or agent.handoff_description
        limit = entry.max_turns or self.config.agents[entry.agent].max_turns

        async def answer(result: AgentResult) -> str:
            if entry.stop:
                await self._show_answer(entry.agent, result)
            return text_for_model(result.final_output) or _last_text(result)

        def fail(ctx: RunContextWrapper[RuntimeContext], error: Exception) -> str:
            if isinstance(error, ModelRefusalError):
                return f"The agent {agent.name} refused: {error.refusal}"
            # Recorded, so that `stop` does not end the turn without an answer.
            caller = getattr(ctx, "agent", None)
            record_failure(ctx.context, name, current_call_id.get() or "", error, f"agent {agent.name!r}", caller)
            if own := declared_text(ctx.context, name, str(error)):
                return own
            kind = failure_kind(error)
            if kind is not None:
                return f"The agent {agent.name} did not answer: {REASONS[kind]}."
            return default_tool_error_function(ctx, error)

        return agent.as_tool(
            name,
            description or f"Ask the agent {agent.name}.",
            custom_output_extractor=answer,
            failure_error_function=fail,
            max_turns=limit,
            hooks=METERED,
        )

    async def _show_answer(self, key: str, result: AgentResult) -> None:
        """Show the answer of an agent that is a tool with `stop`, because no model continues after it.

        Where a tool ended its turn, it has said nothing: what the tool has shown is all that the user gets.
        """
        if not result.new_items or not isinstance(result.new_items[-1], MessageOutputItem):
            return
        context, output = result.context_wrapper.context, self.outputs.get(key)
        if output is not None:
            await output.show(result.final_output, context)
        elif text := text_for_model(result.final_output):
            await context.say(text)

    def complete(
        self,
        files: ProjectFiles,
        functions: ProjectFunctions,
        models: Models,
        tools: Tools,
        guardrails: Mapping[str, GuardrailSet],
        servers: McpServers,
        problems: Problems,
    ) -> None:
        """Set the model, instructions, tools and handoffs of every agent; failures are recorded in `problems`."""
        for key, entry in self.config.agents.items():
            # Before any handoff is built: its description has that of its target.
            self.agents[key].handoff_description = entry.description or self.agents[key].handoff_description
        for key, entry in self.config.agents.items():
            agent = self.agents[key]
            if entry.has_key("instructions"):
                with problems.record("A302", "agents", key, "instructions"):
                    agent.instructions = build_instructions(
                        entry.instructions, files, functions, ("agents", key, "instructions")
                    )
            if entry.prompt is not None:
                agent.prompt = _stored_prompt(entry.prompt)
            if entry.hooks is not None:
                with problems.record("A302", "agents", key, "hooks"):
                    hint = "derive it from agents.AgentHooks"
                    hooks = resolve_object(functions.code, entry.hooks, AgentHooksBase, "agents.AgentHooks", hint)
                    agent.hooks = ContainedHooks(hooks)
            self._add_handoffs(key, entry, functions, guardrails, problems)
            self._add_tools(key, entry, tools)
            agent.mcp_servers = servers.views(key, _names_of(agent))
            with problems.record("A601", "agents", key, "python"):
                self._add_model(key, entry, models, tools)
        fix_identities(self.agents.values())

    def _add_handoffs(
        self,
        key: str,
        entry: declared.Agent,
        functions: ProjectFunctions,
        guardrails: Mapping[str, GuardrailSet],
        problems: Problems,
    ) -> None:
        def lead_to(target: declared.Handoff) -> Handoff[Any, Any]:
            to, checks = self.agents[target.agent], guardrails.get(target.agent, NO_GUARDRAILS)
            text = target.description or to.handoff_description or ""
            return _restrict(
                _build_handoff(target, to, checks, text, functions), self.config.agents[target.agent].roles
            )

        handoffs: list[Any] = []
        for index, target in enumerate(entry.handoffs):
            if target.agent in self.agents:
                with problems.record("A302", "agents", key, "handoffs", index):
                    handoffs.append(lead_to(target))
        if not entry.has_key("handoffs") and key in self.own:
            with problems.record("A302", "agents", key, "python"):
                made = own_handoffs(
                    key, self.own, self.agents, guardrails, lambda to: lead_to(declared.Handoff(agent=to))
                )
                roles = {agent.name: self.config.agents[to].roles for to, agent in self.agents.items()}
                handoffs += [_restrict(each, roles.get(each.agent_name)) for each in made]
        self.agents[key].handoffs = handoffs

    def _add_tools(self, key: str, entry: declared.Agent, tools: Tools) -> None:
        agent, own = self.agents[key], self.own.get(key)
        names = dict.fromkeys(name for reference in entry.tools for name in tools.expand(reference))
        used = [tools.built[name] for name in names if name in tools.built]
        if own is not None and not entry.has_key("tools"):
            used = [tools.wrap(tool, str(entry.python)) for tool in own.tools]
        agent.tools = [built.tool for built in used]
        set_tool_roles(agent, {built.tool.name: built.required for built in used if built.required})
        stops = {built.tool.name for built in used if built.stop}
        behavior: Any = entry.tool_use_behavior
        if own is not None and not entry.has_key("tool_use_behavior"):
            behavior = own.tool_use_behavior
        if isinstance(behavior, dict):
            stops.update(behavior.get("stop_at_tool_names", ()))
        decide = behavior if callable(behavior) else None
        agent.tool_use_behavior = _stop_after(frozenset(stops), behavior == "stop_on_first_tool", decide)
        if entry.has_key("reset_tool_choice"):
            agent.reset_tool_choice = entry.reset_tool_choice

    def _add_model(self, key: str, entry: declared.Agent, models: Models, tools: Tools) -> None:
        agent, own = self.agents[key], self.own.get(key)
        own_settings = ModelSettings() if own is None else own.model_settings
        name = entry.model
        if own is not None and not entry.has_key("model"):
            if isinstance(own.model, Model):
                agent.model = ContainedModel(own.model)
                agent.model_settings = own_settings.resolve(build_settings(entry.settings))
                return
            name = own.model or entry.model
        try:
            built = models.get(name)
        except AlreadyReported:
            return
        agent.model = built.for_agent(agent.name)
        settings = built.settings.resolve(own_settings).resolve(build_settings(entry.settings))
        if settings.parallel_tool_calls is None and _calls_client(entry, tools) and self._is_openai(name):
            # Client tools run one after the other, so several calls in one response would save no turn.
            settings = settings.resolve(ModelSettings(parallel_tool_calls=False))
        agent.model_settings = settings

    def _is_openai(self, model: str) -> bool:
        """Return whether the model is at OpenAI: other endpoints may reject `parallel_tool_calls`."""
        declaration = self.config.models.get(model) or declared_models.OpenAIModel(name=model)
        return isinstance(declaration, declared_models.OpenAIModel) and declaration.base_url is None


def _last_text(result: AgentResult) -> str:
    """Return the last text of a run without a final output, such as one that called the browser; as the SDK does."""
    for item in reversed(result.new_items):
        if isinstance(item, MessageOutputItem) and (text := ItemHelpers.text_message_output(item)):
            return text
        if isinstance(item, ToolCallOutputItem) and isinstance(item.output, str) and item.output:
            return item.output
    return ""


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


def _stop_after(names: frozenset[str], any_tool: bool, own_decision: Any = None) -> Any:
    """End the turn after these tools and after client calls, but not after a failed call: the model gets the error.

    `own_decision` is the `tool_use_behavior` function of the project's own agent, which is asked last.
    """

    async def decide(
        context: RunContextWrapper[RuntimeContext], results: list[FunctionToolResult]
    ) -> ToolsToFinalOutputResult:
        failed = context.context._turn_state.failed_calls
        for result in results:
            if (any_tool or result.tool.name in names) and _call_id(result) not in failed:
                # The SDK would write None and objects as Python does.
                return ToolsToFinalOutputResult(is_final_output=True, final_output=text_for_model(result.output))
        waiting = context.context.client_tool_call is not None
        if own_decision is not None and not waiting:
            decided: ToolsToFinalOutputResult = await call_function(own_decision, context, results)
            return decided
        return ToolsToFinalOutputResult(is_final_output=waiting, final_output="" if waiting else None)

    return decide


def _call_id(result: FunctionToolResult) -> str | None:
    raw = result.run_item.raw_item if result.run_item is not None else None
    call_id = raw.get("call_id") if isinstance(raw, dict) else getattr(raw, "call_id", None)
    return None if call_id is None else str(call_id)


# Handoffs.


def _names_of(agent: Agent[Any]) -> set[str]:
    """Return the names of an agent's tools and handoffs, those of MCP servers excepted."""
    handoffs = {each.tool_name if isinstance(each, Handoff) else transfer_name(each.name) for each in agent.handoffs}
    return {tool.name for tool in agent.tools} | handoffs


def _build_handoff(
    entry: declared.Handoff, agent: Agent[Any], guardrails: GuardrailSet, description: str, functions: ProjectFunctions
) -> Handoff[Any, Any]:
    """Make a handoff without a reference to its agent: the SDK follows the references of all agents on every run."""
    validator = compile_schema(entry.input, "input") if entry.input is not None else None
    callback = functions.resolve(entry.on_handoff, "a function of (ctx, data)") if entry.on_handoff else None

    async def take(ctx: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
        user_text = ctx.context._turn_state.user_text
        if user_text is not None:
            await enforce(guardrails.input, ctx.context, agent, user_text)
        data = None
        if validator is not None:
            data = read_json(arguments or "{}", validator, "the input of the handoff", ModelBehaviorError)
        if callback is not None:
            await callback(ctx, data)
        return agent

    return Handoff(
        tool_name=entry.tool_name or transfer_name(agent.name),
        tool_description=f"Handoff to the {agent.name} agent to handle the request. {description}".strip(),
        input_json_schema=dict(entry.input) if entry.input else ensure_strict_json_schema({}),
        strict_json_schema=not entry.input,
        on_invoke_handoff=take,
        agent_name=agent.name,
        input_filter=_filter(entry.history, functions.code),
        is_enabled=_enabled(entry.enabled_if, agent.name),
    )


def _enabled(condition: bool | str | None, agent: str) -> Any:
    if not isinstance(condition, str):
        return condition is not False
    when, name = Template.parse(condition), f"`enabled_if` of the handoff to {agent!r}"
    return lambda ctx, _: holds(when, scope_of(ctx.context), name)


def _restrict(handoff: Handoff[Any, Any], roles: Sequence[str] | None) -> Handoff[Any, Any]:
    """Make a handoff unavailable to users without a role of its agent."""
    if not roles:
        return handoff
    enabled, take = handoff.is_enabled, handoff.on_invoke_handoff

    async def is_enabled(ctx: RunContextWrapper[Any], agent: Any) -> bool:
        if not may_use(ctx.context.user, (roles,)):
            return False
        return enabled if isinstance(enabled, bool) else bool(await call_function(enabled, ctx, agent))

    async def take_if_allowed(ctx: RunContextWrapper[Any], arguments: str) -> Any:
        # A model may name a handoff that it was not offered.
        if not may_use(ctx.context.user, (roles,)):
            raise ModelBehaviorError(f"the user may not reach the agent {handoff.agent_name!r}")
        return await take(ctx, arguments)

    handoff.is_enabled, handoff.on_invoke_handoff = is_enabled, take_if_allowed
    return handoff


def _filter(history: str | declared.HistoryFilter, code: ProjectCode) -> Any:
    if isinstance(history, declared.HistoryFilter):
        return contained_function(resolve_function(code, history.python, "a function of (data)"))
    return {"full": None, "messages": remove_all_tools, "last_turn": _last_turn}[history]


def _last_turn(data: HandoffInputData) -> HandoffInputData:
    """Remove everything before the user's last message."""
    history = data.input_history
    if isinstance(history, str):
        return data
    messages = [index for index, item in enumerate(history) if item.get("role") == "user"]
    return data.clone(input_history=tuple(history[messages[-1] :])) if messages else data
