"""Failing tool calls: the model gets an error text, the log gets the cause, and `stop` does not end the turn."""

from __future__ import annotations

import logging
from typing import Any

from agents import Agent, Handoff
from agents.run_config import ToolErrorFormatterArgs

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.errors import RuntimeFault
from runtime.resources.containment import reason_of
from runtime.templates.template import Template, TemplateError

tool_logger = logging.getLogger("runtime.tools")


class ToolFailure(RuntimeFault):
    """A call of one of our own tools failed; the message is its output for the model."""


def record_failure(
    context: RuntimeContext,
    tool: str,
    call_id: str,
    error: Exception | str,
    behind: str = "",
    caller: Agent[Any] | None = None,
) -> None:
    """Log why a call failed, with the traceback of an exception, and mark the call as failed.

    `behind` is the agent or the server that the tool calls, and `caller` the agent whose tool it is.
    """
    context._turn_state.failed_calls.add(call_id)
    text = error if isinstance(error, str) else reason_of(error)
    trace = error if isinstance(error, Exception) else None
    caller = caller or context._turn_state.asked_agent
    place = f" of agent {caller.name!r}" if caller is not None else ""
    place += f" ({behind})" if behind else ""
    tool_logger.warning("tool %r%s failed in thread %s: %s", tool, place, context.thread.id, text, exc_info=trace)


def format_tool_error(args: ToolErrorFormatterArgs[Any]) -> Any:
    """Record a tool that raised; return the text for the model, or None for the SDK's own text.

    For a tool that does not exist, return an awaitable of the text, which names those that do.
    """
    context = args.run_context.context
    if args.kind == "tool_not_found" and isinstance(context, RuntimeContext):
        return _unknown_tool(args, context._turn_state.asked_agent)
    if args.kind == "tool_exception" and args.error is not None and isinstance(context, RuntimeContext):
        record_failure(context, args.tool_name, args.call_id, args.error)
        return declared_text(context, args.tool_name, str(args.error))
    return None


async def _unknown_tool(args: ToolErrorFormatterArgs[Any], agent: Agent[Any] | None) -> str | None:
    if agent is None:
        return None
    tools = [tool.name for tool in await agent.get_all_tools(args.run_context)]
    tools += [each.tool_name for each in agent.handoffs if isinstance(each, Handoff)]
    tool_logger.warning("the model of agent %r called the tool %r, which does not exist", agent.name, args.tool_name)
    if not tools:
        return f"There is no tool {args.tool_name!r}, and no other one. Answer without tools."
    known = ", ".join(map(repr, tools))
    return f"There is no tool {args.tool_name!r}. The tools are: {known}. Call one of them, or answer without."


def declared_text(context: RuntimeContext, tool: str, error: str, template: Template | None = None) -> str | None:
    """Return the text that the tool's `error` template makes of an error; None without a template, or if it fails."""
    template = template or context._turn_state.tool_errors.get(tool)
    if template is None:
        return None
    try:
        return str(template.render({**scope_of(context), "error": error}))
    except TemplateError as failure:
        tool_logger.warning("the `error` text of tool %r can't be rendered: %s", tool, failure)
        return None
