"""The `mcp` section -> connections that outlive generations, and a view of each server for each agent.

The tools of a server that is down are left out, with a warning in the log; connecting is retried after a pause. The
SDK requires that the task that opened a connection closes it, so each connection has a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agents import AgentBase, RunContextWrapper
from agents.mcp import MCPServer, MCPServerSse, MCPServerStdio, MCPServerStreamableHttp
from mcp.types import CallToolResult
from mcp.types import Tool as McpTool

from runtime.assemble.forwarded_headers import (
    ConnectionPool,
    HeaderValues,
    McpConnection,
    contains_value,
    merge_headers,
)
from runtime.assemble.problems import BuildError, Problems
from runtime.config.model import Config
from runtime.config.model import mcp as declared
from runtime.config.references import servers_of
from runtime.errors import RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Share

logger = logging.getLogger("runtime.assemble")

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
"""The pause before another attempt to connect, in seconds; it doubles with each failure."""


class McpUnavailable(RuntimeFault):
    """The server can't be reached; `reason` contains no secrets."""

    def __init__(self, server: str, reason: str) -> None:
        self.server, self.reason = server, reason
        super().__init__(f"the MCP server {server!r} can't be reached: {reason}")


class ServerConnection:
    """A connection to one server, opened at its first use, and again after a failure.

    `make` makes the SDK's server. `values` are the forwarded headers among its own: no error may contain them.
    """

    def __init__(
        self, name: str, make: Callable[[], MCPServer], connect_timeout_s: float, values: HeaderValues = ()
    ) -> None:
        self.name, self._make, self._connect_timeout_s, self._values = name, make, connect_timeout_s, values
        self._lock = asyncio.Lock()
        self._server: MCPServer | None = None
        self._owner: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._tools: list[McpTool] | None = None
        self._pause_s, self._not_before = FIRST_PAUSE_S, 0.0
        self._reason = ""

    async def tools(self) -> list[McpTool]:
        """Return the server's tools, which are listed once for each connection. Raise McpUnavailable."""
        async with self._lock:
            server = await self._connected()
            if self._tools is None:
                try:
                    self._tools = await server.list_tools()
                except Exception as error:
                    await self._lost(error)
                    raise McpUnavailable(self.name, self._reason) from self._cause(error)
            return self._tools

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call a tool. Raise McpUnavailable, or the SDK's exception for a failed call."""
        async with self._lock:
            server = await self._connected()
        try:
            return await server.call_tool(tool, arguments, meta)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The call or the connection may have failed, so the next call gets a new connection.
            async with self._lock:
                if self._server is server:
                    await self._lost(error, pause=False)
            if self._cause(error) is None:
                raise McpUnavailable(self.name, self._reason_of(error)) from None
            raise

    async def close(self) -> None:
        """Close the connection; the next use opens it again."""
        async with self._lock:
            await self._end()

    async def _connected(self) -> MCPServer:
        if self._server is not None:
            return self._server
        if time.monotonic() < self._not_before:
            raise McpUnavailable(self.name, self._reason)
        opened: asyncio.Future[MCPServer] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        # An empty context: the connection outlives the turn that opens it.
        owner = self._own(opened, self._stop)
        self._owner = asyncio.create_task(owner, name=f"MCP server {self.name}", context=Context())
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                self._server = await asyncio.shield(opened)
        except asyncio.CancelledError:
            await self._end()
            raise
        except Exception as error:
            await self._lost(error)
            raise McpUnavailable(self.name, self._reason) from self._cause(error)
        self._pause_s, self._tools = FIRST_PAUSE_S, None
        return self._server

    async def _own(self, opened: asyncio.Future[MCPServer], stop: asyncio.Event) -> None:
        server = self._make()
        try:
            await server.connect()  # type: ignore[no-untyped-call]
            if not opened.done():
                opened.set_result(server)
            await stop.wait()
        except Exception as error:
            if not opened.done():
                opened.set_exception(error)
                opened.exception()  # marks it as retrieved: the waiting task may be gone
        finally:
            try:
                await server.cleanup()  # type: ignore[no-untyped-call]
            except Exception as error:
                logger.info("MCP server %s did not close cleanly: %s", self.name, type(error).__name__)

    async def _lost(self, error: BaseException, pause: bool = True) -> None:
        self._reason = self._reason_of(error)
        await self._end()
        if pause:
            self._not_before = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
            logger.warning("the MCP server %r is left out: %s", self.name, self._reason)

    def _cause(self, error: BaseException) -> BaseException | None:
        """Return the error, or None if it contains a forwarded header."""
        return None if contains_value(error, self._values) else error

    def _reason_of(self, error: BaseException) -> str:
        cause = self._cause(error)
        return _reason(cause) if cause is not None else f"{type(error).__name__}, whose text contains a user's header"

    async def _end(self) -> None:
        owner, self._owner, self._server, self._tools = self._owner, None, None, None
        self._stop.set()
        if owner is not None:
            done, _ = await asyncio.wait({owner}, timeout=2.0)
            if not done:
                owner.cancel()
                await asyncio.wait({owner}, timeout=2.0)


