"""The names of the SDKs, and of Python itself, whose meaning the checks know without reading their sources."""

from __future__ import annotations

import sys

BUILTINS = "builtins."
FUNCTION_TOOL = "agents.function_tool"
CONTEXTS = frozenset({"chatkit.agents.AgentContext", "runtime.RuntimeContext"})
CONVERTERS = frozenset({"chatkit.agents.ThreadItemConverter"})
STORES = frozenset({"chatkit.store.Store"})
MODELS = frozenset({"agents.Model"})
MCP_SERVERS = frozenset(f"agents.mcp.MCPServer{kind}" for kind in ("", "Stdio", "Sse", "StreamableHttp"))
ROUTERS = frozenset({"fastapi.APIRouter"})
WRAPPERS = frozenset({"agents.RunContextWrapper", "agents.ToolContext"})
CLASS_DECORATORS = frozenset(
    {
        "dataclasses.dataclass",
        "functools.total_ordering",
        "typing.final",
        "typing.runtime_checkable",
        "typing_extensions.final",
        "pydantic.dataclasses.dataclass",
    }
)
"""Decorators that give back a class of the same kind."""
NO_INIT = frozenset({BUILTINS + "object", "abc.ABC", "typing.Generic"}) | CONVERTERS | MODELS
"""Classes that say nothing of how they are made, and whose objects can't be called."""
PYDANTIC = CONTEXTS | {"pydantic.BaseModel"}
"""Classes that are made with keywords alone, and whose objects can't be called."""
AGENT = "agents.Agent"
_SDK = CONTEXTS | CONVERTERS | STORES | MODELS | MCP_SERVERS | ROUTERS | {AGENT}

# Where each may be imported from, besides the place that names it.
_ALIASES = {
    ("agents.agent", "Agent"): AGENT,
    ("pydantic.main", "BaseModel"): "pydantic.BaseModel",
    ("agents.tool", "function_tool"): FUNCTION_TOOL,
    ("agents.run_context", "RunContextWrapper"): "agents.RunContextWrapper",
    ("agents.tool_context", "ToolContext"): "agents.ToolContext",
    ("agents.models.interface", "Model"): "agents.Model",
    ("fastapi.routing", "APIRouter"): "fastapi.APIRouter",
    ("fastapi.applications", "FastAPI"): "fastapi.FastAPI",
    ("runtime.assemble.context", "RuntimeContext"): "runtime.RuntimeContext",
}
_OF_ITS_OWN = sys.stdlib_module_names | {"pydantic", "typing_extensions"}


def external_name(module: str, name: str) -> str:
    """Return the one name of something that may be imported from several places; empty for what is not known."""
    full = f"{module}.{name}"
    if full in _SDK | WRAPPERS | {FUNCTION_TOOL}:
        return full
    return _ALIASES.get((module, name), "")


def is_unrelated(symbol: str) -> bool:
    """Say whether a class of this name, which is none of those wanted, derives from none of them either.

    So it is with Python's own and pydantic's, and with those of the SDKs, which share no ancestors.
    """
    return symbol in _SDK or symbol.partition(".")[0] in _OF_ITS_OWN
