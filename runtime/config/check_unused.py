"""What is declared and never comes to anything: agents out of reach, tools and models that nobody uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.tools import AgentTool
from runtime.config.openapi_documents import split_operation
from runtime.config.references import model_references
from runtime.diagnostics.wording import join_words


def check_unused(config: Config, found: DiagnosticCollector) -> None:
    """Report what could be left out of the file, and agents that call each other without end."""
    _check_agents(config, found)
    _check_circles(config, found)
    _check_unused("A221", "tools", config.tools, _used_tools(config), "no agent uses the tool {!r}", found)
    _check_unused(
        "A222",
        "models",
        config.models,
        {name for name, _ in model_references(config)},
        "nothing uses the model {!r}",
        found,
    )


def _used_tools(config: Config) -> set[str]:
    named = [name for agent in config.agents.values() for name in agent.tools]
    return {(split_operation(config, name) or (name, ""))[0] for name in named}


def _check_unused(
    code: str, section: str, declared: Mapping[str, object], used: set[str], message: str, found: DiagnosticCollector
) -> None:
    if any("${" in name for name in used):
        return  # a variable that isn't set may be the name of any of them
    for name in declared.keys() - used:
        found.report(code, (section, name), message.format(name), severity="warning", at_key=True, unused=name)


def _check_agents(config: Config, found: DiagnosticCollector) -> None:
    if config.entry is None and len(config.agents) > 1:
        return
    reached: set[str] = set()
    waiting = config.entry_agents
    if not all(name in config.agents for name in waiting):
        return
    entries = join_words([repr(name) for name in waiting], "and")
    while waiting:
        name = waiting.pop()
        if name in config.agents and name not in reached:
            reached.add(name)
            waiting += [handoff.agent for handoff in config.agents[name].handoffs]
            waiting += _called(config, name)
    for name in config.agents.keys() - reached:
        message = f"nothing leads from the entry {entries} to the agent {name!r}"
        found.report("A220", ("agents", name), message, severity="warning", at_key=True, unused=name)


def _called(config: Config, agent: str) -> Iterator[str]:
    """Yield the agents that an agent has as tools."""
    for name in config.agents[agent].tools:
        tool = config.tools.get(name)
        if isinstance(tool, AgentTool) and tool.agent in config.agents:
            yield tool.agent


def _check_circles(config: Config, found: DiagnosticCollector) -> None:
    done: set[str] = set()
    for start in config.agents:
        trail: list[str] = []
        waiting = [(start, 0)] if start not in done else []
        while waiting:
            name, depth = waiting.pop()
            del trail[depth:]
            if name in trail:
                _report_circle(config, found, [*trail[trail.index(name) :], name])
            elif name not in done:
                done.add(name)
                trail.append(name)
                waiting += [(called, depth + 1) for called in _called(config, name)]


def _report_circle(config: Config, found: DiagnosticCollector, circle: list[str]) -> None:
    for index, name in enumerate(config.agents[circle[-2]].tools):
        tool = config.tools.get(name)
        if isinstance(tool, AgentTool) and tool.agent == circle[-1]:
            message = f"agents call each other as tools in a circle: {' -> '.join(circle)}"
            found.report("A214", ("agents", circle[-2], "tools", index), message, severity="warning")
