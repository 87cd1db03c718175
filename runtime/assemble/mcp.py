"""The `mcp` section -> connections that outlive generations, and what each agent sees of them.

A server that is down takes nothing else down: its tools are left out, the log says so, and it is asked again after a
while. The SDK wants a connection closed by the task that opened it, so each has a task of its own.
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

from runtime.assemble.forwarded_headers import ConnectionPool, HeaderValues, McpConnection, betrays, merged
from runtime.assemble.problems import BuildError, Problems
from runtime.config.model import Config
from runtime.config.model import mcp as declared
from runtime.config.references import servers_of
from runtime.errors import RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Share

logger = logging.getLogger("runtime.assemble")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0


class McpUnavailable(RuntimeFault):
    """The server can't be reached now; `reason` says why, without anything secret."""

    def __init__(self, server: str, reason: str) -> None:
        self.server, self.reason = server, reason
        super().__init__(f"the MCP server {server!r} can't be reached: {reason}")


class ServerConnection:
    """One server: connected when it is first needed, and again, after a pause, once it was lost.

    `values` are a user's own headers among those that `make` gives it: no error says them.
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
        """The server's tools, asked for once for each connection. Raise McpUnavailable."""
        async with self._lock:
            server = await self._connected()
            if self._tools is None:
                try:
                    self._tools = await server.list_tools()
                except Exception as error:
                    await self._lost(error)
                    raise McpUnavailable(self.name, self._reason) from self._told(error)
            return self._tools

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call a tool. Raise McpUnavailable, or what the SDK raises for a call that failed."""
        async with self._lock:
            server = await self._connected()
        try:
            return await server.call_tool(tool, arguments, meta)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Whether it was the call or the connection can't be told for sure: the next one gets a fresh connection.
            async with self._lock:
                if self._server is server:
                    await self._lost(error, pause=False)
            if self._told(error) is None:
                raise McpUnavailable(self.name, self._reason_of(error)) from None
            raise

    async def close(self) -> None:
        """Close the connection; it may be opened again."""
        async with self._lock:
            await self._end()

    async def _connected(self) -> MCPServer:
        if self._server is not None:
            return self._server
        if time.monotonic() < self._not_before:
            raise McpUnavailable(self.name, self._reason)
        opened: asyncio.Future[MCPServer] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        # It outlives the turn that has opened it, and is to know nothing of that.
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
            raise McpUnavailable(self.name, self._reason) from self._told(error)
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
                opened.exception()  # whoever waited may be gone
        finally:
            try:
                await server.cleanup()  # type: ignore[no-untyped-call]
            except Exception as error:
                logger.info("MCP server %s did not close well: %s", self.name, type(error).__name__)

    async def _lost(self, error: BaseException, pause: bool = True) -> None:
        self._reason = self._reason_of(error)
        await self._end()
        if pause:
            self._not_before = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
            logger.warning("the MCP server %r is left out: %s", self.name, self._reason)

    def _told(self, error: BaseException) -> BaseException | None:
        return None if betrays(error, self._values) else error

    def _reason_of(self, error: BaseException) -> str:
        told = self._told(error)
        return _reason(told) if told is not None else f"{type(error).__name__}, whose words hold a user's header"

    async def _end(self) -> None:
        owner, self._owner, self._server, self._tools = self._owner, None, None, None
        self._stop.set()
        if owner is not None:
            done, _ = await asyncio.wait({owner}, timeout=2.0)
            if not done:
                owner.cancel()
                await asyncio.wait({owner}, timeout=2.0)


class ServerView(MCPServer):
    """What one agent sees of a server: some of its tools, perhaps under longer names."""

    def __init__(self, connection: McpConnection, entry: declared.McpServer, wanted: set[str] | None) -> None:
        approved = entry.needs_approval
        policy: Any = "always" if approved is True else {f"{entry.prefix}{name}": "always" for name in approved or ()}
        super().__init__(use_structured_content=entry.structured, require_approval=policy or None)
        self._connection, self._entry, self._wanted = connection, entry, wanted

    @property
    def name(self) -> str:
        """The server's key in the file."""
        return self._connection.name

    async def connect(self) -> None:
        """Nothing to do: it connects when it is first needed."""

    async def cleanup(self) -> None:
        """Nothing to do: the connection is not this agent's alone."""

    async def list_tools(
        self, run_context: RunContextWrapper[Any] | None = None, agent: AgentBase | None = None
    ) -> list[McpTool]:
        """The tools that are let in and wanted; none while the server is down."""
        try:
            tools = await self._connection.tools()
        except McpUnavailable:
            return []
        prefix = self._entry.prefix
        wanted = [tool for tool in tools if self._lets_in(tool.name)]
        return [tool.model_copy(update={"name": f"{prefix}{tool.name}"}) for tool in wanted] if prefix else wanted

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        """Call one of them."""
        return await self._connection.call(tool_name.removeprefix(self._entry.prefix), arguments, meta)

    async def list_prompts(self) -> Any:
        """Prompts are not taken from servers."""
        raise NotImplementedError

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Prompts are not taken from servers."""
        raise NotImplementedError

    def _lets_in(self, tool: str) -> bool:
        entry = self._entry
        is_let_in = (entry.tools is None or tool in entry.tools) and tool not in entry.exclude
        return is_let_in and (self._wanted is None or tool in self._wanted)


@dataclass(frozen=True, slots=True)
class McpServers:
    """The declared servers that an agent uses, by their key."""

    config: Config
    connections: Mapping[str, McpConnection]

    def views(self, agent: str) -> list[MCPServer]:
        """What an agent sees, in the order in which it names the servers."""
        used = servers_of(self.config, self.config.agents[agent])
        return [
            ServerView(self.connections[name], self.config.mcp[name], tools)
            for name, tools in used.items()
            if name in self.connections
        ]


def build_servers(
    config: Config, root: Path, environ: Mapping[str, str], share: Share, code: ProjectCode, problems: Problems
) -> McpServers:
    """Take the connections of the servers that some agent uses; nothing connects yet, what is wrong is in `found`."""
    used: set[str] = set()
    for agent in config.agents.values():
        used |= servers_of(config, agent).keys()
    connections: dict[str, McpConnection] = {}
    for name in sorted(used):
        entry = config.mcp[name]
        # What the agents see of it may change without the connection.
        identity = entry.model_dump_json(exclude={"tools", "exclude", "prefix", "needs_approval", "structured"})
        key: tuple[object, ...] = ("mcp", name, identity)
        if isinstance(entry, declared.PythonMcpServer):
            with problems.record("A301", "mcp", name, "python"):
                own = _own(name, entry, code.resolve(entry.python))
                connections[name] = share.get((*key, code), own, _close)
            continue
        connections[name] = share.get(key, partial(_link, name, entry, root, environ), _close)
    return McpServers(config, connections)


_Declared = declared.StdioMcpServer | declared.HttpMcpServer


def _link(name: str, entry: _Declared, root: Path, environ: Mapping[str, str]) -> McpConnection:
    def connection(values: HeaderValues = ()) -> ServerConnection:
        return ServerConnection(name, _maker(name, entry, root, environ, values), entry.connect_timeout, values)

    if isinstance(entry, declared.HttpMcpServer) and entry.forward_headers:
        return ConnectionPool(name, entry.forward_headers, connection)
    return connection()


def _own(name: str, entry: declared.PythonMcpServer, value: Any) -> Callable[[], McpConnection]:
    if not isinstance(value, MCPServer) and not callable(value):
        hint = "give an agents.mcp.MCPServer, or what makes one"
        raise BuildError(f"{entry.python!r} is {type(value).__name__}", hint, code="A324")

    def make() -> MCPServer:
        server = value if isinstance(value, MCPServer) else value(**entry.with_)
        if not isinstance(server, MCPServer):
            raise TypeError(f"{entry.python!r} gave {type(server).__name__}, not an agents.mcp.MCPServer")
        return server

    return lambda: ServerConnection(name, make, entry.connect_timeout)


async def _close(link: McpConnection) -> None:
    await link.close()


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
    http: Any = {"url": entry.url, "headers": merged(entry.headers, values), "timeout": entry.connect_timeout}
    if entry.transport == "sse":
        http["sse_read_timeout"] = max(300.0, entry.timeout)
        return lambda: MCPServerSse(http, **options)
    return lambda: MCPServerStreamableHttp(http, **options)


def _reason(error: BaseException) -> str:
    """The innermost cause, which says the most; addresses with passwords in them are the SDK's to hide."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    cause = error.__cause__ or error.__context__
    return str(error) or (str(cause) if cause is not None else "") or type(error).__name__
