"""The `instructions:` of a script's turns: texts that the instructions of its agents, judges and titles contain."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from runtime.config.model.instructions import (
    JUDGE_INSTRUCTIONS,
    SUMMARY_INSTRUCTIONS,
    TITLE_INSTRUCTIONS,
    FileInstructions,
    InlineInstructions,
)
from runtime.config.references import model_references, value_at
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest
from runtime.scripts.player import Matcher, Script
from runtime.validation.checked_project import CheckedProject
from runtime.validation.scripts.problems import ScriptProblem

_TEMPLATE = re.compile(r"\{[{%#].*?[}%#]\}", re.DOTALL)
_LIKE_A_WORD = 0.8


@dataclass(frozen=True, slots=True)
class _Instructions:
    """Instructions without their templates; `is_whole` says that there are none, and that nothing else is added."""

    text: str
    is_whole: bool


@dataclass(frozen=True, slots=True)
class KnownInstructions:
    """What the models that answer from a script are instructed, by the path that names the model."""

    known: Mapping[KeyPath, _Instructions]

    @classmethod
    def of(cls, project: CheckedProject, models: Collection[str]) -> KnownInstructions:
        """Return the instructions of some models of a project."""
        paths = [path for name, path in model_references(project.config) if name in models]
        return cls({path: _instructions_at(project, path) for path in paths})

    def contain(self, matcher: Matcher, path: KeyPath) -> bool | None:
        """Return whether the instructions at `path` match; None if a template may add what is missing.

        What other instructions contain is meant for them.
        """
        own = self.known.get(path)
        if own is not None and _is_in(matcher, own):
            return True
        is_for_others = any(_is_in(matcher, each) for each in self.known.values())
        return False if is_for_others or (own is not None and own.is_whole) else None


def _is_in(matcher: Matcher, instructions: _Instructions) -> bool:
    return any(pattern.search(instructions.text) for pattern in matcher.patterns)


def unmatched_instructions(instructions: KnownInstructions, script: Script) -> Iterator[ScriptProblem]:
    """Yield the `instructions:` that no instructions contain: their turns never answer."""
    known = instructions.known.values()
    for turn in script.turns:
        for matcher in (each for each in turn.matchers if each.key == "instructions"):
            if any(_is_in(matcher, each) for each in known):
                continue
            near = _near(matcher, " ".join(each.text for each in known))
            if near or all(each.is_whole for each in known):
                message = f"this turn never answers: no instructions contain {matcher.texts[0]!r}"
                hint = f"did you mean {near!r}?" if near else ""
                yield ScriptProblem((*turn.path[:-1], "instructions"), message, hint, "warning")


def _near(matcher: Matcher, text: str) -> str | None:
    words = re.findall(r"\w{3,}", text.casefold())
    return next((near for given in matcher.texts if (near := nearest(given.casefold(), words, _LIKE_A_WORD))), None)


def _instructions_at(project: CheckedProject, path: KeyPath) -> _Instructions:
    """Return the instructions that a model gets where `path` names it."""
    if path[:2] not in (("chat", "title"), ("chat", "history")) and path[0] not in ("agents", "guardrails"):
        return _Instructions("", is_whole=False)  # any agent may be answered by this model
    entry = value_at(project.config, path[:-1])
    match getattr(entry, "instructions", None):
        case InlineInstructions(text=text):
            given = _without_templates(text)
        case FileInstructions(file=file):
            content = project.files.read(file)
            given = _without_templates(content) if isinstance(content, str) else _Instructions("", is_whole=False)
        case None:
            default = {"title": TITLE_INSTRUCTIONS, "history": SUMMARY_INSTRUCTIONS}.get(str(path[1]), "")
            given = _Instructions(default, is_whole=bool(default))
        case _:
            given = _Instructions("", is_whole=False)
    if path[0] == "guardrails":
        return _Instructions(JUDGE_INSTRUCTIONS.format(question=given.text), given.is_whole)
    return given


def _without_templates(text: str) -> _Instructions:
    static = _TEMPLATE.sub(" ", text)
    return _Instructions(static, is_whole=static == text)
