"""Scripts of offline and scripted models: each parses, and names only agents, tools and arguments that exist."""

from __future__ import annotations

from dataclasses import dataclass, field

from runtime.config.check_texts import control_character
from runtime.config.model.models import OpenAIModel, ScriptedModel
from runtime.diagnostics.diagnostic import Diagnostic, Place, Severity
from runtime.diagnostics.key_path import KeyPath, iter_values
from runtime.documents.document import read_yaml
from runtime.validation.checked_project import CheckedProject
from runtime.validation.models import has_key, used_models


@dataclass(slots=True)
class _ScriptFile:
    """A script: the `path` in agents.yaml that names it, and the keys of the `agents` and `models` that use it."""

    project: CheckedProject
    file: str
    path: KeyPath
    agents: dict[str, None] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)
    is_played: bool = False

    def report(self, place: Place, message: str, hint: str, severity: Severity = "error") -> None:
        """Report a mistake at a place of the script; an error is a warning while the script is not played."""
        if severity == "error" and not self.is_played:
            severity = "warning"
        if place.line:
            self.project.collector.report("A623", self.path, message, hint, severity=severity, place=place)
        else:
            problem = Diagnostic("A623", f"{self.file!r}: {message}", place, severity, hint)
            self.project.collector.add(problem, self.path)


def check_scripts(project: CheckedProject) -> None:
    """Report scripts that can't be played, and calls in them that certainly fail (A623)."""
    for script_file in _script_files(project).values():
        text = project.files.read(script_file.file)
        if isinstance(text, str):
            _check(script_file, text)


def _script_files(project: CheckedProject) -> dict[str, _ScriptFile]:
    """Return every script by its file, except those of models that no agent uses."""
    scripts: dict[str, _ScriptFile] = {}
    for used in used_models(project):
        match used.model:
            case ScriptedModel(scripted=file):
                key, is_played = "scripted", True
            case OpenAIModel(offline=str(file)):
                key, is_played = "offline", not has_key(used.model, project)
            case _:
                continue
        path = (*used.path, key)
        if not project.collector.filled.is_unresolved(path):
            script = scripts.setdefault(file, _ScriptFile(project, file, path))
            script.is_played |= is_played
            script.models[used.name] = None
            script.agents |= {key: None for key, agent in project.config.agents.items() if agent.model == used.name}
    return scripts


def _check(script_file: _ScriptFile, text: str) -> None:
    # Few projects have a script: the others do not import what its checks need.
    from runtime.scripts.grammar import parse_script
    from runtime.scripts.player import ScriptError
    from runtime.validation.scripts.instructions import KnownInstructions, unmatched_instructions
    from runtime.validation.scripts.rehearsal import start_prompt_problems
    from runtime.validation.scripts.steps import script_problems

    source = read_yaml(text, script_file.file)
    if source.diagnostics:
        first = source.diagnostics[0]
        script_file.report(first.place, f"the script can't be read: {first.message}", first.hint)
        return
    places = source.places
    for path, value in iter_values(source.data):
        found = control_character(value) if isinstance(value, str) else None
        if found is not None:
            script_file.report(places.value(path), f"this text contains {found[0]}", found[1], "warning")
    try:
        script = parse_script(source.data)
    except ScriptError as error:
        script_file.report(places.value(error.path), f"the script can't be played: {error.message}", error.hint)
        return
    project, agents = script_file.project, script_file.agents
    instructions = KnownInstructions.of(project, script_file.models)
    problems = [
        *script_problems(project, agents, instructions, script, source.data),
        *start_prompt_problems(project, agents, instructions, script, source.data),
        *unmatched_instructions(instructions, script),
    ]
    for problem in problems:
        place = places.key(problem.path) if problem.at_key else places.value(problem.path)
        script_file.report(place, problem.message, problem.hint, problem.severity)
