"""The `mcp` section: servers whose tools agents use as `server.tool`. One key selects the kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from runtime.config.model.types import ImportPath, PositiveDuration, Roles, Secret, Section, by_key


class _McpServer(Section):
    roles: Roles | None = Field(None, examples=[["support"]])
    """The roles of which a user needs one; for others, no agent has the server's tools."""
    tools: list[str] | None = None
    """The allowed tools; all of them by default."""
    exclude: list[str] = []
    """Tools that are not allowed."""
    prefix: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    """A prefix of each tool name that the model sees."""
    needs_approval: bool | list[str] = False
    """Whether the user must approve a call: true for all tools, or the names of some."""
    error: str | None = Field(None, min_length=1)
    """The message to the model when a call fails; a template over `error`, the reason."""
    timeout: PositiveDuration = 30.0
    """How long one call may take."""
    connect_timeout: PositiveDuration = 10.0
    """How long connecting may take; without an answer by then, the server's tools are unavailable until it answers."""
    retries: int = Field(0, ge=0, le=10)
    """How often a failed call is tried again; only for tools that may be called twice."""
    structured: bool = False
    """Whether the model gets the structured content of a result."""


class StdioMcpServer(_McpServer):
    """A server that is a program on this machine; it runs until no version of the project uses it."""

    command: str = Field(min_length=1)
    """The program."""
    args: list[str] = []
    """Its arguments."""
    env: dict[str, Secret] = {}
    """Its environment variables, in addition to those that every program needs."""
    cwd: str | None = None
    """Its working folder; the project folder by default."""


class HttpMcpServer(_McpServer):
    """A server behind a URL."""

    url: Secret = Field(pattern=r"^(https?://.+|\$\{.+)$")
    """Its address."""
    headers: dict[str, Secret] = {}
    """HTTP headers sent with every request."""
    forward_headers: list[str] = []
    """Headers of the user's request that are forwarded to the server; they override those in `headers`."""
    transport: Literal["http", "sse"] = "http"
    """`http` is Streamable HTTP; `sse` is the older transport."""


class PythonMcpServer(_McpServer):
    """A server that Python creates, with an authorization, a client or a transport of your own."""

    python: ImportPath
    """An `agents.mcp.MCPServer`, or a class or function that creates one; it is called again for each connection."""
    with_: dict[str, Any] = Field({}, alias="with")
    """Keyword arguments for the class or function."""


McpServer = Annotated[
    Annotated[StdioMcpServer, Tag("command")]
    | Annotated[HttpMcpServer, Tag("url")]
    | Annotated[PythonMcpServer, Tag("python")],
    by_key("command", "url", "python"),
]
