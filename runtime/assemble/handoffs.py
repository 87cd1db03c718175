"""`handoffs` of an agent -> the SDK's Handoffs.

They carry no reference to the agent they lead to: the SDK walks such references on every run, which costs time in
proportion to the whole graph. They know their agent by themselves, so cycles are fine too.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents import Agent, Handoff, ModelBehaviorError, RunContextWrapper
from agents.extensions.handoff_filters import remove_all_tools
from agents.handoffs import HandoffInputData
from agents.strict_schema import ensure_strict_json_schema

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.guardrails import GuardrailSet, enforce
from runtime.assemble.problems import BuildError
from runtime.assemble.schemas import compile_schema
from runtime.config.model import agents as declared
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")


@dataclass(frozen=True, slots=True)
class HandoffTarget:
    """Where a handoff leads, and what has to be passed on the way in."""

    agent: Agent[RuntimeContext]
    guards: GuardrailSet | None


def build_handoff(
    entry: declared.Handoff, target: HandoffTarget, description: str, code: ProjectCode
) -> Handoff[Any, Any]:
    """Make one handoff. Raise BuildError or ResolveError."""
    agent, guards = target.agent, target.guards
    validator = compile_schema(entry.input, "input") if entry.input is not None else None
    told = _function(entry.on_handoff, code, "(ctx, data)") if entry.on_handoff is not None else None

    async def take(context: RunContextWrapper[Any], arguments: str) -> Agent[RuntimeContext]:
        said = context.context._turn_state.user_text
        if guards is not None and said is not None:
            await enforce(guards.input, context.context, agent, said)
        data = None
        if validator is not None:
            data = json.loads(arguments or "{}")
            for wrong in validator.iter_errors(data):
                raise ModelBehaviorError(f"what was said with the handoff does not fit: {wrong.message}")
        if told is not None:
            answer = told(context, data)
            if inspect.isawaitable(answer):
                await answer
        return agent

    return Handoff(
        tool_name=entry.tool_name or Handoff.default_tool_name(agent),
        tool_description=f"Handoff to the {agent.name} agent to handle the request. {description}".strip(),
        input_json_schema=ensure_strict_json_schema(dict(entry.input or {})) if not entry.input else dict(entry.input),
        strict_json_schema=not entry.input,
        on_invoke_handoff=take,
        agent_name=agent.name,
        input_filter=_filter(entry.history, code),
        is_enabled=True if entry.enabled_if is None else _enabled(Template.parse(entry.enabled_if)),
    )


def _enabled(when: Template) -> Callable[[RunContextWrapper[Any], Any], bool]:
    def tell(ctx: RunContextWrapper[Any], agent: Any) -> bool:
        try:
            return bool(when.render(scope_of(ctx.context)))
        except TemplateError as error:
            logger.warning("whether a handoff is offered can't be told, so it is not: %s", error)
            return False

    return tell


def _filter(history: str | declared.HistoryFilter, code: ProjectCode) -> Any:
    if isinstance(history, declared.HistoryFilter):
        return _function(history.python, code, "(data)")
    return {"full": None, "messages": remove_all_tools, "last_turn": _last_turn}[history]


def _last_turn(data: HandoffInputData) -> HandoffInputData:
    """Keep the user's last message and what came of it."""
    history = data.input_history
    if isinstance(history, str):
        return data
    said = [index for index, item in enumerate(history) if item.get("role") == "user"]
    return data.clone(input_history=tuple(history[said[-1] :])) if said else data


def _function(path: str, code: ProjectCode, takes: str) -> Callable[..., Any]:
    value = code.resolve(path)
    if not callable(value):
        raise BuildError(f"{path!r} is {type(value).__name__}", f"give a function of {takes}", code="A324")
    return value  # type: ignore[no-any-return]  # callable: checked above
