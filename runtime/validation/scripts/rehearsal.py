"""A rehearsal of the start prompts: which turn answers each, and whether that agent can take its steps.

Only what the script decides is followed: the rehearsal of a prompt ends where code, or the user, decides what is next.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runtime.config.slow_patterns import slowness
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import join_or, quote
from runtime.scripts.player import (
    Matcher,
    PastCall,
    Script,
    ScriptTurn,
    Situation,
    WrittenStep,
    plain_name,
    played_responses,
)
from runtime.validation.checked_project import CheckedProject
from runtime.validation.identifier_search import IdentifierSearch
from runtime.validation.models import AgentTools, agent_name, agent_tools
from runtime.validation.scripts.instructions import KnownInstructions
from runtime.validation.scripts.problems import ScriptProblem
from runtime.validation.scripts.replies import goes_on
from runtime.validation.scripts.templates import first_read_of_results

# With this method, a converter may send another text than the user's.
_CONVERTS_MESSAGES = "user_message_to_input"


def start_prompt_problems(
    project: CheckedProject, keys: Iterable[str], instructions: KnownInstructions, script: Script, data: Any
) -> Iterator[ScriptProblem]:
    """Yield the steps that fail when a user chooses a start prompt.

    The agents `keys` answer from the script, whose YAML is `data`.
    """
    [entry, *others] = dict.fromkeys(project.config.entry_agents)
    agents = {key: agent_tools(project, project.config.agents[key]) for key in keys}
    if others or entry not in agents or IdentifierSearch.of(project).in_python(_CONVERTS_MESSAGES):
        return
    reported: set[KeyPath] = set()
    for start in project.config.chat.start_prompts:
        if isinstance(start.prompt, str):
            problem = _Rehearsal(project, agents, instructions, script, data, start.prompt).problem(entry)
            if problem is not None and problem.path not in reported:
                reported.add(problem.path)
                yield problem


@dataclass(slots=True)
class _Rehearsal:
    """One message, and the calls that the agents have made since."""

    project: CheckedProject
    agents: Mapping[str, AgentTools]
    instructions: KnownInstructions
    script: Script
    data: Any
    text: str
    past: list[PastCall] = field(default_factory=list)

    def problem(self, key: str | None) -> ScriptProblem | None:
        """Return the first step that fails if the agent `key` gets the message; None if no step certainly fails."""
        asked: set[str] = set()
        while key is not None and key not in asked:
            asked.add(key)
            agent = self.project.config.agents[key]
            turn = None if agent.python or agent.tool_use_behavior != "run_llm_again" else self._turn_for(key)
            if turn is None:
                return None
            played = played_responses(turn.responses, self.past)
            if played == len(turn.responses):
                return self._no_step_left(turn, key)
            outcome = self._take(turn, played, key)
            if isinstance(outcome, ScriptProblem):
                return outcome
            key = outcome
        return None

    def _turn_for(self, key: str) -> ScriptTurn | None:
        """Return the turn that answers; None if none does, or if that is not certain."""
        for turn in self.script.turns:
            answers = [self._fits(matcher, key) for matcher in turn.matchers]
            if False not in answers:
                return None if None in answers else turn
        return None

    def _fits(self, matcher: Matcher, key: str) -> bool | None:
        if matcher.key == "agent":
            return bool(matcher.fits(Situation(agent=agent_name(self.project, key))))
        if matcher.key == "tools" or any(slowness(pattern.pattern) for pattern in matcher.patterns):
            return None
        if matcher.key == "instructions":
            return self.instructions.contain(matcher, ("agents", key, "model"))
        text = self.text if matcher.key == "user" else ""
        return any(pattern.search(text) for pattern in matcher.patterns)

    def _take(self, turn: ScriptTurn, played: int, key: str) -> ScriptProblem | str | None:
        """Take the steps of a turn; return the one that fails, or the agent that goes on; None for neither."""
        tools = self.agents[key]
        for step in (step for response in turn.responses[played:] for step in response):
            if not self.past and (path := first_read_of_results(self.data, step.path)):
                message = f"the start prompt {self.text!r} fails: the template reads a result, and no tool was called"
                return ScriptProblem(path, message, "call a tool in a step before")
            if step.kind == "handoff":
                return self._hand_over(step, key)
            for name in [name for name, _ in step.value] if step.kind == "call" else ():
                if name not in tools.names:
                    return self._no_tool(step, name, key)
                if not goes_on(self.project, tools.tools.get(name, "")):
                    return None
                self.past.append(PastCall(name))
        return None

    def _hand_over(self, step: WrittenStep, key: str) -> ScriptProblem | str | None:
        tools = self.agents[key]
        wanted = plain_name(step.value)
        for tool, name in tools.handoffs.items():
            if wanted in (plain_name(name), plain_name(tool), plain_name(tool.removeprefix("transfer_to_"))):
                declared = self.project.config.agents[key].handoffs
                [handoff] = [each for each in declared if agent_name(self.project, each.agent) == name]
                if handoff.agent not in self.agents or handoff.history != "full":
                    return None
                self.past.append(PastCall(tool, json.dumps({"assistant": name})))
                return handoff.agent
        able = [other for other, its in self.agents.items() if wanted in {plain_name(n) for n in its.handoffs.values()}]
        if not tools.knows_handoffs or not able:
            return None  # reported where no agent can hand over to it
        return self._fails(step, f"the agent {agent_name(self.project, key)!r} can't hand over to {step.value!r}", able)

    def _no_tool(self, step: WrittenStep, name: str, key: str) -> ScriptProblem | None:
        tools = self.agents[key]
        able = [other for other, its in self.agents.items() if name in its.names]
        if not tools.is_certain or tools.servers_of(name) or not able:
            return None  # an unknown tool is reported as such
        return self._fails(step, f"the agent {agent_name(self.project, key)!r} has no tool {name!r}", able)

    def _fails(self, step: WrittenStep, reason: str, able: Sequence[str]) -> ScriptProblem:
        owners = join_or(quote(agent_name(self.project, other) for other in able))
        hint = f"{owners} can: write an 'agent' at the turn, or give it to this agent, too"
        return ScriptProblem(step.path, f"the start prompt {self.text!r} fails: {reason}", hint)

    def _no_step_left(self, turn: ScriptTurn, key: str) -> ScriptProblem:
        reason = f"the agent {agent_name(self.project, key)!r} gets this turn, too, and no step is left"
        message = f"the start prompt {self.text!r} fails: {reason}"
        return ScriptProblem(turn.responses[-1][-1].path, message, "write an 'agent' at the turn, or add a step")
