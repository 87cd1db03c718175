"""Cross-checks of `entry`, of the composer's menus, and of declarations without effect, such as unreachable agents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.agents import ChosenTool, PythonEntry, Route
from runtime.config.model.tools import AgentTool
from runtime.config.openapi_documents import has_tool, means_several, split_operation
from runtime.config.references import model_references
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import join_words


def check_entry(config: Config, collector: DiagnosticCollector) -> None:
    """Report the mistakes in `entry` and in `chat.composer`."""
    if config.entry is None and len(config.agents) > 1:
        collector.report("A202", ("agents",), "there are several agents and no 'entry'", "add 'entry'", at_key=True)
    if isinstance(config.entry, list):
        _check_routes(config, config.entry, collector)
    _check_menus(config, collector)


def _check_routes(config: Config, routes: Sequence[Route | str], collector: DiagnosticCollector) -> None:
    choices = {tool.id for tool in config.chat.composer.tools}
    for index, route in enumerate(routes):
        answers_all = isinstance(route, str) or route.when is True
        if answers_all and index < len(routes) - 1:
            agent = route if isinstance(route, str) else route.agent
            message = f"unreachable: the route to {agent!r} has no condition, so later routes are never tried"
            # `when: true` may be a switch that is on for the moment.
            severity: Severity = "error" if isinstance(route, str) else "warning"
            hint = "move it to the end of the list"
            collector.report("A223", ("entry", index), message, hint, severity=severity)
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


def check_unused(config: Config, collector: DiagnosticCollector) -> None:
    """Report agents, tools and models that nothing uses, and agents that call each other without end."""
    _check_reachable(config, collector)
    _check_circles(config, collector)
    tools = {name for agent in config.agents.values() for name in agent.tools}
    used_tools = {(split_operation(config, name) or (name, ""))[0] for name in tools}
    _check_section(config, "A221", "tools", used_tools, collector)
    models = {name for name, _ in model_references(config)}
    _check_section(config, "A222", "models", models, collector)


def _check_section(config: Config, code: str, section: str, used: set[str], collector: DiagnosticCollector) -> None:
    if any("${" in name for name in used):
        return  # an unset variable may hold the name of any of them
    for name in getattr(config, section).keys() - used:
        message = f"{'no agent uses the tool' if section == 'tools' else 'nothing uses the model'} {name!r}"
        collector.report(code, (section, name), message, severity="warning", at_key=True, unused=name)


def _check_reachable(config: Config, collector: DiagnosticCollector) -> None:
    if config.entry is None and len(config.agents) > 1:
        return
    reached: set[str] = set()
    waiting = config.entry_agents
    if not all(name in config.agents for name in waiting):
        return
    entries = join_words([repr(name) for name in waiting], "and")
    start = f"the entry agent{'s' if len(waiting) > 1 else ''} {entries}"
    while waiting:
        name = waiting.pop()
        if name in config.agents and name not in reached:
            reached.add(name)
            waiting += [handoff.agent for handoff in config.agents[name].handoffs]
            if not config.agents[name].has_key("handoffs"):
                # The object of `python` may hand over to any other such object.
                waiting += [other for other, agent in config.agents.items() if agent.python is not None]
            waiting += _called_agents(config, name)
    for name in config.agents.keys() - reached:
        message = f"the agent {name!r} can't be reached from {start}"
        collector.report("A220", ("agents", name), message, severity="warning", at_key=True, unused=name)


def _called_agents(config: Config, agent: str) -> Iterator[str]:
    for name in config.agents[agent].tools:
        tool = config.tools.get(name)
        if isinstance(tool, AgentTool) and tool.agent in config.agents:
            yield tool.agent


def _check_circles(config: Config, collector: DiagnosticCollector) -> None:
    done: set[str] = set()
    for start in config.agents:
        trail: list[str] = []
        waiting = [(start, 0)] if start not in done else []
        while waiting:
            name, depth = waiting.pop()
            del trail[depth:]
            if name in trail:
                _report_circle(config, collector, [*trail[trail.index(name) :], name])
            elif name not in done:
                done.add(name)
                trail.append(name)
                waiting += [(called, depth + 1) for called in _called_agents(config, name)]


def _report_circle(config: Config, collector: DiagnosticCollector, circle: list[str]) -> None:
    for index, name in enumerate(config.agents[circle[-2]].tools):
        tool = config.tools.get(name)
        if isinstance(tool, AgentTool) and tool.agent == circle[-1]:
            message = f"agents call each other as tools in a circle: {' -> '.join(circle)}"
            collector.report("A214", ("agents", circle[-2], "tools", index), message, severity="warning")
