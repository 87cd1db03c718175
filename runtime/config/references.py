"""Every place in agents.yaml that names a model, a guardrail or an MCP server, for checks and for the build."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.config.model import Config
from runtime.config.model.agents import Agent
from runtime.config.model.chat import ModelSummary, ModelTitle
from runtime.config.model.guardrails import JudgeGuardrail
from runtime.diagnostics.key_path import KeyPath

ALL = "*"
WIDGET_SUFFIXES = (".widget", ".json")


def model_references(config: Config) -> Iterator[tuple[str, KeyPath]]:
    """Yield the name and key path of every reference to a model, duplicates included."""
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


def guardrail_references(config: Config) -> Iterator[tuple[str, KeyPath]]:
    """Yield the name or import path, and the key path, of every guardrail of an agent or a tool."""
    for section, entries in (("agents", config.agents), ("tools", config.tools)):
        for key, entry in entries.items():
            guardrails = getattr(entry, "guardrails", None)
            for side in ("input", "output") if guardrails is not None else ():
                for index, name in enumerate(getattr(guardrails, side)):
                    yield name, (section, key, "guardrails", side, index)


def mcp_references(config: Config) -> Iterator[tuple[str, str, KeyPath]]:
    """Yield the server, the tool (or `*`) and the key path of every agent's reference to an MCP server."""
    for key, agent in config.agents.items():
        for index, reference in enumerate(agent.tools):
            split = None if reference in config.tools else split_reference(config, reference)
            if split is not None:
                yield *split, ("agents", key, "tools", index)


def split_reference(config: Config, reference: str) -> tuple[str, str] | None:
    """Split a reference to an MCP server into the server and the tool, or `*`; None for any other reference."""
    server, dot, tool = reference.partition(".")
    return (server, tool) if dot and tool and ":" not in tool and server in config.mcp else None


def servers_of(config: Config, agent: Agent) -> dict[str, set[str] | None]:
    """Return the MCP servers that an agent uses, with the names of the tools; None for all tools of a server."""
    used: dict[str, set[str] | None] = {}
    for reference in agent.tools:
        split = None if reference in config.tools else split_reference(config, reference)
        if split is None:
            continue
        server, tool = split
        names = used.setdefault(server, set())
        if tool == ALL:
            used[server] = None
        elif names is not None:
            names.add(tool)
    return used


def is_widget_file(config: Config, widget: str) -> bool:
    """Return whether a reference to a widget is the name of a file, and not of an entry of `widgets`."""
    return widget not in config.widgets and widget.endswith(WIDGET_SUFFIXES)
