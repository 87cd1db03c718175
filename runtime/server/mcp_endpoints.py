"""Ask the MCP servers, as `validate --connect` does: is each there, and does it have the tools that agents name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runtime.assemble.forwarding import Link
from runtime.assemble.mcp import McpUnavailable
from runtime.config.interpolate import path_text
from runtime.config.model.mcp import HttpMcpServer
from runtime.config.servers import ALL, split_reference
from runtime.config.source import Path
from runtime.config.wording import suggest
from runtime.diagnostics import Diagnostic, Severity

if TYPE_CHECKING:
    from runtime.server.runtime import Runtime


async def probe_servers(runtime: Runtime) -> list[Diagnostic]:
    """Return what is wrong with the MCP servers that are used; each is asked once."""
    connections = runtime.generation.snapshot.servers.connections
    found = await asyncio.gather(*(_probe(runtime, name, connection) for name, connection in connections.items()))
    return [diagnostic for diagnostics in found for diagnostic in diagnostics]


async def _probe(runtime: Runtime, name: str, connection: Link) -> list[Diagnostic]:
    try:
        tools = {tool.name for tool in await connection.tools()}
    except McpUnavailable as error:
        entry = runtime.config.mcp[name]
        if isinstance(entry, HttpMcpServer) and entry.forward_headers:
            # It may be there, and want to know who asks.
            hint = "it was asked without the headers that users bring"
            return [_diagnostic(runtime, "A631", ("mcp", name, "url"), str(error), hint, "warning")]
        key = next(key for key in ("url", "command", "python") if hasattr(entry, key))
        return [_diagnostic(runtime, "A631", ("mcp", name, key), str(error), "is it running, and is the key right?")]
    finally:
        await connection.close()
    wrong = []
    for key, agent in runtime.config.agents.items():
        for index, reference in enumerate(agent.tools):
            split = split_reference(runtime.config, reference)
            if split is not None and split[0] == name and split[1] != ALL and split[1] not in tools:
                message = f"the MCP server {name!r} has no tool {split[1]!r}"
                hint = suggest(split[1], tools) or f"it has {len(tools)} others"
                wrong.append(_diagnostic(runtime, "A631", ("agents", key, "tools", index), message, hint))
    return wrong


def _diagnostic(
    runtime: Runtime, code: str, path: Path, message: str, hint: str, severity: Severity = "error"
) -> Diagnostic:
    places = runtime.generation.reading.loaded.places
    path = places.written(path)
    return Diagnostic(
        code, message, places.value(path), severity, hint=hint, path=path_text(path), length=places.length(path)
    )
