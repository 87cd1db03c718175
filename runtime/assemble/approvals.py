"""`needs_approval` of a tool -> the SDK's `needs_approval`, and the texts of the card that asks the user."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents import FunctionTool, RunContextWrapper

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import ProjectFunctions, holds
from runtime.config.model.tools import Approval, NeedsApproval, approval_of
from runtime.templates.template import Template

logger = logging.getLogger("runtime.assemble")
Decide = Callable[[RunContextWrapper[Any], dict[str, Any], str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class BuiltApproval:
    """The texts of the card, and `needed`: the SDK's `needs_approval` of the tool."""

    texts: Approval
    needed: bool | Decide
    title: Template | None = None
    text: Template | None = None

    @property
    def needed_for_object(self) -> Any:
        """The same for tools whose calls are dataclasses of the SDK, such as a list of commands or a patch."""
        decide = self.needed
        if isinstance(decide, bool):
            return decide

        async def decide_for_object(ctx: RunContextWrapper[Any], action: Any, call_id: str) -> bool:
            fields = {field.name: getattr(action, field.name) for field in dataclasses.fields(action)}
            return await decide(ctx, {name: value for name, value in fields.items() if name != "ctx_wrapper"}, call_id)

        return decide_for_object


DEFAULT_APPROVAL = BuiltApproval(Approval(), True)
"""For tools that set `needs_approval` in Python."""


def build_approval(declared: NeedsApproval, functions: ProjectFunctions, tool: str) -> BuiltApproval | None:
    """Build the approval of a tool of this name; None where none is needed. Raise BuildError or ResolveError."""
    entry = approval_of(declared)
    if entry is None:
        return None
    needed: bool | Decide
    if entry.python is not None:
        needed = _by_python(entry.python, functions)
    elif isinstance(entry.when, str):
        needed = _by_template(Template.parse(entry.when), tool)
    else:
        needed = entry.when
    title, text = (Template.parse(text) if text else None for text in (entry.title, entry.text))
    return BuiltApproval(entry, needed, title, text)


def tool_signature(tool: FunctionTool) -> str:
    """Return a hash of the tool's name and parameters: an approval is valid only while it is unchanged."""
    shape = json.dumps([tool.name, tool.params_json_schema], sort_keys=True, default=str)
    return hashlib.sha256(shape.encode()).hexdigest()[:16]


def _by_template(when: Template, tool: str) -> Decide:
    name = f"`needs_approval` of the tool {tool!r}"

    async def decide(ctx: RunContextWrapper[RuntimeContext], arguments: Mapping[str, Any], call_id: str) -> bool:
        return holds(when, {**scope_of(ctx.context), "args": arguments}, name, otherwise=True)

    return decide


def _by_python(path: str, functions: ProjectFunctions) -> Decide:
    function = functions.resolve(path, "a function of (ctx, args)")

    async def decide(ctx: RunContextWrapper[RuntimeContext], arguments: Mapping[str, Any], call_id: str) -> bool:
        try:
            return bool(await function(ctx, arguments))
        except Exception as error:
            logger.warning("%s raised %s, so approval is needed: %s", path, type(error).__name__, error)
            return True

    return decide
