"""`needs_approval` -> the SDK's own, and the words in which the user is asked."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents import FunctionTool, RunContextWrapper

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.problems import BuildError
from runtime.config.model.approvals import Approval, NeedsApproval, approval_of
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")
Decide = Callable[[RunContextWrapper[Any], dict[str, Any], str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class BuiltApproval:
    """How the user is asked; `wanted` is what the SDK asks to know whether."""

    words: Approval
    wanted: bool | Decide
    title: Template | None = None
    text: Template | None = None


DEFAULT_APPROVAL = BuiltApproval(Approval(), True)
"""For tools whose own Python says that they need approval."""


def build_approval(declared: NeedsApproval, code: ProjectCode) -> BuiltApproval | None:
    """Build when and how the user is asked; None where nobody is. Raise BuildError or ResolveError."""
    entry = approval_of(declared)
    if entry is None:
        return None
    texts = {name: Template.parse(text) if (text := getattr(entry, name)) else None for name in ("title", "text")}
    wanted: bool | Decide
    if entry.python is not None:
        wanted = _by_python(entry.python, code)
    elif isinstance(entry.when, str):
        wanted = _by_template(Template.parse(entry.when))
    else:
        wanted = entry.when
    return BuiltApproval(entry, wanted, texts["title"], texts["text"])


def tool_signature(tool: FunctionTool) -> str:
    """What an approval holds for: the tool's name and its arguments, as a hash."""
    shape = json.dumps([tool.name, tool.params_json_schema], sort_keys=True, default=str)
    return hashlib.sha256(shape.encode()).hexdigest()[:16]


def _by_template(when: Template) -> Decide:
    async def decide(ctx: RunContextWrapper[RuntimeContext], arguments: Mapping[str, Any], call_id: str) -> bool:
        try:
            return bool(when.render({**scope_of(ctx.context), "args": arguments}))
        except TemplateError as error:
            logger.warning("whether a call needs approval can't be told, so the user is asked: %s", error)
            return True

    return decide


def _by_python(path: str, code: ProjectCode) -> Decide:
    function = code.resolve(path)
    if not callable(function):
        raise BuildError(f"{path!r} is {type(function).__name__}", "give a function of (ctx, args)", code="A324")

    async def decide(ctx: RunContextWrapper[RuntimeContext], arguments: Mapping[str, Any], call_id: str) -> bool:
        try:
            answer = function(ctx, arguments)
            return bool(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:
            logger.warning("%s raised %s, so the user is asked: %s", path, type(error).__name__, error)
            return True

    return decide
