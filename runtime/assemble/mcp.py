"""The `mcp` section -> connections that outlive generations, and a view of each server for each agent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agents import AgentBase, RunContextWrapper
from agents.mcp import MCPServer, MCPServerSse, MCPServerStdio, MCPServerStdioParams, MCPServerStreamableHttp
from mcp.types import CallToolResult, TextContent
from mcp.types import Tool as McpTool

from runtime.assemble.mcp_connections import (
    ConnectionPool,
    HeaderValues,
    McpConnection,
    McpUnavailable,
    ServerConnection,
    merge_headers,
    reason_of,
)
from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.roles import may_use
from runtime.assemble.tool_failures import declared_text, record_failure, tool_logger
from runtime.assemble.tool_limits import cut_result
from runtime.config.model import Config
from runtime.config.model import mcp as declared
from runtime.config.project_files import ProjectFiles
from runtime.config.references import servers_of
from runtime.config.tool_names import ToolNames
from runtime.config.watched_files import program_digest
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Share
from runtime.templates.template import Template

_LOGGED = 500
"""The most characters of an error of a server in the log."""


class ServerView(MCPServer):
    """A server as one agent sees it: the tools that it may use, by names that the agent's `names` keep apart."""

    def __init__(
        self,
        connection: McpConnection,
        entry: declared.McpServer,
        referenced: set[str] | None,
        max_output: int,
        names: ToolNames,
    ) -> None:
        ask = entry.needs_approval
        policy: Any = "always" if ask is True else self._asks if ask else None
        super().__init__(
            use_structured_content=entry.structured, require_approval=policy, failure_error_function=self._fail
        )
        self._connection, self._entry, self._referenced = connection, entry, referenced
        self._names, self._tools = names, dict[str, str]()
        self._max_output = max_output
        self._error = Template.parse(entry.error) if entry.error else None

    @property
    def name(self) -> str:
        """The server's key in the file."""
        return self._connection.name

    async def connect(self) -> None:
        """Do nothing: the connection opens at its first use."""

    async def cleanup(self) -> None:
        """Do nothing: agents share the connection."""

    async def list_tools(
        self, run_context: RunContextWrapper[Any] | None = None, agent: AgentBase | None = None
    ) -> list[McpTool]:
        """Return the tools that the agent may use; none while the server is down, or for users without its roles."""
        if self._entry.roles and (run_context is None or not may_use(run_context.context.user, (self._entry.roles,))):
            return []
        try:
            tools = await self._connection.tools()
        except McpUnavailable:
            return []
        allowed = [tool for tool in tools if self._allows(tool.name)]
        for change in self.rename(allowed):
            tool_logger.warning(change)
        names = {tool: name for name, tool in self._tools.items()}
        return [tool.model_copy(update={"name": names[tool.name]}) for tool in allowed]

    def rename(self, tools: Iterable[McpTool]) -> list[str]:
        """Give tools of the server their names for the model; return a message for each that had to change."""
        changes = []
        for tool in tools:
            name, reason = self._names.name_of(self.name, tool.name, self._entry.prefix)
            self._tools[name] = tool.name
            if reason:
                changes.append(f"the model knows {tool.name!r} of the MCP server {self.name!r} as {name!r}: {reason}")
        return changes

    def _asks(self, ctx: RunContextWrapper[Any], agent: AgentBase, tool: McpTool) -> bool:
        """Return whether the user must approve a call; `tool` has its name for the model."""
        ask = self._entry.needs_approval
        return ask is True or self._tools.get(tool.name, tool.name) in (ask or ())

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        """Call a tool by its name for the model."""
        # A turn that waited for its user may have begun before these names were given.
        tool = self._tools.get(tool_name) or tool_name.removeprefix(self._entry.prefix)
        result = await self._connection.call(tool, arguments, meta)
        if result.is_error:
            text = " ".join(part.text for part in result.content if isinstance(part, TextContent))
            tool_logger.warning("tool %r of the MCP server %r reports an error: %s", tool, self.name, text[:_LOGGED])
        return cut_result(result, self._max_output)

    def _fail(self, ctx: RunContextWrapper[Any], error: Exception) -> str:
        """Log why a call failed, and return the text for the model."""
        tool = getattr(ctx, "tool_name", "")
        reason = reason_of(error)
        call_id, caller = getattr(ctx, "tool_call_id", ""), getattr(ctx, "agent", None)
        record_failure(ctx.context, tool, call_id, reason, f"MCP server {self.name!r}", caller)
        if self._error is not None:
            text = declared_text(ctx.context, tool, reason, self._error)
            if text is not None:
                return text
        return f"The call of {tool!r} failed: {reason}"

    async def list_prompts(self) -> Any:
        """Refuse: prompts of servers are not used."""
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Refuse: prompts of servers are not used."""
        raise NotImplementedError

    def _allows(self, tool: str) -> bool:
        entry = self._entry
        is_declared = (entry.tools is None or tool in entry.tools) and tool not in entry.exclude
        return is_declared and (self._referenced is None or tool in self._referenced)


@dataclass(frozen=True, slots=True)
class McpServers:
    """The connections to the servers that agents use, by the server's key."""

    config: Config
    connections: Mapping[str, McpConnection]

    def views(self, agent: str, reserved: set[str]) -> list[MCPServer]:
        """Return the views of an agent, in the order of its tools; `reserved` are the names of its other tools."""
        used, names = servers_of(self.config, self.config.agents[agent]), ToolNames(reserved)
        return [
            ServerView(self.connections[name], self.config.mcp[name], tools, self.config.limits.tool_output, names)
            for name, tools in used.items()
            if name in self.connections
        ]


