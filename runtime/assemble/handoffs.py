"""`handoffs` of an agent -> the SDK's Handoffs.

A Handoff holds no reference to its agent, only a function that returns it: the SDK follows such references on every
run, at a cost proportional to the whole graph of agents.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from agents import Agent, Handoff, ModelBehaviorError, RunContextWrapper
from agents.extensions.handoff_filters import remove_all_tools
from agents.handoffs import HandoffInputData
from agents.strict_schema import ensure_strict_json_schema

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import call_function, holds, resolve_function
from runtime.assemble.guardrails import GuardrailSet, enforce
from runtime.assemble.schemas import compile_schema
from runtime.config.model import agents as declared
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template


@dataclass(frozen=True, slots=True)
class HandoffTarget:
    """The agent that a handoff leads to, and its guardrails, which apply to the user's message."""

    agent: Agent[RuntimeContext]
    guardrails: GuardrailSet


def build_handoff(
    entry: declared.Handoff, target: HandoffTarget, description: str, code: ProjectCode
) -> Handoff[Any, Any]:
    """Make one handoff. Raise BuildError or ResolveError."""
    agent = target.agent
    validator = compile_schema(entry.input, "input") if entry.input is not None else None
    callback = resolve_function(code, entry.on_handoff, "a function of (ctx, data)") if entry.on_handoff else None

    async def take(ctx: RunContextWrapper[Any], arguments: str) -> Agent[RuntimeContext]:
        user_text = ctx.context._turn_state.user_text
        if user_text is not None:
            await enforce(target.guardrails.input, ctx.context, agent, user_text)
        data = None
        if validator is not None:
            data = json.loads(arguments or "{}")
            for error in validator.iter_errors(data):
                raise ModelBehaviorError(f"the input of the handoff does not fit: {error.message}")
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
        is_enabled=True if entry.enabled_if is None else _enabled(Template.parse(entry.enabled_if), agent.name),
    )


def _enabled(condition: Template, agent: str) -> Any:
    return lambda ctx, _: holds(condition, scope_of(ctx.context), f"`enabled_if` of the handoff to {agent!r}")


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
