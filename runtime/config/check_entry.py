"""Who answers, and what the composer lets the user choose: names that lead nowhere, choices that come to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.entry import ChosenTool, PythonEntry, Route
from runtime.config.openapi_documents import has_tool, means_several
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest


def check_entry(config: Config, found: DiagnosticCollector) -> None:
    """Report what is wrong with `entry` and with `chat.composer`."""
    if config.entry is None and len(config.agents) > 1:
        found.report(
            "A202", ("agents",), "several agents, and nothing says which one answers", "add 'entry'", at_key=True
        )
    for name, path in _named(config):
        if name not in config.agents:
            found.report_unknown("A201", path, f"there is no agent {name!r}", name, config.agents)
    if isinstance(config.entry, list):
        _check_routes(config, config.entry, found)
    _check_menus(config, found)


def _named(config: Config) -> Iterator[tuple[str, KeyPath]]:
    if isinstance(config.entry, str):
        yield config.entry, ("entry",)
    for index, route in enumerate(config.entry if isinstance(config.entry, list) else ()):
        if isinstance(route, Route):
            yield route.agent, ("entry", index, "agent")
        else:
            yield route, ("entry", index)


def _check_routes(config: Config, routes: Sequence[Route | str], found: DiagnosticCollector) -> None:
    choices = {tool.id for tool in config.chat.composer.tools}
    for index, route in enumerate(routes):
        if isinstance(route, str) and index < len(routes) - 1:
            message = f"whatever comes after {route!r} is never asked: it answers all the rest"
            found.report("A223", ("entry", index), message, "put it at the end")
            return
        if isinstance(route, Route) and isinstance(route.when, ChosenTool) and route.when.tool not in choices:
            message = f"the composer offers no tool {route.when.tool!r}"
            hint = suggest(route.when.tool, choices) or "declare it in 'chat.composer.tools'"
            found.report("A224", ("entry", index, "when", "tool"), message, hint)
    if not routes or isinstance(routes[-1], Route):
        hint = "end the list with an agent for all the rest"
        found.report("A223", ("entry",), "a message that fits no route has no agent", hint)


def _check_menus(config: Config, found: DiagnosticCollector) -> None:
    composer = config.chat.composer
    at: KeyPath = ("chat", "composer")
    _check_twice([choice.model for choice in composer.models], (*at, "models"), "model", found)
    _check_twice([choice.id for choice in composer.tools], (*at, "tools"), "id", found)
    routed = _routed(config)
    for index, choice in enumerate(composer.tools):
        path = (*at, "tools", index)
        if choice.tool is not None:
            _check_tool(config, choice.tool, (*path, "tool"), found)
        elif routed is not None and choice.id not in routed:
            hint = "give it a 'tool', or ask for it in 'entry'"
            found.report("A226", path, f"choosing {choice.id!r} changes nothing", hint, severity="warning")


def _check_tool(config: Config, tool: str, path: KeyPath, found: DiagnosticCollector) -> None:
    entries = [config.agents[name] for name in config.entry_agents if name in config.agents]
    offered = {reference for agent in entries for reference in agent.tools}
    if means_several(config, tool):
        hint = f"name one operation, as '{tool.partition('.')[0]}.NAME'"
        found.report("A225", path, f"{tool!r} means several tools", hint)
    elif entries and not has_tool(config, offered, tool):
        message = f"no agent that answers first has the tool {tool!r}"
        found.report("A225", path, message, suggest(tool, offered) or "add it to the agent's 'tools'")


def _routed(config: Config) -> set[str] | None:
    """The choices that `entry` asks for; None where a function or a template may ask for any."""
    if isinstance(config.entry, PythonEntry):
        return None
    routes = [route for route in config.entry if isinstance(route, Route)] if isinstance(config.entry, list) else []
    if any(isinstance(route.when, str) for route in routes):
        return None
    return {route.when.tool for route in routes if isinstance(route.when, ChosenTool)}


def _check_twice(names: Sequence[str], at: KeyPath, key: str, found: DiagnosticCollector) -> None:
    seen: Mapping[str, int] = {name: index for index, name in reversed([*enumerate(names)])}
    for index, name in enumerate(names):
        if seen[name] < index:
            found.report("A209", (*at, index, key), f"{name!r} is in the menu twice")
