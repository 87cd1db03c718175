"""Failing tool calls: the model gets an error text, the log gets the cause, and `stop` does not end the turn."""

from __future__ import annotations

import logging
from typing import Any

from agents.run_config import ToolErrorFormatterArgs

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.errors import RuntimeFault
from runtime.templates.template import TemplateError

logger = logging.getLogger("runtime.tools")


class ToolFailure(RuntimeFault):
    """A call of one of our own tools failed; the message is its output for the model."""


def record_failure(context: RuntimeContext, tool: str, call_id: str, error: Exception | str) -> None:
    """Log why a call failed, with the traceback of an exception, and mark the call as failed."""
    context._turn_state.failed_calls.add(call_id)
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    trace = error if isinstance(error, Exception) else None
    logger.warning("tool %r failed in thread %s: %s", tool, context.thread.id, text, exc_info=trace)


def format_tool_error(args: ToolErrorFormatterArgs[Any]) -> str | None:
    """Record a tool that raised; return the text for the model, or None for the SDK's own text."""
    context = args.run_context.context
    if args.kind == "tool_exception" and args.error is not None and isinstance(context, RuntimeContext):
        record_failure(context, args.tool_name, args.call_id, args.error)
        return declared_text(context, args.tool_name, str(args.error))
    return None


def declared_text(context: RuntimeContext, tool: str, error: str) -> str | None:
    """Return the text that the tool's `error` template makes of an error; None without a template, or if it fails."""
    template = context._turn_state.tool_errors.get(tool)
    if template is None:
        return None
    try:
        return str(template.render({**scope_of(context), "error": error}))
    except TemplateError as failure:
        logger.warning("the `error` text of tool %r can't be rendered: %s", tool, failure)
        return None
