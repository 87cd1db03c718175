"""What a script does, step by step: its calls and handoffs, what it says, and whether it has anything left to say.

An error is what fails whenever the step is reached, whoever of the agents that may be speaking there reaches it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.config.model.tools import AgentTool, ClientTool, EffectTool, PythonTool, WidgetTool
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import quote, suggest
from runtime.scripts.player import Script, Turn, WrittenResponse, WrittenStep
from runtime.validation.scripts.arguments import Fault, faults_in, faults_of_call, faults_of_input, known_part
from runtime.validation.scripts.ends import check_end, targets
from runtime.validation.scripts.scripts import Sheet
from runtime.validation.scripts.templates import needed_fields, needed_names
from runtime.validation.scripts.tools import ScriptTools
from runtime.validation.scripts.turns import Speaker, Speakers, group_names, has_context, is_for_anyone, is_for_words


def check_steps(sheet: Sheet, script: Script, tools: ScriptTools) -> None:
    """Report what in a script that can be played fails all the same, once it comes to it."""
    agents = sheet.played.agents
    all_ = {key: Speaker(key, agent.name or key, agent, tools.of(agent)) for key, agent in agents.items()}
    check = _Check(sheet, script, tools, Speakers(sheet.subject, script.turns, all_))
    for turn in script.turns:
        check.turn(turn)


class _Check:
    def __init__(self, sheet: Sheet, script: Script, tools: ScriptTools, speakers: Speakers) -> None:
        self.sheet = sheet
        self.script = script
        self.tools = tools
        self.speakers = speakers

    def turn(self, turn: Turn) -> None:
        self._named(turn)
        self._said(turn)
        speaking = self.speakers.of(turn)
        for response in turn.responses:
            if not speaking:
                return  # nobody gets there
            for step in response:
                if step.kind == "call":
                    self._call(step, speaking)
                elif step.kind == "handoff":
                    self._handoff(step, speaking)
            if response is turn.responses[-1]:
                check_end(self.sheet, self.script, self.tools, self.speakers, turn, speaking)
            if response[-1].kind == "handoff":
                taking = targets(response[-1], speaking, self.tools)
                speaking = [speaker for speaker in self.speakers.of(turn) if speaker.key in taking]

    def _named(self, turn: Turn) -> None:
        """The agents that a turn says it is for."""
        names = {speaker.name.casefold(): speaker for speaker in self.speakers.all.values()}
        for matcher in turn.matchers:
            if matcher.key == "agent" and not any(text.casefold() in names for text in matcher.texts):
                keys = {key.casefold(): speaker.name for key, speaker in self.speakers.all.items()}
                wanted = matcher.texts[0]
                hint = suggest(wanted, [speaker.name for speaker in self.speakers.all.values()])
                if (name := keys.get(wanted.casefold())) is not None:
                    hint = f"it goes by its name, {name!r}"
                message = f"this turn never fits: no agent that plays the script is named {wanted!r}"
                self.sheet.report((*turn.path[:-1], "agent"), message, hint, "warning")

    def _call(self, step: WrittenStep, speaking: list[Speaker]) -> None:
        steps = step.path
        for name, arguments, at, is_key in _calls(self.sheet.value(steps), steps):
            having = [speaker for speaker in speaking if name in speaker.tools.names]
            if having:
                self._arguments(name, arguments, at, is_key, having)
            elif all(speaker.tools.is_filled for speaker in speaking):
                # A tool in Python may have given itself another name than that of its function.
                is_sure = all(speaker.tools.all_known for speaker in speaking)
                message = f"the script calls {name!r}, and no agent that plays it has such a tool"
                hint = suggest(name, {known for speaker in speaking for known in speaker.tools.names})
                self.sheet.report(at, message, hint, "error" if is_sure else "note", at_key=is_key)

    def _arguments(
        self, name: str, arguments: Mapping[Any, Any], at: KeyPath, is_key: bool, having: list[Speaker]
    ) -> None:
        references = {speaker.tools.references.get(name) for speaker in having}
        if len(references) != 1 or None in references:
            return  # one of them is a handoff, or they are different tools of one name
        (reference,) = references
        assert reference is not None
        for fault in self._faults(reference, known_part(arguments)):
            keys = {str(key): key for key in arguments}
            path = (*at, *(keys.get(str(step), step) if not index else step for index, step in enumerate(fault.path)))
            message = f"the call of {name!r} fails: {fault.message}"
            if fault.severity != "error":
                message = f"the call of {name!r} gives what is dropped: {fault.message}"
            self.sheet.report(path, message, fault.hint, fault.severity, at_key=fault.at_key and (is_key or path != at))

    def _faults(self, reference: str, values: Mapping[str, Any]) -> list[Fault]:
        match self.tools.declared(reference):
            case PythonTool(python=path, with_=bound):
                thing = self.tools.python(path)
                return [] if thing is None else list(faults_of_call(self.tools.resolver, thing, values, bound))
            case ClientTool(parameters=schema) | EffectTool(parameters=schema):
                return faults_in(schema, values)
            case WidgetTool() as tool:
                schema = self.tools.schema(tool) or {}
                return faults_in(schema, values)
            case AgentTool():
                return faults_of_input(values)
        return []

    def _handoff(self, step: WrittenStep, speaking: list[Speaker]) -> None:
        is_filled = all(speaker.tools.is_filled for speaker in speaking)
        if is_filled and not targets(step, speaking, self.tools):
            names = {self.tools.name_of(key) for speaker in speaking for key in speaker.tools.handoffs.values()}
            message = f"the script hands off to {step.value!r}, and no agent that plays it can"
            hint = suggest(step.value, names) or f"known are {', '.join(quote(sorted(names))) or 'none'}"
            self.sheet.report(step.path, message, hint)

    def _said(self, turn: Turn) -> None:
        groups = group_names(turn)
        called: list[str] = []
        fresh = self._is_fresh(turn)
        for response in turn.responses:
            for step in response:
                for text, at in _texts(self.sheet.value(step.path), step.path):
                    self._groups(text, at, groups)
                    if fresh:
                        self._results(text, at, called)
            called += _answers(response, self.tools, self.speakers)

    def _groups(self, text: str, at: KeyPath, groups: set[str]) -> None:
        for field in sorted(needed_fields(text, "match") - groups):
            message = f"the template fails: no expression of the turn has a group {field!r}"
            known = f"it has {', '.join(quote(sorted(groups)))}" if groups else "a group is written (?P<name>…)"
            self.sheet.report(at, message, suggest(field, groups) or known)

    def _results(self, text: str, at: KeyPath, called: list[str]) -> None:
        if not called:
            for name in sorted(needed_names(text) & {"result", "data", "results"}):
                hint = "a call comes first; what follows it is said when the tool has answered"
                self.sheet.report(at, f"the template fails: there is no {name!r} before a tool has answered", hint)
            return
        for field in sorted(needed_fields(text, "results") - set(called)):
            message = f"the template fails: there is no result of {field!r} yet"
            self.sheet.report(at, message, suggest(field, called) or f"known are {', '.join(quote(called))}")

    def _is_fresh(self, turn: Turn) -> bool:
        """Say whether a turn is certain to begin before any tool was called."""
        turns = self.script.turns
        changes = self.speakers.is_about_changes(turns, self.speakers.all.values())
        if not is_for_words(turn) or has_context(turns) or changes:
            return False
        after = False
        for other in turns:
            calls = any(step.kind in ("call", "handoff") for response in other.responses for step in response)
            hands_over = any(step.kind == "handoff" for response in other.responses for step in response)
            if other is turn:
                after = True
                continue
            if calls and not is_for_words(other):
                return False
            if hands_over and not is_for_anyone(turn if after else other):
                return False
        return True


def _answers(response: WrittenResponse, tools: ScriptTools, speakers: Speakers) -> list[str]:
    names: list[str] = []
    for step in response:
        if step.kind == "call":
            names += [name for name, _ in step.value]
        elif step.kind == "handoff":
            names += [tool for speaker in speakers.all.values() for tool in speaker.tools.handoffs]
    return names


def _calls(value: object, at: KeyPath) -> Iterator[tuple[str, Mapping[Any, Any], KeyPath, bool]]:
    """Yield each call as it is written, with its place, and whether that is a key's."""
    match value:
        case str():
            yield value, {}, at, False
        case list():
            for index, entry in enumerate(value):
                yield from _calls(entry, (*at, index))
        case Mapping():
            for name, arguments in value.items():
                yield name, arguments or {}, (*at, name), True


def _texts(value: object, at: KeyPath) -> Iterator[tuple[str, KeyPath]]:
    match value:
        case str():
            yield value, at
        case list():
            for index, entry in enumerate(value):
                yield from _texts(entry, (*at, index))
        case Mapping():
            for key, entry in value.items():
                yield from _texts(entry, (*at, key))
