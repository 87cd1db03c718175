"""Cross-checks of `entry` and of the composer's menus: unknown names, unreachable routes, choices without effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.agents import ChosenTool, PythonEntry, Route
from runtime.config.openapi_documents import has_tool, means_several
from runtime.diagnostics.key_path import KeyPath


def check_entry(config: Config, collector: DiagnosticCollector) -> None:
    """Report the mistakes in `entry` and in `chat.composer`."""
    if config.entry is None and len(config.agents) > 1:
        collector.report("A202", ("agents",), "there are several agents and no 'entry'", "add 'entry'", at_key=True)
    for name, path in _entry_references(config):
        if name not in config.agents:
            collector.report_unknown("A201", path, f"there is no agent {name!r}", name, config.agents)
    if isinstance(config.entry, list):
        _check_routes(config, config.entry, collector)
    _check_menus(config, collector)


def _entry_references(config: Config) -> Iterator[tuple[str, KeyPath]]:
    if isinstance(config.entry, str):
        yield config.entry, ("entry",)
    for index, route in enumerate(config.entry if isinstance(config.entry, list) else ()):
        if isinstance(route, Route):
            yield route.agent, ("entry", index, "agent")
        else:
            yield route, ("entry", index)


def _check_routes(config: Config, routes: Sequence[Route | str], collector: DiagnosticCollector) -> None:
    choices = {tool.id for tool in config.chat.composer.tools}
    for index, route in enumerate(routes):
        if isinstance(route, str) and index < len(routes) - 1:
            message = f"unreachable: the route {route!r} has no condition, so later routes are never tried"
            collector.report("A223", ("entry", index), message, "move it to the end of the list")
            return
        if isinstance(route, Route) and isinstance(route.when, ChosenTool) and route.when.tool not in choices:
            message = f"the composer has no tool {route.when.tool!r}"
            path = ("entry", index, "when", "tool")
            hint = "declare it in 'chat.composer.tools'"
            collector.report_unknown("A224", path, message, route.when.tool, choices, hint)
    if not routes or isinstance(routes[-1], Route):
        hint = "end the list with the name of an agent"
        collector.report("A223", ("entry",), "a message that matches no route has no agent", hint)


def _check_menus(config: Config, collector: DiagnosticCollector) -> None:
    composer = config.chat.composer
    at: KeyPath = ("chat", "composer")
    _check_duplicates([choice.model for choice in composer.models], (*at, "models"), "model", collector)
    _check_duplicates([choice.id for choice in composer.tools], (*at, "tools"), "id", collector)
    routed = _routed_choices(config)
    for index, choice in enumerate(composer.tools):
        path = (*at, "tools", index)
        if choice.tool is not None:
            _check_tool(config, choice.tool, (*path, "tool"), collector)
        elif routed is not None and choice.id not in routed:
            hint = "give it a 'tool', or add a route for it to 'entry'"
            collector.report("A226", path, f"choosing {choice.id!r} has no effect", hint, severity="warning")


def _check_tool(config: Config, tool: str, path: KeyPath, collector: DiagnosticCollector) -> None:
    agents = [config.agents[name] for name in config.entry_agents if name in config.agents]
    references = {reference for agent in agents for reference in agent.tools}
    if means_several(config, tool):
        hint = f"name one operation, as '{tool.partition('.')[0]}.NAME'"
        collector.report("A225", path, f"{tool!r} names several tools", hint)
    elif agents and not has_tool(config, references, tool):
        message, hint = f"no entry agent has the tool {tool!r}", "add it to the 'tools' of an entry agent"
        collector.report_unknown("A225", path, message, tool, references, hint)


def _routed_choices(config: Config) -> set[str] | None:
    """Return the choices for which `entry` has a route; None if a function or a template may route any of them."""
    if isinstance(config.entry, PythonEntry):
        return None
    routes = [route for route in config.entry if isinstance(route, Route)] if isinstance(config.entry, list) else []
    if any(isinstance(route.when, str) for route in routes):
        return None
    return {route.when.tool for route in routes if isinstance(route.when, ChosenTool)}


def _check_duplicates(names: Sequence[str], at: KeyPath, key: str, collector: DiagnosticCollector) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            collector.report("A209", (*at, index, key), f"{name!r} is in the menu twice")
