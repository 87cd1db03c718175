"""What the turns of a script name: agents, tools, their arguments, and groups of regular expressions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from runtime.config.model.tools import AgentTool, ClientTool, EffectTool, PythonTool, WidgetTool
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import quote, suggest
from runtime.scripts.player import Script, ScriptTurn, WrittenStep, plain_name
from runtime.templates.template import always_read
from runtime.validation.agent_tools import AgentTools, agent_name, agent_tools, find_symbol
from runtime.validation.checked_project import CheckedProject
from runtime.validation.scripts.arguments import ScriptProblem, call_problems, schema_problems

Agents = Mapping[str, AgentTools]
"""Agents by name, and what each can call."""

# An agent that is called without input answers all the same.
_AGENT_INPUT = {"type": "object", "properties": {"input": {"type": "string"}}}


def script_problems(project: CheckedProject, keys: Iterable[str], script: Script, data: Any) -> Iterator[ScriptProblem]:
    """Yield names in a script that do not exist, and arguments that a tool refuses.

    `keys` are the agents that answer from the script, as agents.yaml declares them; `data` is the script's YAML.
    """
    names = {key: agent_name(project, key) for key in keys}
    agents = {name: agent_tools(project, project.config.agents[key]) for key, name in names.items()}
    for turn in script.turns:
        yield from _agent_problems(turn, names)
        yield from _group_problems(turn, data)
        candidates = {name: tools for name, tools in agents.items() if _may_answer(turn, name, tools)}
        for step in (step for response in turn.responses for step in response):
            if not candidates:
                break
            if step.kind == "call":
                yield from _call_problems(project, step, data, candidates)
            elif step.kind == "handoff":
                yield from _handoff_problems(step, candidates)
                candidates = agents  # another agent goes on


def _agent_problems(turn: ScriptTurn, names: Mapping[str, str]) -> Iterator[ScriptProblem]:
    known = {name.casefold() for name in names.values()}
    by_key = {key.casefold(): name for key, name in names.items()}
    for texts in (matcher.texts for matcher in turn.matchers if matcher.key == "agent"):
        if known.isdisjoint(text.casefold() for text in texts):
            name = by_key.get(texts[0].casefold())
            hint = f"its name is {name!r}" if name else suggest(texts[0], names.values())
            message = f"no agent that answers from this script is named {texts[0]!r}"
            yield ScriptProblem((*turn.path[:-1], "agent"), message, hint, "warning")


def _may_answer(turn: ScriptTurn, name: str, tools: AgentTools) -> bool:
    for matcher in turn.matchers:
        if matcher.key == "agent" and name.casefold() not in {text.casefold() for text in matcher.texts}:
            return False
        if matcher.key == "tools" and tools.is_certain and not tools.names.issuperset(matcher.texts):
            return False
    return True


def _group_problems(turn: ScriptTurn, data: Any) -> Iterator[ScriptProblem]:
    """Yield templates that read a group which no regular expression of the turn has."""
    groups = {name for matcher in turn.matchers for pattern in matcher.patterns for name in pattern.groupindex}
    known = f"known are {', '.join(quote(sorted(groups)))}" if groups else "a group is written (?P<name>…)"
    for step in (step for response in turn.responses for step in response):
        for text, path in _texts(_value(data, step.path), step.path):
            # A dict has its methods, whatever its keys are.
            fields = {field for name, field in always_read(text) if name == "match" and not hasattr(dict, field)}
            for name in sorted(fields - groups):
                message = f"the template fails: no regular expression of this turn has the group {name!r}"
                yield ScriptProblem(path, message, suggest(name, groups) or known)


def _call_problems(
    project: CheckedProject, step: WrittenStep, data: Any, candidates: Agents
) -> Iterator[ScriptProblem]:
    paths = _call_paths(_value(data, step.path), step.path)
    for (name, arguments), path in zip(step.value, paths, strict=True):
        is_key = path[-1] == name
        references = {tools.tools.get(name) for tools in candidates.values() if name in tools.names}
        if not references and all(tools.is_complete for tools in candidates.values()):
            is_certain = all(tools.is_certain for tools in candidates.values())
            message = f"the script calls {name!r}, and no agent that answers from it has such a tool"
            hint = suggest(name, {known for tools in candidates.values() for known in tools.names})
            yield ScriptProblem(path, message, hint, "error" if is_certain else "note", is_key)
        elif len(references) == 1 and (reference := references.pop()) is not None:
            for problem in _argument_problems(project, reference, arguments):
                verb = "fails:" if problem.severity == "error" else "ignores an"
                message = f"the call of {name!r} {verb} {problem.message}"
                at_key = problem.at_key and (bool(problem.path) or is_key)
                yield replace(problem, path=(*path, *problem.path), message=message, at_key=at_key)


def _argument_problems(
    project: CheckedProject, reference: str, arguments: Mapping[str, Any]
) -> Iterable[ScriptProblem]:
    match project.config.tools.get(reference) or PythonTool.model_construct(python=reference):
        case PythonTool(python=import_path, with_=bound):
            symbol = find_symbol(project, import_path)
            return [] if symbol is None else call_problems(project.resolver, symbol, arguments, bound)
        case ClientTool(parameters=schema) | EffectTool(parameters=schema):
            return schema_problems(schema, arguments)
        case WidgetTool(widget=widget):
            return schema_problems(project.widget_schemas.get(widget, {}), arguments)
        case AgentTool():
            return schema_problems(_AGENT_INPUT, arguments)
    return []


def _handoff_problems(step: WrittenStep, candidates: Agents) -> Iterator[ScriptProblem]:
    handoffs = {tool: name for tools in candidates.values() for tool, name in tools.handoffs.items()}
    names = {plain_name(name) for pair in handoffs.items() for name in pair}
    if plain_name(step.value) not in names and all(tools.is_complete for tools in candidates.values()):
        message = f"the script hands off to {step.value!r}, and no agent that answers from it can"
        known = ", ".join(quote(sorted(handoffs.values()))) or "none"
        yield ScriptProblem(step.path, message, suggest(step.value, handoffs.values()) or f"known are {known}")


def _value(data: Any, path: KeyPath) -> Any:
    """Return the value at a path of the script; a bare text is short for a `say`."""
    for step in path:
        if isinstance(data, list | Mapping):
            data = data[step]  # type: ignore[index]  # the step into a list is an index
    return data


def _call_paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the path of each call of a step, in the order in which the parser returns them."""
    match value:
        case list():
            for index, item in enumerate(value):
                yield from _call_paths(item, (*path, index))
        case Mapping():
            yield from ((*path, name) for name in value)
        case _:
            yield path


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    match value:
        case str():
            yield value, path
        case list():
            for index, item in enumerate(value):
                yield from _texts(item, (*path, index))
        case Mapping():
            for key, item in value.items():
                yield from _texts(item, (*path, key))
