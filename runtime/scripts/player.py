"""The next steps of a scripted model: its turns, matched against a conversation and rendered.

Independent of the SDKs, so that the offline model and the stub server answer alike. The position in a reply is derived
from the conversation and not stored: all threads, retries and restarts see the same script.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.errors import RuntimeFault
from runtime.templates.template import TemplateError

_LONGEST_LITERAL = 100_000


class ScriptError(RuntimeFault):
    """A script that can't be played: the `path` of the value at fault, `("turns", 2, "reply")`, and a `hint`."""

    exit_code = 1

    def __init__(self, message: str, path: KeyPath = (), *, hint: str = "", source: str = "") -> None:
        self.message = message
        self.path = path
        self.hint = hint
        self.source = source
        super().__init__(": ".join(part for part in (source, path_text(path), self.detail) if part))

    @property
    def detail(self) -> str:
        """The message with its hint."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def of(self, source: str) -> ScriptError:
        """Return the same error of the script that messages call `source`."""
        return ScriptError(self.message, self.path, hint=self.hint, source=source)


@dataclass(frozen=True, slots=True)
class PastCall:
    """A function call in the conversation; `output` is None until it has a result."""

    name: str
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """The conversation as a script sees it in one call of the model.

    `calls` are those since the last user message, `context_calls` those since the last hidden context. `answered` means
    that the agent has answered the user message and is called only for hidden context. `handoffs` maps the name of
    each handoff tool to the name of its agent.
    """

    user: str = ""
    context: str = ""
    answered: bool = False
    calls: tuple[PastCall, ...] = ()
    context_calls: tuple[PastCall, ...] = ()
    instructions: str = ""
    agent: str = ""
    tools: frozenset[str] = frozenset()
    handoffs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Say:
    """Text to stream, with `delay_s` seconds between its chunks."""

    text: str
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Think:
    """A reasoning summary to stream, with `delay_s` seconds between its chunks."""

    text: str
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; `arguments` is JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Fail:
    """A failure of the model; `status` is the HTTP status of the server's response."""

    message: str
    status: int = 500


@dataclass(frozen=True, slots=True)
class Item:
    """An output item of the Responses API, such as a call of a hosted tool; only Python code can make one."""

    data: Mapping[str, Any]


