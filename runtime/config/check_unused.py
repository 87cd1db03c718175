"""Cross-checks for declarations without effect: unreachable agents, unused tools and models, circular agent tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.tools import AgentTool
from runtime.config.openapi_documents import split_operation
from runtime.config.references import model_references
from runtime.diagnostics.wording import join_words


def check_unused(config: Config, collector: DiagnosticCollector) -> None:
    """Report agents, tools and models that nothing uses, and agents that call each other without end."""
    _check_reachable(config, collector)
    _check_circles(config, collector)
    tools = {name for agent in config.agents.values() for name in agent.tools}
    used_tools = {(split_operation(config, name) or (name, ""))[0] for name in tools}
    _check_section("A221", "tools", config.tools, used_tools, "no agent uses the tool {!r}", collector)
    models = {name for name, _ in model_references(config)}
    _check_section("A222", "models", config.models, models, "nothing uses the model {!r}", collector)


def _check_section(
    code: str,
    section: str,
    declared: Mapping[str, object],
    used: set[str],
    message: str,
    collector: DiagnosticCollector,
) -> None:
    if any("${" in name for name in used):
        return  # an unset variable may hold the name of any of them
    for name in declared.keys() - used:
        collector.report(code, (section, name), message.format(name), severity="warning", at_key=True, unused=name)


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
            waiting += _called_agents(config, name)
    for name in config.agents.keys() - reached:
        message = f"the agent {name!r} can't be reached from {start}"
        collector.report("A220", ("agents", name), message, severity="warning", at_key=True, unused=name)


def _called_agents(config: Config, agent: str) -> Iterator[str]:
    """Yield the agents that an agent has as tools."""
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