def build_servers(
    config: Config,
    files: ProjectFiles,
    environ: Mapping[str, str],
    share: Share,
    code: ProjectCode,
    problems: Problems,
) -> McpServers:
    """Make or share the connections to servers in use, without opening them; failures are recorded in `problems`."""
    used: set[str] = set()
    root = files.root.resolve()
    for agent in config.agents.values():
        used |= servers_of(config, agent).keys()
    connections: dict[str, McpConnection] = {}
    for name in sorted(used):
        entry = config.mcp[name]
        # These keys affect the views only: a change of them keeps the connection.
        identity = entry.model_dump_json(
            exclude={"tools", "exclude", "prefix", "needs_approval", "error", "structured"}
        )
        key: tuple[object, ...] = ("mcp", name, identity)
        if isinstance(entry, declared.PythonMcpServer):
            with problems.record("A301", "mcp", name, "python"):
                make = _from_python(name, entry, code.resolve(entry.python))
                connections[name] = share.get((*key, code), make, _close)
            continue
        if isinstance(entry, declared.StdioMcpServer):
            # A program of the project starts again after an edit of its source.
            key = (*key, program_digest(config, entry, files, code.hash))
        connections[name] = share.get(key, partial(_connection, name, entry, root, environ), _close)
    return McpServers(config, connections)


_Declared = declared.StdioMcpServer | declared.HttpMcpServer


def _connection(name: str, entry: _Declared, root: Path, environ: Mapping[str, str]) -> McpConnection:
    def connect(values: HeaderValues = ()) -> ServerConnection:
        return ServerConnection(name, _maker(name, entry, root, environ, values), entry.connect_timeout, values)

    if isinstance(entry, declared.HttpMcpServer) and entry.forward_headers:
        return ConnectionPool(name, entry.forward_headers, connect)
    return connect()


def _from_python(name: str, entry: declared.PythonMcpServer, value: Any) -> Callable[[], McpConnection]:
    if not isinstance(value, MCPServer) and not callable(value):
        hint = "give an agents.mcp.MCPServer, or a function that returns one"
        raise BuildError(f"{entry.python!r} is {type(value).__name__}", hint, code="A324")

    def make() -> MCPServer:
        server = value if isinstance(value, MCPServer) else value(**entry.with_)
        if not isinstance(server, MCPServer):
            raise TypeError(f"{entry.python!r} returned {type(server).__name__}, not an agents.mcp.MCPServer")
        return server

    return lambda: ServerConnection(name, make, entry.connect_timeout)


async def _close(connection: McpConnection) -> None:
    await connection.close()


def program_of(entry: declared.StdioMcpServer, root: Path, environ: Mapping[str, str]) -> MCPServerStdioParams:
    """Return the command of a server that is a program, with its arguments, environment and working folder."""
    return {
        "command": entry.command,
        "args": entry.args,
        "env": {"PATH": environ.get("PATH", os.defpath), **entry.env},
        "cwd": str(root / entry.cwd) if entry.cwd else str(root),
    }


def _maker(
    name: str, entry: _Declared, root: Path, environ: Mapping[str, str], values: HeaderValues
) -> Callable[[], MCPServer]:
    options: dict[str, Any] = {
        "name": name,
        "cache_tools_list": True,
        "client_session_timeout_seconds": entry.timeout,
        "max_retry_attempts": entry.retries,
    }
    if isinstance(entry, declared.StdioMcpServer):
        return lambda: MCPServerStdio(program_of(entry, root, environ), **options)
    http: Any = {"url": entry.url, "headers": merge_headers(entry.headers, values), "timeout": entry.connect_timeout}
    if entry.transport == "sse":
        http["sse_read_timeout"] = max(300.0, entry.timeout)
        return lambda: MCPServerSse(http, **options)
    return lambda: MCPServerStreamableHttp(http, **options)
