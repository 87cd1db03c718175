"""The symbols of the SDKs and of Python whose meaning the checks know without reading their sources."""

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
"""Decorators that return a class of the same kind."""
NO_INIT = frozenset({BUILTINS + "object", "abc.ABC", "typing.Generic"}) | CONVERTERS | MODELS
"""Classes without a constructor of their own, whose instances can't be called."""
PYDANTIC = CONTEXTS | {"pydantic.BaseModel"}
"""Classes whose constructor takes keywords only, and whose instances can't be called."""
AGENT = "agents.Agent"
_SDK = CONTEXTS | CONVERTERS | STORES | MODELS | MCP_SERVERS | ROUTERS | {AGENT}

# Other modules from which each can be imported.
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
_INDEPENDENT = sys.stdlib_module_names | {"pydantic", "typing_extensions"}


def external_name(module: str, name: str) -> str:
    """Return the canonical name of a known symbol that several modules export; empty for any other symbol."""
    full = f"{module}.{name}"
    if full in _SDK | WRAPPERS | {FUNCTION_TOOL}:
        return full
    return _ALIASES.get((module, name), "")


def is_unrelated(symbol: str) -> bool:
    """Return whether a class surely derives from no wanted one: classes of Python, pydantic, and the SDKs do not."""
    return symbol in _SDK or symbol.partition(".")[0] in _INDEPENDENT
