"""What the turns of a script name: agents, tools, their arguments, and groups of regular expressions.

Only a call that certainly fails is an error. A template in the arguments is a function, whose value is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from runtime.config.model.tools import AgentTool, ClientTool, EffectTool, FactoryTool, PythonTool, WidgetTool
from runtime.config.slow_patterns import SLOW_HINT, slowness
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath, iter_values
from runtime.diagnostics.wording import quote, suggest
from runtime.scripts.player import Script, ScriptTurn, WrittenResponse, WrittenStep, plain_name
from runtime.static_analysis.resolver import Resolver, Symbol
from runtime.static_analysis.signatures import (
    may_rename,
    missing_names,
    own_parameters,
    parameters_of,
)
from runtime.validation.checked_project import CheckedProject
from runtime.validation.models import AgentTools, agent_name, agent_tools
from runtime.validation.python.type_hints import expected_instead
from runtime.validation.scripts.instructions import KnownInstructions
from runtime.validation.scripts.problems import Agents, ScriptProblem
from runtime.validation.scripts.replies import depends_on_words, unfinished_replies, unreached_steps
from runtime.validation.scripts.templates import group_problems, result_problems, written_at

# The parameters that the SDK gives an agent as a tool.
_AGENT_INPUT = {
    **{"type": "object", "properties": {"input": {"type": "string"}}},
    **{"required": ["input"], "additionalProperties": False},
}
# Keywords under which a fault of a part is not yet a fault of the whole, or decides whether others apply.
_CONDITIONAL = frozenset(
    {"if", "not", "anyOf", "oneOf", "contains", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems"}
)
_MAX_REFERENCES = 10


def script_problems(
    project: CheckedProject, keys: Iterable[str], instructions: KnownInstructions, script: Script, data: Any
) -> Iterator[ScriptProblem]:
    """Yield names in a script that do not exist, and arguments that a tool refuses.

    `keys` are the agents that answer from the script, as agents.yaml declares them; `data` is the script's YAML.
    """
    keys = list(keys)
    names = {key: agent_name(project, key) for key in keys}
    agents = {name: agent_tools(project, project.config.agents[key]) for key, name in names.items()}
    keys_of = {name: key for key, name in names.items()}
    # A call may change what an earlier turn matches, which then takes over.
    is_taken_over = any(matcher.key == "context" for turn in script.turns for matcher in turn.matchers)
    for turn in script.turns:
        if all(project.config.agents[key].has_key("name") for key in keys):
            yield from _agent_problems(project, turn, names)
        yield from group_problems(turn, data)
        yield from _slow_patterns(turn)
        candidates = {name: tools for name, tools in agents.items() if _may_answer(turn, name, tools)}
        if not candidates and turn.responses and not all(project.config.agents[key].has_key("name") for key in keys):
            candidates = agents
        if turn.responses:
            yield from _double_answers(
                project, turn.responses[0], [key for key, name in names.items() if name in candidates]
            )
        yield from unreached_steps(project, turn, candidates)
        yield from result_problems(project, turn, data, candidates)
        if candidates and not is_taken_over:
            yield from unfinished_replies(project, turn, {keys_of[name]: tools for name, tools in candidates.items()})
        is_taken_over = is_taken_over or not (depends_on_words(turn) or _is_for_others(turn, keys, instructions))
        for step in (step for response in turn.responses for step in response):
            if not candidates:
                break
            if step.kind == "call":
                yield from _call_problems(project, step, data, candidates)
            elif step.kind == "handoff":
                yield from _handoff_problems(step, candidates)
                candidates = agents  # another agent goes on


def _is_for_others(turn: ScriptTurn, keys: Iterable[str], instructions: KnownInstructions) -> bool:
    """Return whether the instructions that a turn wants are a title's, or a judge's, and none of the agents'."""
    matchers = [matcher for matcher in turn.matchers if matcher.key == "instructions"]
    paths = [("agents", key, "model") for key in keys]
    return any(all(instructions.contain(matcher, path) is False for path in paths) for matcher in matchers)


