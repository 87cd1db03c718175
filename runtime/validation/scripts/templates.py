"""What the templates of a script read: groups of regular expressions, and fields of tool results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath, iter_values
from runtime.diagnostics.wording import CLOSE, nearest, quote, suggest
from runtime.scripts.player import ScriptTurn, WrittenResponse
from runtime.templates.steps import ITEM
from runtime.templates.template import always_read, paths_read
from runtime.validation.checked_project import CheckedProject
from runtime.validation.scripts.problems import Agents, ScriptProblem
from runtime.validation.shapes import TEXT, UNKNOWN, Shape
from runtime.validation.tool_results import shape_of_tool_result

_RESULTS = frozenset({"result", "data", "results"})
_TEXTS: Mapping[str, Shape] = dict.fromkeys(("user", "context", "agent", "result"), TEXT)


def group_problems(turn: ScriptTurn, data: Any) -> Iterator[ScriptProblem]:
    """Yield templates that read a group which no regular expression of the turn has."""
    groups = {name for matcher in turn.matchers for pattern in matcher.patterns for name in pattern.groupindex}
    known = f"known are {', '.join(quote(sorted(groups)))}" if groups else "a group is written (?P<name>…)"
    for path, text in _texts(turn.responses, data):
        # A dict has its methods, whatever its keys are.
        fields = {field for name, field in always_read(text) if name == "match" and not hasattr(dict, field)}
        for name in sorted(fields - groups):
            message = f"the template fails: no regular expression of this turn has the group {name!r}"
            yield ScriptProblem(path, message, suggest(name, groups) or known)


def result_problems(
    project: CheckedProject, turn: ScriptTurn, data: Any, candidates: Agents
) -> Iterator[ScriptProblem]:
    """Yield templates that read a field which the result of the call before, or a text, does not have."""
    results: dict[str, Shape] = {}
    latest = UNKNOWN
    for response in turn.responses:
        shapes = {**_TEXTS, "data": latest, "results": Shape(dict(results))}
        for path, text in _texts([response], data):
            for read in sorted(paths_read(text)) if "{{" in text else ():
                lack = shapes.get(read[0], UNKNOWN).missing(read[1:])
                if lack is not None and (problem := _problem(path, read[: lack[0] + 2], lack[1])):
                    yield problem
        last = response[-1]
        if last.kind == "handoff":
            return  # another agent goes on, perhaps with another turn
        called = {name: _result(project, name, candidates) for name, _ in last.value} if last.kind == "call" else {}
        latest = next(iter(called.values())) if len(called) == 1 else UNKNOWN
        results |= called


def first_read_of_results(data: Any, path: KeyPath) -> KeyPath | None:
    """Return where a step's templates need the result of a tool; None if they do not."""
    for place, text in iter_values(written_at(data, path), path):
        if isinstance(text, str) and "{{" in text and any(read[0] in _RESULTS for read in paths_read(text)):
            return place
    return None


def _problem(path: KeyPath, read: Sequence[str], shape: Shape) -> ScriptProblem | None:
    *owner, name = read
    near = nearest(name, shape.fields, *(() if shape.closed else (CLOSE,)))
    if not shape.closed and (near is None or owner == ["results"]):
        return None
    where = repr(".".join(step for step in owner if step != ITEM))
    if owner[-1] == ITEM:
        where = f"an item of {where}"
    known = f"it has {', '.join(quote(shape.fields))}" if shape.fields else "it has no fields"
    if shape.item is not None:
        known = f"it is a list, so write {owner[-1]}[0], or a loop"
    hint = f"did you mean {near!r}?" if near else known
    severity: Severity = "error" if shape.closed else "warning"
    return ScriptProblem(path, f"the template fails: {where} has no {name!r}", hint, severity)


def _result(project: CheckedProject, name: str, candidates: Agents) -> Shape:
    references = {tools.tools.get(name) for tools in candidates.values() if name in tools.names}
    reference = references.pop() if len(references) == 1 else None
    return UNKNOWN if reference is None else shape_of_tool_result(project, reference)


def _texts(responses: Sequence[WrittenResponse], data: Any) -> Iterator[tuple[KeyPath, str]]:
    for step in (step for response in responses for step in response):
        for path, text in iter_values(written_at(data, step.path), step.path):
            if isinstance(text, str):
                yield path, text


def written_at(data: Any, path: KeyPath) -> Any:
    """Return what is written at a path of the script; a bare text is short for a `say`."""
    for step in path:
        if isinstance(data, list | Mapping):
            data = data[step]  # type: ignore[index]  # the step into a list is an index
    return data
