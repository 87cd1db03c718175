"""Roles: which agents and tools the user of a turn may use. What the user may not use, the model never sees."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import field, make_dataclass
from typing import Any

from agents import Agent, FunctionTool, RunContextWrapper
from agents import Tool as SdkTool
from agents.tool_context import ToolContext

from runtime.assemble.context import RuntimeContext
from runtime.assemble.tool_failures import record_failure
from runtime.auth.user import User
from runtime.config.model import Config
from runtime.config.model.tools import AgentTool, Tool
from runtime.errors import RequestError

Required = tuple[Sequence[str], ...]
"""Lists of roles; the user needs one role of each list."""
_TOOL_ROLES = "tool_roles"


def required_by(config: Config, entry: Tool | None) -> Required:
    """Return the roles that an entry of `tools` requires: its own, and those of the agent that it runs."""
    runs = config.agents.get(entry.agent) if isinstance(entry, AgentTool) else None
    return tuple(part.roles for part in (entry, runs) if part is not None and part.roles)


def may_use(user: User | None, required: Required) -> bool:
    """Return whether a user has a role of each list."""
    return all(user is not None and user.may_use(roles) for roles in required)


def require_role(user: User | None, roles: Sequence[str] | None, what: str) -> None:
    """Raise RequestError (403) unless the user has one of the roles that something requires."""
    if roles and not may_use(user, (roles,)):
        raise RequestError(403, "forbidden", f"your roles do not include {what}")


def restricted(agent: Agent[RuntimeContext]) -> Agent[RuntimeContext]:
    """Make an agent of ours, which is changed in place, offer its tools only to users with their roles."""
    kind = type(agent)
    # A class of the project is not cached: it belongs to one generation.
    agent.__class__ = _RESTRICTED if kind is Agent else _restricted_class(kind)
    return agent


def set_tool_roles(agent: Agent[RuntimeContext], roles: Mapping[str, Required]) -> None:
    """Set the roles that the tools of a restricted agent require, by the tool's name."""
    setattr(agent, _TOOL_ROLES, roles)


def _restricted_class(kind: type[Agent[Any]]) -> type[Agent[Any]]:
    """Return a subclass whose tools depend on the user; the roles are a field, so that clones have them."""

    async def get_all_tools(self: Any, run_context: RunContextWrapper[RuntimeContext]) -> list[SdkTool]:
        tools: list[SdkTool] = await kind.get_all_tools(self, run_context)
        roles: Mapping[str, Required] = getattr(self, _TOOL_ROLES, {})
        if not roles:
            return tools
        user = run_context.context.user
        return [tool for tool in tools if may_use(user, roles.get(tool.name, ()))]

    fields: list[Any] = [(_TOOL_ROLES, dict, field(default_factory=dict))]
    return make_dataclass(kind.__name__, fields, bases=(kind,), namespace={"get_all_tools": get_all_tools}, eq=False)


_RESTRICTED = _restricted_class(Agent)


def restrict(tool: FunctionTool, required: Required) -> FunctionTool:
    """Make a copy of a tool refuse calls for users without its roles, as after an approval that took a while."""
    if not required:
        return tool
    invoke = tool.on_invoke_tool

    async def refuse_or_invoke(ctx: ToolContext[Any], arguments: str) -> Any:
        if may_use(ctx.context.user, required):
            return await invoke(ctx, arguments)
        message = f"The user may not use the tool {tool.name}."
        record_failure(ctx.context, tool.name, ctx.tool_call_id, message)
        return message

    guarded = copy.copy(tool)
    guarded.on_invoke_tool = refuse_or_invoke
    return guarded
