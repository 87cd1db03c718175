"""Every place in agents.yaml that names a model, a guardrail or an MCP server, for checks and for the build."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runtime.config.model import Config
from runtime.config.model.agents import Agent
from runtime.config.model.types import IMPORT_PATTERN
from runtime.diagnostics.key_path import KeyPath

ALL = "*"
IMPORT_PATH = re.compile(IMPORT_PATTERN.removesuffix("$") + r"\Z")
"""An import path, and nothing behind it."""
WIDGET_SUFFIXES = (".widget", ".json")


_MODELS = (
    *("agents.*.model", "models.*.fallback.*", "chat.composer.models.*.model", "guardrails.*.judge"),
    *("chat.dictation.model", "chat.title.model", "chat.history.summary.model"),
)
GUARDRAILS = (
    *("agents.*.guardrails.input.*", "agents.*.guardrails.output.*"),
    *("tools.*.guardrails.input.*", "tools.*.guardrails.output.*"),
)
"""The fields that name a guardrail, or its import path."""


def find_values(config: Any, field: str) -> list[tuple[Any, KeyPath]]:
    """Return each value of a field such as `tools.*.progress`, with its key path; `*` is any name or index.

    A value that is null or missing is left out.
    """
    values: list[tuple[Any, KeyPath]] = [(config, ())]
    steps = field.split(".")
    while steps:
        step = steps.pop(0)
        if step != "*":
            values = [(part, (*path, step)) for value, path in values if (part := _fields(value).get(step)) is not None]
        elif steps and steps[0] != "*":
            # Both steps at once: of a thousand entries, few have the field.
            name = steps.pop(0)
            values = [
                (part, (*path, key, name))
                for value, path in values
                for key, entry in _entries(value)
                if (part := _fields(entry).get(name)) is not None
            ]
        else:
            values = [(entry, (*path, key)) for value, path in values for key, entry in _entries(value)]
    return values


def value_at(config: Any, path: KeyPath) -> Any:
    """Return the value at a key path of the config, which must exist."""
    keys: tuple[Any, ...] = path
    for key in keys:
        config = config[key] if isinstance(config, dict | list) else getattr(config, key)
    return config


def _fields(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else getattr(value, "__dict__", {})


def _entries(value: Any) -> Iterable[tuple[str | int, Any]]:
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def find_names(config: Config, *fields: str) -> Iterator[tuple[str, KeyPath]]:
    """Yield every name in fields such as `agents.*.model`, with its key path, duplicates included."""
    for field in fields:
        yield from (each for each in find_values(config, field) if isinstance(each[0], str))


def model_references(config: Config) -> Iterator[tuple[str, KeyPath]]:
    """Yield the name and key path of every reference to a model, duplicates included."""
    for name, path in find_names(config, *_MODELS):
        # The object of an agent's `python` may have a model of its own; without one it uses `default`.
        is_open = path[0] == "agents" and not config.agents[str(path[1])].has_key("model")
        if not is_open or name in config.models:
            yield name, path


def mcp_references(config: Config) -> Iterator[tuple[str, str, KeyPath]]:
    """Yield the server, the tool (or `*`) and the key path of every agent's reference to an MCP server."""
    for reference, path in find_names(config, "agents.*.tools.*"):
        split = None if reference in config.tools else split_reference(config, reference)
        if split is not None:
            yield *split, path


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


def tool_name(config: Config, reference: str) -> str:
    """Return the tool name that the model sees; for an import path, the name that the tool most likely has."""
    return reference if reference in config.tools else reference.rpartition(":")[2].rpartition(".")[2]


def transfer_name(agent: str) -> str:
    """Return the name of the tool that hands over to an agent, as the Agents SDK makes it, in at most 64 characters.

    The SDK itself prints a warning for every name with other characters than letters, digits and `_`.
    """
    return ("transfer_to_" + re.sub(r"[^a-zA-Z0-9_]", "_", agent).lower())[:64]


ANOTHER_NAME = "give one of them another 'name'"
"""The hint for two agents of one name."""


def agents_of_one_name(names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each agent whose name an earlier one has, with a message; `names` are the names of agents by key."""
    first: dict[str, str] = {}
    for key, name in names.items():
        other = first.setdefault(name, key)
        if other != key:
            yield key, f"the agents {other!r} and {key!r} are both named {name!r}"