def _agent_problems(project: CheckedProject, turn: ScriptTurn, names: Mapping[str, str]) -> Iterator[ScriptProblem]:
    """Yield names of agents that nobody has: the turn is never reached.

    A name like none of the project's is a warning: another project or profile that shares the script may have it.
    """
    known = {name.casefold() for name in names.values()}
    by_key = {key.casefold(): name for key, name in names.items()}
    every = {word.casefold() for key in project.config.agents for word in (key, agent_name(project, key))}
    is_certain = not any(project.config.agents[key].python for key in names)
    for texts in (matcher.texts for matcher in turn.matchers if matcher.key == "agent"):
        if known.isdisjoint(text.casefold() for text in texts):
            name = by_key.get(texts[0].casefold())
            hint = f"its name is {name!r}" if name else suggest(texts[0], names.values())
            message = f"no agent that answers from this script is named {texts[0]!r}"
            is_slip = is_certain and bool(hint) and (bool(name) or every.isdisjoint(text.casefold() for text in texts))
            severity: Severity = "error" if is_slip else "warning"
            yield ScriptProblem((*turn.path[:-1], "agent"), message, hint, severity)


def _double_answers(project: CheckedProject, response: WrittenResponse, keys: Sequence[str]) -> Iterator[ScriptProblem]:
    """Yield the texts with which an agent with an `output` answers, although it hands over in the same response.

    `keys` are the agents that may give the first response of a turn; others may give the later ones.
    """
    if not keys or not all(project.config.agents[key].output for key in keys):
        return
    if any(step.kind == "handoff" for step in response):
        for step in response:
            if step.kind == "say":
                message = "the agents that answer here have an 'output', so they can't answer and hand over at once"
                yield ScriptProblem(step.path, message, "remove the text, or the handoff")


def _may_answer(turn: ScriptTurn, name: str, tools: AgentTools) -> bool:
    for matcher in turn.matchers:
        if matcher.key == "agent" and name.casefold() not in {text.casefold() for text in matcher.texts}:
            return False
        if matcher.key == "tools" and tools.is_certain:
            lacking = [text for text in matcher.texts if text not in tools.names]
            if not all(map(tools.servers_of, lacking)):
                return False
    return True


def _slow_patterns(turn: ScriptTurn) -> Iterator[ScriptProblem]:
    for matcher in turn.matchers:
        for pattern, text in zip(matcher.patterns, matcher.texts, strict=False):
            if text.startswith("/") and (message := slowness(pattern.pattern)):
                yield ScriptProblem((*turn.path[:-1], matcher.key), message, SLOW_HINT, "warning")


def _call_problems(
    project: CheckedProject, step: WrittenStep, data: Any, candidates: Agents
) -> Iterator[ScriptProblem]:
    paths = _call_paths(written_at(data, step.path), step.path)
    for (name, arguments), path in zip(step.value, paths, strict=True):
        is_key = path[-1] == name
        references = {tools.tools.get(name) for tools in candidates.values() if name in tools.names}
        if not references and all(tools.is_complete for tools in candidates.values()):
            servers = dict.fromkeys(server for tools in candidates.values() for server in tools.servers_of(name))
            is_certain = not servers and all(tools.is_certain for tools in candidates.values())
            message = f"the script calls {name!r}, and no agent that answers from it has such a tool"
            hint = suggest(name, {known for tools in candidates.values() for known in tools.names})
            if servers and not hint:
                message = f"the script calls {name!r}, which only an MCP server may have: {', '.join(quote(servers))}"
                hint = "'validate --connect' asks it"
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
            symbol = project.find_symbol(import_path)
            return [] if symbol is None else _parameter_problems(project.resolver, symbol, arguments, bound)
        case FactoryTool(factory=import_path):
            symbol = project.find_made_tool(import_path)
            return [] if symbol is None else _parameter_problems(project.resolver, symbol, arguments, ())
        case ClientTool(parameters=schema) | EffectTool(parameters=schema):
            return _schema_problems(schema, arguments)
        case WidgetTool(widget=widget):
            return _schema_problems(project.widget_schemas.get(widget, {}), arguments)
        case AgentTool():
            return _schema_problems(_AGENT_INPUT, arguments)
    return []