Step = Say | Think | Call | Fail | Item


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition of a turn: its `key` and `texts` in the script, and the function that matches a situation."""

    key: str
    texts: tuple[str, ...]
    fits: Callable[[Situation], Any]
    patterns: tuple[re.Pattern[str], ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """A step of the script; in `value`, each template is a function of the scope."""

    kind: str
    value: Any
    delay_s: float
    path: KeyPath


# The response to one call of the model: the steps up to the first one that waits for a result, included.
WrittenResponse = tuple[WrittenStep, ...]


@dataclass(frozen=True, slots=True)
class ScriptTurn:
    """A reply and its conditions."""

    matchers: tuple[Matcher, ...]
    responses: tuple[WrittenResponse, ...]
    path: KeyPath

    def match(self, situation: Situation) -> dict[str | int, str] | None:
        """Return the groups of the matching expressions, or None if a condition does not match."""
        groups: dict[str | int, str] = {}
        for matcher in self.matchers:
            match = matcher.fits(situation)
            if not match:
                return None
            if not isinstance(match, bool):
                groups |= _groups(match)
        keys = {matcher.key for matcher in self.matchers}
        return None if situation.answered and "user" in keys and "context" not in keys else groups

    def past(self, situation: Situation) -> tuple[PastCall, ...]:
        """Return the calls that may belong to this reply."""
        about_context = situation.answered or any(matcher.key == "context" for matcher in self.matchers)
        return situation.context_calls if about_context else situation.calls


@dataclass(frozen=True, slots=True)
class Script:
    """A parsed script; `source` names it in messages."""

    source: str
    turns: tuple[ScriptTurn, ...]

    def steps(self, situation: Situation) -> list[Step]:
        """Return the next steps of the model; raise `ScriptError` if the script has none."""
        try:
            return self._steps(situation)
        except ScriptError as error:
            raise error.of(self.source) from error.__cause__

    def _steps(self, situation: Situation) -> list[Step]:
        for turn in self.turns:
            groups = turn.match(situation)
            if groups is None:
                continue
            past = turn.past(situation)
            played = played_responses(turn.responses, past)
            if played == len(turn.responses):
                last = f" after the result of {past[-1].name!r}" if past else ""
                raise ScriptError(f"the reply has no step left{last}", turn.path, hint="end it with a 'say'")
            scope = _scope(situation, groups, past)
            return [step for written in turn.responses[played] for step in _render_step(written, scope, situation)]
        words = situation.context if situation.answered else situation.user
        raise ScriptError(f"no turn fits {words[:80]!r}", ("turns",), hint="add a turn, or 'otherwise'")


def played_responses(responses: Sequence[WrittenResponse], past: Sequence[PastCall]) -> int:
    """Count the responses that `past` calls have used up: those of one response in any order, the responses in order.

    A call that the reply does not make is skipped: another agent made it before a handoff, or another turn did.
    """
    current, waiting = -1, Counter[str]()
    for call in past:
        aliases = _aliases(call)
        named = next((name for name in aliases if waiting[name]), None)
        if named is not None:
            waiting[named] -= 1
            continue
        for index in range(current + 1, len(responses)):
            names = Counter(_call_names(responses[index]))
            named = next((name for name in aliases if names[name]), None)
            if named is not None:
                names[named] -= 1
                current, waiting = index, names
                break
    return current + 1


def _call_names(response: WrittenResponse) -> Iterator[str]:
    for step in response:
        if step.kind == "call":
            yield from (f"call {name}" for name, _ in step.value)
        elif step.kind == "handoff":
            yield f"handoff {plain_name(step.value)}"


def _aliases(call: PastCall) -> tuple[str, ...]:
    """Return the forms in which a script may have written this call; the result of a handoff names the agent."""
    names = [f"call {call.name}", f"handoff {plain_name(call.name)}"]
    if call.name.startswith("transfer_to_"):
        names.append(f"handoff {plain_name(call.name.removeprefix('transfer_to_'))}")
    answer = _parsed(call.output)
    if isinstance(answer, dict) and set(answer) == {"assistant"}:
        names.append(f"handoff {plain_name(str(answer['assistant']))}")
    return tuple(names)


def plain_name(name: str) -> str:
    """Normalize a name for the comparison of handoffs: `Billing Desk` and `billing_desk` are equal."""
    return re.sub(r"\W+", "_", name.strip().lower())


def _groups(match: re.Match[str]) -> dict[str | int, str]:
    groups: dict[str | int, str | None] = {0: match[0]}
    groups.update(enumerate(match.groups(), start=1))
    groups.update(match.groupdict())
    return {name: text.strip() for name, text in groups.items() if text is not None}


def _scope(situation: Situation, groups: Mapping[str | int, str], past: Sequence[PastCall]) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "user": situation.user,
        "context": situation.context,
        "agent": situation.agent,
        "match": groups,
    }
    answered = [call for call in past if call.output is not None]
    if answered:
        scope["result"] = answered[-1].output
        scope["data"] = _parsed(answered[-1].output)
        scope["results"] = {call.name: _parsed(call.output) for call in answered}
    return scope


def _parsed(output: str | None) -> Any:
    """Parse a tool's result: JSON, or the text of a Python dict or list, which the Agents SDK sends for one."""
    if output is None or len(output) > _LONGEST_LITERAL:
        return output
    try:
        return json.loads(output)
    except ValueError:
        pass
    if output[:1] not in ("{", "["):
        return output
    try:
        return ast.literal_eval(output)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return output


def _render_step(written: WrittenStep, scope: Mapping[str, Any], situation: Situation) -> Iterator[Step]:
    match written.kind:
        case "say":
            yield Say(_as_text(_render(written.value, scope, written.path)), written.delay_s)
        case "think":
            yield Think(_as_text(_render(written.value, scope, written.path)), written.delay_s)
        case "handoff":
            yield Call(_handoff_tool(written, situation), "{}")
        case "fail":
            message, status = written.value
            yield Fail(_as_text(_render(message, scope, written.path)), status)
        case _:
            for name, arguments in written.value:
                rendered = _render(arguments, scope, (*written.path, name))
                yield Call(name, json.dumps(rendered, ensure_ascii=False, separators=(",", ":"), default=str))


def _handoff_tool(written: WrittenStep, situation: Situation) -> str:
    wanted = plain_name(written.value)
    for tool, agent in situation.handoffs.items():
        if wanted in (plain_name(agent), plain_name(tool), plain_name(tool.removeprefix("transfer_to_"))):
            return tool
    offered = ", ".join(repr(agent) for agent in situation.handoffs.values()) or "nobody"
    raise ScriptError(f"the agent can't hand off to {written.value!r}", written.path, hint=f"it can to {offered}")


def _render(value: Any, scope: Mapping[str, Any], path: KeyPath) -> Any:
    if callable(value):
        try:
            return value(scope)
        except TemplateError as error:
            raise ScriptError(f"the template failed: {error}", path) from error
    if isinstance(value, dict):
        return {key: _render(inner, scope, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_render(inner, scope, (*path, index)) for index, inner in enumerate(value)]
    return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
