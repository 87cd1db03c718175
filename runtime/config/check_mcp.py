"""MCP servers that OpenAI calls, `hosted: mcp`: what the API would refuse with the first message."""

from __future__ import annotations

import re

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.tools import HostedMcp
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest


def check_hosted_mcp(config: Config, found: DiagnosticCollector) -> None:
    """Report servers without an address, approvals that can't be told, and labels that an agent has twice."""
    servers = {key: entry for key, entry in config.tools.items() if isinstance(entry, HostedMcp)}
    for key, entry in servers.items():
        _check_address(key, entry, found)
        if isinstance(entry.needs_approval, list):
            _check_approval(key, entry, entry.needs_approval, found)
    for key, agent in config.agents.items():
        seen: dict[str, str] = {}
        for index, reference in enumerate(agent.tools):
            server = servers.get(reference)
            if server is None:
                continue
            first = seen.setdefault(server.label, reference)
            if first != reference:
                message = f"{first!r} and {reference!r} have the label {server.label!r}, and the agent {key!r} has both"
                found.report("A255", ("agents", key, "tools", index), message, "give one of them another 'label'")


def _check_address(key: str, entry: HostedMcp, found: DiagnosticCollector) -> None:
    path: KeyPath = ("tools", key)
    if entry.url is None and entry.connector is None:
        message = f"nothing says where the MCP server {entry.label!r} is"
        found.report("A255", path, message, "give it a 'url', or a 'connector'", at_key=True)
    elif entry.url is not None and entry.connector is not None:
        message = "'url' and 'connector' can't stand together: a server is in one place"
        found.report("A255", (*path, "connector"), message, "leave one of them out", at_key=True)
    elif entry.connector is not None and not entry.authorization:
        message = f"{entry.connector!r} needs an 'authorization'"
        found.report("A255", (*path, "connector"), message, "give it an OAuth access token, such as ${TOKEN}")


def _check_approval(key: str, entry: HostedMcp, asked: list[str], found: DiagnosticCollector) -> None:
    path: KeyPath = ("tools", key, "needs_approval")
    if entry.tools is None:
        message = "which tools need no approval can't be told, because not all tools are known"
        found.report("A255", path, message, "list all in 'tools', or let 'needs_approval' be true", at_key=True)
        return
    for index, tool in enumerate(asked):
        if tool not in entry.tools:
            message = f"{tool!r} needs approval, and is not among the server's 'tools'"
            found.report("A253", (*path, index), message, suggest(tool, entry.tools) or "let it in, or leave it out")


# `forward_headers` of an MCP server: which headers of a user's request may be passed on.

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


def check_forwarded_headers(server: str, names: list[str], found: DiagnosticCollector) -> None:
    """Report names that no header has, and headers that belong to one connection or one request alone."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        path: KeyPath = ("mcp", server, "forward_headers", index)
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
