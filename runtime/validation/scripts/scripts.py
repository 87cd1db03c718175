"""The scripts of offline and scripted models: whether they can be played, and call what the agents have.

The same parser reads them as when they are played; only the places are looked up here. No expression of theirs runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.config.model.agents import Agent
from runtime.config.model.models import OpenAIModel, ScriptedModel
from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.documents.document import Source, read_yaml
from runtime.validation.models import has_key, used_models
from runtime.validation.subject import Subject

if TYPE_CHECKING:
    from runtime.scripts.player import Script

_CODE = "A623"


@dataclass(slots=True)
class Played:
    """A script, the path that names it, who answers from it, and whether it is certain to be read."""

    file: str
    path: KeyPath
    agents: dict[str, Agent] = field(default_factory=dict)
    is_read: bool = False


def check_scripts(subject: Subject) -> None:
    """Report scripts that can't be played, and what in them fails whenever it is reached."""
    scripts = [(played, subject.files.read(played.file)) for played in _scripts(subject).values()]
    texts = [(played, text) for played, text in scripts if isinstance(text, str)]
    if not texts:
        return
    # Few projects have a script, and only they pay for what its checks need.
    from runtime.validation.scripts.steps import check_steps
    from runtime.validation.scripts.tools import ScriptTools

    tools = ScriptTools(subject)
    for played, text in texts:
        sheet = Sheet(subject, played, read_yaml(text, played.file))
        script = _parsed(sheet)
        if script is not None:
            check_steps(sheet, script, tools)


def _scripts(subject: Subject) -> dict[str, Played]:
    """Return every script by its file; those of models that nobody uses are not read."""
    scripts: dict[str, Played] = {}
    for used in used_models(subject):
        match used.model:
            case ScriptedModel():
                file, key, is_read = used.model.scripted, "scripted", True
            case OpenAIModel(offline=str(offline)):
                file, key, is_read = offline, "offline", not has_key(used.model, subject)
            case _:
                continue
        path = (*used.path, key)
        if not subject.found.filled.is_unresolved(path):
            played = scripts.setdefault(file, Played(file, path))
            played.is_read |= is_read
            played.agents |= {key: agent for key, agent in subject.config.agents.items() if agent.model == used.name}
    return scripts


def _parsed(sheet: Sheet) -> Script | None:
    from runtime.scripts.grammar import parse_script
    from runtime.scripts.player import ScriptError

    if sheet.source.diagnostics:
        sheet.unreadable()
        return None
    try:
        return parse_script(sheet.source.data)
    except ScriptError as error:
        sheet.refused(error.message, error.path, error.hint)
        return None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A script's text as it was `played`, and where in it each mistake is put."""

    subject: Subject
    played: Played
    source: Source

    @property
    def error(self) -> Severity:
        """How bad it is that a script can't be played: one for want of a key is not read while there is one."""
        return "error" if self.played.is_read else "warning"

    def refused(self, message: str, path: KeyPath, hint: str) -> None:
        """Report what the parser says of the script."""
        self._report(f"the script can't be played: {message}", hint, self._place(path), self.error)

    def unreadable(self) -> None:
        """Report that the script is not YAML."""
        first = self.source.diagnostics[0]
        self._report(f"the script can't be read: {first.message}", first.hint, first.place, self.error)

    def report(
        self, steps: KeyPath, message: str, hint: str = "", severity: Severity = "error", *, at_key: bool = False
    ) -> None:
        """Report a mistake at a place in the script; an error is at most what a script that is not played can be."""
        severity = self.error if severity == "error" else severity
        self._report(message, hint, self._place(steps, at_key=at_key), severity)

    def value(self, steps: KeyPath) -> object:
        """Return what stands at a place of the script."""
        value: object = self.source.data
        for step in steps:
            # A text alone is short for `say:`.
            if isinstance(value, list | Mapping):
                value = value[step]  # type: ignore[index]  # a list's step is an index
        return value

    def _place(self, steps: KeyPath, *, at_key: bool = False) -> Place:
        places = self.source.places
        return places.key(steps) if at_key and places.written(steps) == steps else places.value(steps)

    def _report(self, message: str, hint: str, place: Place, severity: Severity) -> None:
        if place.line:
            self.subject.found.report(_CODE, self.played.path, message, hint, severity=severity, place=place)
        else:
            problem = Diagnostic(_CODE, f"{self.played.file!r}: {message}", place, severity, hint)
            self.subject.found.add(problem, self.played.path)
