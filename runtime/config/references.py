"""Where agents.yaml names its models: every place, in one list, for whoever builds, checks or counts them."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.config.check_mcp import check_forwarded_headers
from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.agents import Agent
from runtime.config.model.chat import ModelSummary, ModelTitle
from runtime.config.model.guardrails import JudgeGuardrail
from runtime.config.model.mcp import HttpMcpServer
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest


def model_references(config: Config) -> Iterator[tuple[str, KeyPath]]:
    """Yield the name of each model that is used, and where; a name that stands twice comes twice."""
    for key, agent in config.agents.items():
        yield agent.model, ("agents", key, "model")
    for name, model in config.models.items():
        for index, other in enumerate(model.fallback):
            yield other, ("models", name, "fallback", index)
    for index, choice in enumerate(config.chat.composer.models):
        yield choice.model, ("chat", "composer", "models", index, "model")
    for name, guardrail in config.guardrails.items():
        if isinstance(guardrail, JudgeGuardrail):
            yield guardrail.judge, ("guardrails", name, "judge")
    if config.chat.dictation is not None and config.chat.dictation.model is not None:
        yield config.chat.dictation.model, ("chat", "dictation", "model")
    if isinstance(config.chat.title, ModelTitle):
        yield config.chat.title.model, ("chat", "title", "model")
    if isinstance(config.chat.history.summary, ModelSummary):
        yield config.chat.history.summary.model, ("chat", "history", "summary", "model")


# Tools of MCP servers as agents name them, `server.tool` or `server.*`: which are meant, and what leads nowhere.

ALL = "*"


def split_reference(config: Config, reference: str) -> tuple[str, str] | None:
    """The server and the tool, or `*`, that a reference names; None where it names something else."""
    server, dot, tool = reference.partition(".")
    return (server, tool) if dot and tool and ":" not in tool and server in config.mcp else None


def servers_of(config: Config, agent: Agent) -> dict[str, set[str] | None]:
    """The servers that an agent uses, and which of their tools; None for all of them."""
    used: dict[str, set[str] | None] = {}
    for reference in agent.tools:
        found = None if reference in config.tools else split_reference(config, reference)
        if found is None:
            continue
        server, tool = found
        names = used.setdefault(server, set())
        if tool == ALL:
            used[server] = None
        elif names is not None:
            names.add(tool)
    return used


def check_mcp_servers(config: Config, found: DiagnosticCollector) -> None:
    """Report servers that nobody uses, and tools that their own declaration leaves out."""
    used: set[str] = set()
    for agent in config.agents.values():
        used |= servers_of(config, agent).keys()
    for name, server in config.mcp.items():
        if not name.isidentifier():
            hint = "agents name its tools as SERVER.TOOL: letters, digits and '_'"
            found.report("A215", ("mcp", name), f"{name!r} can't be a server's name", hint, at_key=True)
        elif name not in used:
            hint = f"an agent names its tools as '{name}.TOOL', or '{name}.*' for all"
            message = f"no agent uses the MCP server {name!r}"
            found.report("A252", ("mcp", name), message, hint, severity="warning", at_key=True)
        if isinstance(server, HttpMcpServer):
            check_forwarded_headers(name, server.forward_headers, found)
        listed = server.needs_approval if isinstance(server.needs_approval, list) else []
        for index, tool in enumerate(listed):
            if server.tools is not None and tool not in server.tools:
                message = f"{tool!r} needs approval, and is not among the server's 'tools'"
                path: KeyPath = ("mcp", name, "needs_approval", index)
                found.report("A253", path, message, suggest(tool, server.tools) or "let it in, or leave it out here")
    for reference, path in _named(config):
        server_name, tool = reference
        server = config.mcp[server_name]
        if tool != ALL and ((server.tools is not None and tool not in server.tools) or tool in server.exclude):
            message = f"the server {server_name!r} lets no tool {tool!r} in"
            found.report("A253", path, message, suggest(tool, server.tools or []) or "see its 'tools' and 'exclude'")


def _named(config: Config) -> Iterator[tuple[tuple[str, str], KeyPath]]:
    for key, agent in config.agents.items():
        for index, reference in enumerate(agent.tools):
            split = None if reference in config.tools else split_reference(config, reference)
            if split is not None:
                yield split, ("agents", key, "tools", index)
