"""`forward_headers` of an MCP server: which headers of a user's request may be passed on."""

from __future__ import annotations

import re

from runtime.config.findings import Findings
from runtime.config.source import Path

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    }
)
_OWN = frozenset({"host", "accept", "accept-encoding", "expect", "last-event-id"})
_OWN_STARTS = ("content-", "mcp-")


def check_forwarded(server: str, names: list[str], found: Findings) -> None:
    """Report names that no header has, and headers that belong to one connection or one request alone."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        path: Path = ("mcp", server, "forward_headers", index)
        key = name.lower()
        if not _NAME.fullmatch(name):
            found.report("A256", path, f"{name!r} can't be a header's name", "such as Authorization, or X-Tenant")
        elif key in _HOP_BY_HOP:
            message = f"the header {name!r} is meant for the next server on the way alone"
            found.report("A256", path, message, "leave it out")
        elif key in _OWN or key.startswith(_OWN_STARTS):
            message = f"the header {name!r} says something of one request, and each request to the server has its own"
            found.report("A256", path, message, "leave it out")
        elif key in seen:
            found.report("A256", path, f"the header {name!r} is given twice", "leave one of them out")
        seen.add(key)
