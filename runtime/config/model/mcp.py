"""The `mcp` section: servers whose tools agents use as `server.tool`. `url` or `command` says which kind each is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from runtime.config.model.types import ImportPath, PositiveDuration, Secret, Section, by_key


class _McpServer(Section):
    tools: list[str] | None = None
    """The tools that are let in; all of them when left out."""
    exclude: list[str] = []
    """Tools that are left out."""
    prefix: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    """Put before the name of each tool that the model sees."""
    needs_approval: bool | list[str] = False
    """Whether the user is asked before a call: true for all tools, or the names of some."""
    timeout: PositiveDuration = 30.0
    """How long one call may take."""
    connect_timeout: PositiveDuration = 10.0
    """How long connecting may take; a server that does not answer by then is left out until it does."""
    retries: int = Field(0, ge=0, le=10)
    """How often a call that failed is tried again; only for tools that may be called twice."""
    structured: bool = False
    """Whether a result's structured content is what the model gets."""


class StdioMcpServer(_McpServer):
    """A server that is a program on this machine; it is started, and ended with the last version that uses it."""

    command: str = Field(min_length=1)
    """The program."""
    args: list[str] = []
    """Its arguments."""
    env: dict[str, Secret] = {}
    """Its environment variables, beside those that every program needs."""
    cwd: str | None = None
    """The folder that it is started in; the project folder when left out."""


class HttpMcpServer(_McpServer):
    """A server behind a URL."""

    url: Secret = Field(pattern=r"^(https?://.+|\$\{.+)$")
    """Its address."""
    headers: dict[str, Secret] = {}
    """HTTP headers sent with every request."""
    forward_headers: list[str] = []
    """Headers of the user's own request that are passed on to the server, in place of those in `headers`."""
    transport: Literal["http", "sse"] = "http"
    """`http` is Streamable HTTP; `sse` is the older transport."""


class PythonMcpServer(_McpServer):
    """A server as Python makes it: with an authorization, a client or a transport of your own."""

    python: ImportPath
    """An `agents.mcp.MCPServer`, or a class or function that makes one; it is called anew for each connection."""
    with_: dict[str, Any] = Field({}, alias="with")
    """Keyword arguments for the class or function."""


McpServer = Annotated[
    Annotated[StdioMcpServer, Tag("command")]
    | Annotated[HttpMcpServer, Tag("url")]
    | Annotated[PythonMcpServer, Tag("python")],
    by_key("command", "url", "python"),
]
