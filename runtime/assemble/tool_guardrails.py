"""The guardrails of tools: what a model may not ask of one, and what it may not be told by it.

An agent that is a tool brings its own along: a run inside of a run has nobody else to enforce them.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agents import FunctionTool
from agents.tool_guardrails import (
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailData,
    ToolOutputGuardrail,
    ToolOutputGuardrailData,
)

from runtime.assemble.guardrails import (
    NO_GUARDRAILS,
    BuiltGuardrail,
    GuardrailRegistry,
    GuardrailSet,
    GuardrailTripped,
    guards_of,
)
from runtime.assemble.problems import Problems
from runtime.assemble.tools import Tools
from runtime.config.model import Config
from runtime.config.model.guardrails import ToolGuardrails
from runtime.config.model.tools import AgentTool

logger = logging.getLogger("runtime.tools")


def guard_tools(
    config: Config,
    tools: Tools,
    of_agents: Mapping[str, GuardrailSet],
    guardrails: GuardrailRegistry,
    problems: Problems,
) -> None:
    """Give the built tools their guardrails; the tool objects that the project made are left as they are."""
    for name, entry in config.tools.items():
        declared = getattr(entry, "guardrails", None)
        guards = guards_of(("tools", name), declared or ToolGuardrails(), guardrails, problems)
        inner = of_agents.get(entry.agent, NO_GUARDRAILS) if isinstance(entry, AgentTool) else NO_GUARDRAILS
        if guards == inner == NO_GUARDRAILS:
            continue
        before = [_before(guard, _arguments) for guard in guards.input]
        before += [_before(guard, _said) for guard in inner.input]
        after = [_after(guard) for guard in (*inner.output, *guards.output)]
        for each in tools.expand(name):
            built = tools.built.get(each)
            if built is not None and isinstance(built.tool, FunctionTool):
                tool = copy.copy(built.tool)
                tool.tool_input_guardrails = [*(tool.tool_input_guardrails or ()), *before]
                tool.tool_output_guardrails = [*(tool.tool_output_guardrails or ()), *after]
                tools.built[each] = replace(built, tool=tool)


def _arguments(arguments: str) -> str:
    return arguments


def _said(arguments: str) -> str:
    """What an agent is asked, out of the arguments of its tool."""
    try:
        values = json.loads(arguments)
    except json.JSONDecodeError:
        return arguments
    said = values.get("input") if isinstance(values, dict) else None
    return said if isinstance(said, str) else arguments


def _before(guard: BuiltGuardrail, text_of: Any) -> ToolInputGuardrail[Any]:
    async def check(data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        return await _check(guard, data, text_of(data.context.tool_arguments))

    return ToolInputGuardrail(check, name=guard.name)


def _after(guard: BuiltGuardrail) -> ToolOutputGuardrail[Any]:
    async def check(data: ToolOutputGuardrailData) -> ToolGuardrailFunctionOutput:
        return await _check(guard, data, data.output if isinstance(data.output, str) else str(data.output))

    return ToolOutputGuardrail(check, name=guard.name)


async def _check(guard: BuiltGuardrail, data: ToolInputGuardrailData, text: str) -> ToolGuardrailFunctionOutput:
    context = data.context.context
    try:
        await guard.enforce(context, data.agent, text)
    except GuardrailTripped as tripped:
        logger.info("tool %r in thread %s: %s", data.context.tool_name, context.thread.id, tripped)
        # The turn does not stop at a call that was not carried out.
        context._turn_state.failed_calls.add(data.context.tool_call_id)
        return ToolGuardrailFunctionOutput.reject_content(tripped.message, output_info=tripped.reason)
    return ToolGuardrailFunctionOutput.allow()
