"""Which agents may answer from a turn of a script, and whether another turn could take over while it is played.

No expression of a script runs here. Where one would have to, the answer is that the turn may fit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from runtime.config.model.agents import Agent, FileInstructions, InlineInstructions
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.scripts.player import Matcher, Turn
from runtime.validation.scripts.templates import says_only_words
from runtime.validation.scripts.tools import AgentTools
from runtime.validation.subject import Subject

_OF_THE_AGENT = frozenset({"agent", "tools", "instructions"})
# What tools may change in the scope of instructions.
_CHANGING = ("state", "thread")


@dataclass(frozen=True, slots=True)
class Speaker:
    """An agent that plays the script: its `key` in agents.yaml, its `name`, and its tools."""

    key: str
    name: str
    agent: Agent
    tools: AgentTools


@dataclass(slots=True)
class Speakers:
    """The agents that play one script, by their keys, and its turns."""

    subject: Subject
    turns: Sequence[Turn]
    all: Mapping[str, Speaker]
    _texts: dict[str, str | None] = field(default_factory=dict)

    def of(self, turn: Turn) -> list[Speaker]:
        """Return those who may answer from a turn."""
        return [
            speaker for speaker in self.all.values() if self.may_fit(speaker, turn) and self._is_left(speaker, turn)
        ]

    def _is_left(self, speaker: Speaker, turn: Turn) -> bool:
        """Say whether no earlier turn answers all that this agent is ever asked."""
        return not any(all(self._fits(speaker, found) for found in other.matchers) for other in self._before(turn))

    def may_fit(self, speaker: Speaker, turn: Turn) -> bool:
        """Say whether a turn may be for this agent; what the user says is left open."""
        return all(self._fits(speaker, matcher) is not False for matcher in turn.matchers)

    def _fits(self, speaker: Speaker, matcher: Matcher) -> bool | None:
        match matcher.key:
            case "agent":
                return speaker.name.casefold() in {text.casefold() for text in matcher.texts}
            case "tools":
                missing = set(matcher.texts) - speaker.tools.names
                return None if missing and not speaker.tools.all_known else not missing
            case "instructions":
                return self._is_told(speaker, matcher)
        return None

    def _is_told(self, speaker: Speaker, matcher: Matcher) -> bool | None:
        text = self._told(speaker)
        if text is None or any(_is_expression(wanted) for wanted in matcher.texts):
            return None
        return any(pattern.search(text) for pattern in matcher.patterns)

    def _told(self, speaker: Speaker) -> str | None:
        """Return an agent's instructions, as far as they are the same in every conversation; else None."""
        if speaker.key not in self._texts:
            self._texts[speaker.key] = self._constant(speaker.agent)
        return self._texts[speaker.key]

    def _constant(self, agent: Agent) -> str | None:
        written = self._written(agent)
        if written is None:
            return None
        text, is_template = written
        # The words of a template that only chooses between words are all in its text.
        return None if is_template and not says_only_words(text) else text

    def _written(self, agent: Agent) -> tuple[str, bool] | None:
        """Return the text of an agent's instructions, and whether it is a template; None where Python writes them."""
        match agent.instructions:
            case None:
                return "", False
            case InlineInstructions(text=text, raw=raw):
                return text, not raw
            case FileInstructions(file=file, raw=raw):
                found = self.subject.files.read(file)
                return None if isinstance(found, Diagnostic) else (found, not raw)
        return None

    def _may_change(self, speaker: Speaker) -> bool:
        """Say whether what a tool does may change what the agent is told."""
        written = self._written(speaker.agent)
        return written is None or (written[1] and any(name in written[0] for name in _CHANGING))

    def stay(self, turn: Turn, speakers: Collection[Speaker]) -> bool:
        """Say whether the agents that answer from a turn certainly go on with it once a tool has answered.

        Turns are tried anew then. What the user said and who speaks are the same; instructions may be new, and after
        hidden context the user's words count again as soon as a tool was called.
        """
        earlier = self._before(turn)
        if self.is_about_changes([*earlier, turn], speakers):
            return False
        return is_for_words(turn) or not any(is_for_words(found) for found in earlier)

    def is_about_changes(self, turns: Collection[Turn], speakers: Collection[Speaker]) -> bool:
        """Say whether turns look at instructions that a tool may change."""
        about = any("instructions" in _keys(found) for found in turns)
        return about and any(self._may_change(speaker) for speaker in speakers)

    def is_next(self, turn: Turn, speaker: Speaker) -> bool:
        """Say whether an agent that takes over certainly goes on with the turn that has handed over to it."""
        certain = all(self._fits(speaker, matcher) for matcher in turn.matchers if matcher.key in _OF_THE_AGENT)
        earlier = self._before(turn)
        newly = any(_OF_THE_AGENT & _keys(found) and self.may_fit(speaker, found) for found in earlier)
        return certain and not newly and (is_for_words(turn) or not any(is_for_words(found) for found in earlier))

    def _before(self, turn: Turn) -> list[Turn]:
        return list(takewhile(lambda found: found is not turn, self.turns))


def is_for_words(turn: Turn) -> bool:
    """Say whether a turn answers the user's words, and nothing that happens after the agent has answered them."""
    return "user" in _keys(turn) and "context" not in _keys(turn)


def is_for_anyone(turn: Turn) -> bool:
    """Say whether a turn is for every agent alike."""
    return not _OF_THE_AGENT & _keys(turn)


def has_context(turns: Collection[Turn]) -> bool:
    """Say whether a script answers hidden context, which may come whenever the browser has its turn."""
    return any("context" in _keys(turn) for turn in turns)


def group_names(turn: Turn) -> set[str]:
    """Return the names of the groups in a turn's expressions."""
    return {name for matcher in turn.matchers for pattern in matcher.patterns for name in pattern.groupindex}


def _keys(turn: Turn) -> set[str]:
    return {matcher.key for matcher in turn.matchers}


def _is_expression(text: str) -> bool:
    # As runtime/scripts/grammar.py tells them apart.
    return len(text) > 1 and text.startswith("/") and text.endswith("/")
