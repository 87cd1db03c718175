"""Cross-checks of MCP servers: those of the section `mcp`, and those that OpenAI calls (`hosted: mcp`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.mcp import HttpMcpServer
from runtime.config.model.tools import HostedMcp
from runtime.config.references import ALL, mcp_references, split_reference, tool_name
from runtime.config.tool_names import legal_tool_name
from runtime.diagnostics.key_path import KeyPath

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade"}
_HOP_BY_HOP |= {"proxy-authenticate", "proxy-authorization", "proxy-connection"}
_PER_REQUEST = frozenset({"host", "accept", "accept-encoding", "expect", "last-event-id"})
_PER_REQUEST_PREFIXES = ("content-", "mcp-")


def check_mcp_servers(config: Config, collector: DiagnosticCollector) -> None:
    """Report unused servers, tools that a server's declaration excludes, and headers that can't be forwarded."""
    used = {server for server, _, _ in mcp_references(config)}
    for name, server in config.mcp.items():
        if not name.isidentifier():
            hint = "use letters, digits and '_': agents name its tools as SERVER.TOOL"
            collector.report("A215", ("mcp", name), f"{name!r} is not a valid server name", hint, at_key=True)
        elif name not in used:
            hint = f"an agent names its tools as '{name}.TOOL', or '{name}.*' for all"
            message = f"no agent uses the MCP server {name!r}"
            collector.report("A252", ("mcp", name), message, hint, severity="warning", at_key=True)
        if isinstance(server, HttpMcpServer):
            _check_forwarded_headers(server.forward_headers, ("mcp", name, "forward_headers"), collector)
        if isinstance(server.needs_approval, list) and server.tools is not None:
            _check_approval(server.needs_approval, server.tools, ("mcp", name, "needs_approval"), collector)
    for name, tool, path in mcp_references(config):
        server = config.mcp[name]
        if tool != ALL and ((server.tools is not None and tool not in server.tools) or tool in server.exclude):
            message = f"the server {name!r} does not allow the tool {tool!r}"
            collector.report_unknown("A253", path, message, tool, server.tools or (), "see its 'tools' and 'exclude'")


def check_mcp_names(config: Config, collector: DiagnosticCollector) -> None:
    """Report tools of an agent that have one name, as far as the file lists the tools of its servers (A209)."""
    for key, agent in config.agents.items():
        seen = {tool_name(config, each): each for each in agent.tools if split_reference(config, each) is None}
        for server, tool, path in _listed_tools(config, key):
            wanted = legal_tool_name(f"{config.mcp[server].prefix}{tool}")
            first = seen.setdefault(wanted, f"{server}.{tool}")
            if first != f"{server}.{tool}":
                message = (
                    f"the tools {first!r} and '{server}.{tool}' of the agent {key!r} have the same name {wanted!r}"
                )
                hint = f"give the server {server!r} a 'prefix'; without one, the model gets another name for this tool"
                collector.report("A209", path, message, hint, severity="warning")


def _listed_tools(config: Config, agent: str) -> Iterator[tuple[str, str, KeyPath]]:
    """Yield the server, the name and the reference of each MCP tool of an agent that the file names."""
    for server, tool, path in mcp_references(config):
        if path[1] == agent:
            entry = config.mcp[server]
            tools = [tool] if tool != ALL else [each for each in entry.tools or () if each not in entry.exclude]
            yield from ((server, each, path) for each in tools)


def check_hosted_mcp(config: Config, collector: DiagnosticCollector) -> None:
    """Report hosted servers that the OpenAI API would reject with the first message."""
    servers = {key: entry for key, entry in config.tools.items() if isinstance(entry, HostedMcp)}
    for key, entry in servers.items():
        _check_address(key, entry, collector)
        if isinstance(entry.needs_approval, list):
            path: KeyPath = ("tools", key, "needs_approval")
            if entry.tools is None:
                message = "a list of tools that need approval requires a list of all tools"
                hint = "list all tools in 'tools', or write 'needs_approval: true'"
                collector.report("A255", path, message, hint, at_key=True)
            else:
                _check_approval(entry.needs_approval, entry.tools, path, collector)
    for key, agent in config.agents.items():
        labels: dict[str, str] = {}
        for index, reference in enumerate(agent.tools):
            server = servers.get(reference)
            if server is None:
                continue
            first = labels.setdefault(server.label, reference)
            if first != reference:
                message = f"{first!r} and {reference!r} of the agent {key!r} have the same label {server.label!r}"
                collector.report("A255", ("agents", key, "tools", index), message, "change one 'label'")


def _check_address(key: str, entry: HostedMcp, collector: DiagnosticCollector) -> None:
    path: KeyPath = ("tools", key)
    if entry.url is None and entry.connector is None:
        message = f"the MCP server {entry.label!r} has neither 'url' nor 'connector'"
        collector.report("A255", path, message, "add one of them", at_key=True)
    elif entry.url is not None and entry.connector is not None:
        message = "'url' and 'connector' exclude each other"
        collector.report("A255", (*path, "connector"), message, "remove one of them", at_key=True)
    elif entry.connector is not None and not entry.authorization:
        message = f"{entry.connector!r} needs an 'authorization'"
        collector.report("A255", (*path, "connector"), message, "give it an OAuth access token, such as ${TOKEN}")


def _check_approval(names: list[str], tools: list[str], path: KeyPath, collector: DiagnosticCollector) -> None:
    for index, tool in enumerate(names):
        if tool not in tools:
            message = f"{tool!r} needs approval but is not in the server's 'tools'"
            hint = "add it to 'tools', or remove it here"
            collector.report_unknown("A253", (*path, index), message, tool, tools, hint)


def _check_forwarded_headers(names: list[str], at: KeyPath, collector: DiagnosticCollector) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        key, message, hint = name.lower(), "", "remove it"
        if not _HEADER_NAME.fullmatch(name):
            message, hint = f"{name!r} is not a valid header name", "such as Authorization or X-Tenant"
        elif key in _HOP_BY_HOP:
            message = f"the header {name!r} belongs to one connection and can't be forwarded"
        elif key in _PER_REQUEST or key.startswith(_PER_REQUEST_PREFIXES):
            message = f"the header {name!r} describes one request and can't be forwarded"
        elif key in seen:
            message, hint = f"the header {name!r} is listed twice", "remove one of them"
        if message:
            collector.report("A256", (*at, index), message, hint)
        seen.add(key)
