"""MCP servers that OpenAI calls, `hosted: mcp`: what the API would refuse with the first message."""

from __future__ import annotations

from runtime.config.findings import Findings
from runtime.config.model import Config
from runtime.config.model.tools import HostedMcp
from runtime.config.source import Path
from runtime.config.wording import suggest


def check_hosted_servers(config: Config, found: Findings) -> None:
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


def _check_address(key: str, entry: HostedMcp, found: Findings) -> None:
    path: Path = ("tools", key)
    if entry.url is None and entry.connector is None:
        message = f"nothing says where the MCP server {entry.label!r} is"
        found.report("A255", path, message, "give it a 'url', or a 'connector'", at_key=True)
    elif entry.url is not None and entry.connector is not None:
        message = "'url' and 'connector' can't stand together: a server is in one place"
        found.report("A255", (*path, "connector"), message, "leave one of them out", at_key=True)
    elif entry.connector is not None and not entry.authorization:
        message = f"{entry.connector!r} needs an 'authorization'"
        found.report("A255", (*path, "connector"), message, "give it an OAuth access token, such as ${TOKEN}")


def _check_approval(key: str, entry: HostedMcp, asked: list[str], found: Findings) -> None:
    path: Path = ("tools", key, "needs_approval")
    if entry.tools is None:
        message = "which tools need no approval can't be told, because not all tools are known"
        found.report("A255", path, message, "list all in 'tools', or let 'needs_approval' be true", at_key=True)
        return
    for index, tool in enumerate(asked):
        if tool not in entry.tools:
            message = f"{tool!r} needs approval, and is not among the server's 'tools'"
            found.report("A253", (*path, index), message, suggest(tool, entry.tools) or "let it in, or leave it out")