def _handoff_problems(step: WrittenStep, candidates: Agents) -> Iterator[ScriptProblem]:
    handoffs = {tool: name for tools in candidates.values() for tool, name in tools.handoffs.items()}
    names = {plain_name(name) for pair in handoffs.items() for name in pair}
    if plain_name(step.value) not in names and all(tools.knows_handoffs for tools in candidates.values()):
        message = f"the script hands off to {step.value!r}, and no agent that answers from it can"
        known = ", ".join(quote(sorted(handoffs.values()))) or "none"
        yield ScriptProblem(step.path, message, suggest(step.value, handoffs.values()) or f"known are {known}")


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


def _schema_problems(schema: dict[str, Any], arguments: Mapping[str, Any]) -> list[ScriptProblem]:
    """Return where arguments certainly do not match a JSON Schema."""
    keywords = [str(key) for _, part in iter_values(schema) if isinstance(part, Mapping) for key in part]
    templates = [path for path, value in iter_values(arguments) if callable(value)]
    is_conditional = not _CONDITIONAL.isdisjoint(keywords)
    # A project's regular expressions are not run in this process, and references could multiply.
    if "patternProperties" in keywords or keywords.count("$ref") + keywords.count("$dynamicRef") > _MAX_REFERENCES:
        return []
    if is_conditional and (templates or "pattern" in keywords):
        return []
    # jsonschema takes a tenth of a second to import.
    from runtime.json_schema.data import DataCheck, TreeError

    try:
        faults = DataCheck(schema, ignored=frozenset({"pattern"})).faults(_known(arguments))
    except (TreeError, RecursionError):
        return []  # reported where the schema is checked
    properties = schema.get("properties", {})
    problems: list[ScriptProblem] = []
    for fault in faults:
        if fault.kind == "missing":
            problems.append(_missing(fault.path))
        elif fault.kind == "unknown":
            known = properties if len(fault.path) == 1 and isinstance(properties, Mapping) else {}
            problems.append(_unknown(fault.path, known))
        elif not any(path[: len(fault.path)] == fault.path for path in templates):
            problems.append(ScriptProblem(fault.path, fault.message))
    return problems


def _parameter_problems(
    resolver: Resolver, symbol: Symbol, arguments: Mapping[str, Any], bound: Iterable[str]
) -> Iterator[ScriptProblem]:
    """Yield what is wrong with the arguments of a Python tool; agents.yaml gives those in `bound`."""
    parameters = parameters_of(resolver, symbol)
    module = symbol.module
    if symbol.kind not in ("function", "tool") or symbol.decorated or parameters is None or module is None:
        return
    own, is_certain = own_parameters(resolver, symbol, parameters)
    if not is_certain or any(each.kind in ("*", "**") or may_rename(resolver, module, each) for each in own):
        return
    known = [parameter.name for parameter in own if parameter.name not in bound]
    unknown = [name for name in arguments if name not in known and name not in bound]
    missing = missing_names(own, [*arguments, *bound])
    yield from (_missing((name,)) for name in missing)
    # The SDK drops unknown arguments.
    yield from (_unknown((name,), known, "warning") for name in unknown)
    for parameter in own:
        if parameter.name in arguments and parameter.name not in bound:
            value = arguments[parameter.name]
            expected = expected_instead(resolver, module, parameter.node.annotation, value)
            if expected:
                yield ScriptProblem((parameter.name,), f"expected {expected}, got {_show(value)}")


def _missing(path: KeyPath) -> ScriptProblem:
    return ScriptProblem(path[:-1], f"missing argument {path[-1]!r}", at_key=True)


def _unknown(path: KeyPath, known: Iterable[str], severity: Severity = "error") -> ScriptProblem:
    known = list(known)
    hint = suggest(str(path[-1]), known) or (f"known are {', '.join(quote(known))}" if known else "")
    return ScriptProblem(path, f"unknown argument {path[-1]!r}", hint, severity, at_key=True)


def _known(value: Any) -> Any:
    """Return arguments with a text in the place of each template."""
    match value:
        case Mapping():
            return {key: _known(inner) for key, inner in value.items()}
        case list():
            return [_known(item) for item in value]
    return "" if callable(value) else value


def _show(value: Any) -> str:
    match value:
        case Mapping():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}…"
