"""What is declared and never comes to anything: agents out of reach, tools, models and widgets that nobody uses."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.config.findings import Findings
from runtime.config.model import Config
from runtime.config.model.actions import WidgetAction
from runtime.config.model.chat import ModelTitle
from runtime.config.model.tools import AgentTool, WidgetTool


def check_usage(config: Config, found: Findings) -> None:
    """Report what could be left out of the file, and agents that call each other without end."""
    _check_agents(config, found)
    _check_circles(config, found)
    used_tools = {name for agent in config.agents.values() for name in agent.tools}
    for name in config.tools.keys() - used_tools:
        found.report("A221", ("tools", name), f"no agent uses the tool {name!r}", severity="warning", at_key=True)
    used_models = {agent.model for agent in config.agents.values()}
    if isinstance(config.chat.title, ModelTitle):
        used_models.add(config.chat.title.model)
    for name in config.models.keys() - used_models:
        found.report("A222", ("models", name), f"nothing uses the model {name!r}", severity="warning", at_key=True)
    shown = {tool.widget for tool in config.tools.values() if isinstance(tool, WidgetTool)}
    shown |= {action.widget for action in config.actions.values() if isinstance(action, WidgetAction)}
    for name in config.widgets.keys() - shown:
        message = f"nothing in this file shows the widget {name!r}"
        found.report("A223", ("widgets", name), message, "Python may, by its name", severity="note", at_key=True)


def _check_agents(config: Config, found: Findings) -> None:
    entry = config.entry or (next(iter(config.agents)) if len(config.agents) == 1 else "")
    if entry not in config.agents:
        return
    reached: set[str] = set()
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in config.agents and name not in reached:
            reached.add(name)
            waiting += [handoff.agent for handoff in config.agents[name].handoffs]
            waiting += _called(config, name)
    for name in config.agents.keys() - reached:
        message = f"nothing leads from the entry {entry!r} to the agent {name!r}"
        found.report("A220", ("agents", name), message, severity="warning", at_key=True)


def _called(config: Config, agent: str) -> Iterator[str]:
    """Yield the agents that an agent has as tools."""
    for name in config.agents[agent].tools:
        tool = config.tools.get(name)
        if isinstance(tool, AgentTool) and tool.agent in config.agents:
            yield tool.agent


def _check_circles(config: Config, found: Findings) -> None:
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


def _report_circle(config: Config, found: Findings, circle: list[str]) -> None:
    for index, name in enumerate(config.agents[circle[-2]].tools):
        tool = config.tools.get(name)
        if isinstance(tool, AgentTool) and tool.agent == circle[-1]:
            message = f"agents call each other as tools in a circle: {' -> '.join(circle)}"
            found.report("A214", ("agents", circle[-2], "tools", index), message, severity="warning")
