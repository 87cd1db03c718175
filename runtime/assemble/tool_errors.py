"""A tool that fails: the model is told by the SDK, the author by the log, and the turn does not stop at it."""

from __future__ import annotations

import logging
from typing import Any

from agents.run_config import ToolErrorFormatterArgs

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.templates.template import TemplateError

logger = logging.getLogger("runtime.tools")


def note_failure(context: RuntimeContext, tool: str, call_id: str, error: Exception | str) -> None:
    """Log why a call failed, with the traceback where there is one, and remember that it did."""
    context._turn_state.failed_calls.add(call_id)
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    trace = error if isinstance(error, Exception) else None
    logger.warning("tool %r failed in thread %s: %s", tool, context.thread.id, text, exc_info=trace)


def format_tool_error(args: ToolErrorFormatterArgs[Any]) -> str | None:
    """Take note of a tool that raised; None leaves the model's message to the SDK."""
    context = args.run_context.context
    if args.kind == "tool_exception" and args.error is not None and isinstance(context, RuntimeContext):
        note_failure(context, args.tool_name, args.call_id, args.error)
        return own_words(context, args.tool_name, str(args.error))
    return None


def own_words(context: RuntimeContext, tool: str, error: str) -> str | None:
    """What the file says that the model is told of a tool's error; None where it says nothing, or can't."""
    template = context._turn_state.tool_errors.get(tool)
    if template is None:
        return None
    try:
        return str(template.render({**scope_of(context), "error": error}))
    except TemplateError as wrong:
        logger.warning("the text for a tool's error can't be made: %s", wrong)
        return None