class ServerView(MCPServer):
    """A server as one agent sees it: the tools that it may use, with the entry's prefix."""

    def __init__(self, connection: McpConnection, entry: declared.McpServer, referenced: set[str] | None) -> None:
        ask = entry.needs_approval
        policy: Any = "always" if ask is True else {f"{entry.prefix}{name}": "always" for name in ask or ()}
        super().__init__(use_structured_content=entry.structured, require_approval=policy or None)
        self._connection, self._entry, self._referenced = connection, entry, referenced

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
        """Return the tools that the agent may use; none while the server is down."""
        try:
            tools = await self._connection.tools()
        except McpUnavailable:
            return []
        prefix = self._entry.prefix
        allowed = [tool for tool in tools if self._allows(tool.name)]
        return [tool.model_copy(update={"name": f"{prefix}{tool.name}"}) for tool in allowed] if prefix else allowed

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        """Call a tool."""
        return await self._connection.call(tool_name.removeprefix(self._entry.prefix), arguments, meta)

    async def list_prompts(self) -> Any:
        """Raise NotImplementedError: prompts of servers are not used."""
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Raise NotImplementedError: prompts of servers are not used."""
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

    def views(self, agent: str) -> list[MCPServer]:
        """Return the views of an agent, in the order of its tools."""
        used = servers_of(self.config, self.config.agents[agent])
        return [
            ServerView(self.connections[name], self.config.mcp[name], tools)
            for name, tools in used.items()
            if name in self.connections
        ]


def build_servers(
    config: Config, root: Path, environ: Mapping[str, str], share: Share, code: ProjectCode, problems: Problems
) -> McpServers:
    """Make or share the connections to servers in use, without opening them; failures are recorded in `problems`."""
    used: set[str] = set()
    for agent in config.agents.values():
        used |= servers_of(config, agent).keys()
    connections: dict[str, McpConnection] = {}
    for name in sorted(used):
        entry = config.mcp[name]
        # These keys affect the views only: a change of them keeps the connection.
        identity = entry.model_dump_json(exclude={"tools", "exclude", "prefix", "needs_approval", "structured"})
        key: tuple[object, ...] = ("mcp", name, identity)
        if isinstance(entry, declared.PythonMcpServer):
            with problems.record("A301", "mcp", name, "python"):
                make = _from_python(name, entry, code.resolve(entry.python))
                connections[name] = share.get((*key, code), make, _close)
            continue
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
        params: Any = {
            "command": entry.command,
            "args": entry.args,
            "env": {"PATH": environ.get("PATH", os.defpath), **entry.env},
            "cwd": str(root / entry.cwd) if entry.cwd else str(root),
        }
        return lambda: MCPServerStdio(params, **options)
    http: Any = {"url": entry.url, "headers": merge_headers(entry.headers, values), "timeout": entry.connect_timeout}
    if entry.transport == "sse":
        http["sse_read_timeout"] = max(300.0, entry.timeout)
        return lambda: MCPServerSse(http, **options)
    return lambda: MCPServerStreamableHttp(http, **options)


def _reason(error: BaseException) -> str:
    """Return the message of the innermost cause; the SDK removes passwords from addresses."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    cause = error.__cause__ or error.__context__
    return str(error) or (str(cause) if cause is not None else "") or type(error).__name__
