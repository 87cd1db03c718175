"""A real MCP server, from the `mcp` package: run as a program over stdio, or as an ASGI app."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer


def make_server(calls: list[Any] | None = None) -> MCPServer:
    server = MCPServer("library")
    noted: list[Any] = [] if calls is None else calls

    @server.tool()
    def find_book(title: str) -> str:
        """Find a book by its title."""
        noted.append(("find_book", title))
        return f"{title} is on shelf 7 of {os.environ.get('BRANCH', 'the main branch')}"

    @server.tool()
    def lend_book(title: str) -> str:
        """Lend a book."""
        noted.append(("lend_book", title))
        return f"{title} is yours"

    @server.tool()
    def burn_book(title: str) -> str:
        """Never do this."""
        raise RuntimeError("books are not burnt")

    @server.tool()
    async def who_asks(ctx: Context) -> str:  # type: ignore[type-arg]
        """Say by which headers the caller is known."""
        headers = ctx.headers or {}
        told = {name: headers.get(name) for name in ("authorization", "x-tenant", "x-app")}
        noted.append(("who_asks", told))
        return json.dumps(told)

    @server.tool()
    def leave() -> str:
        """End the server, as a crash does."""
        os._exit(3)

    return server


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with Path(sys.argv[1]).open("a") as started:
            started.write(f"{os.getpid()}\n")
    make_server().run("stdio")
