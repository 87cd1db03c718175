"""Models and stored prompts that OpenAI shuts down, and models that are used for what they can't do."""

from __future__ import annotations

from collections.abc import Iterator

from runtime.config.known_models import KnownModel, describe_shutdown, known_model, stored_prompts_shutdown
from runtime.config.model.models import OpenAIModel
from runtime.config.model.tools import ImageGeneration
from runtime.config.references import model_references
from runtime.diagnostics.key_path import KeyPath
from runtime.validation.checked_project import CheckedProject
from runtime.validation.models import is_at_openai, used_models

_KINDS = {"transcription": "turns speech into text", "image": "makes images", "chat": "answers in text"}
_OTHER_KIND = "is for another task"
_SAMPLES = {"transcription": "gpt-transcribe", "chat": "gpt-6-luna"}


def check_lifetimes(project: CheckedProject) -> None:
    """Report models (A626) and prompts (A627) that OpenAI shuts down, and models of another kind (A628)."""
    for known, path in _openai_models(project):
        if known.shutdown is not None:
            severity, message, hint = describe_shutdown(known.name, known.shutdown, known.replacement, project.today)
            project.collector.report("A626", path, message, hint, severity=severity)
    _check_kinds(project)
    _check_prompts(project)


def _openai_models(project: CheckedProject) -> Iterator[tuple[KnownModel, KeyPath]]:
    """Yield the known models at OpenAI, each with the place of its name."""
    for used in used_models(project):
        if isinstance(used.model, OpenAIModel) and is_at_openai(used.model, project):
            known = known_model(used.model.name)
            if known is not None:
                yield known, (*used.path, "name") if used.is_declared else used.path
    for name, tool in project.config.tools.items():
        if isinstance(tool, ImageGeneration) and tool.model and is_at_openai(OpenAIModel(name=tool.model), project):
            known = known_model(tool.model)
            if known is not None:
                yield known, ("tools", name, "model")


def _check_kinds(project: CheckedProject) -> None:
    reported: set[KeyPath] = set()
    used_by_name = {used.name: used.model for used in used_models(project)}
    for name, path in model_references(project.config):
        model = used_by_name.get(name)
        if not isinstance(model, OpenAIModel) or not is_at_openai(model, project) or path in reported:
            continue
        known, wanted = known_model(model.name), "transcription" if path[:2] == ("chat", "dictation") else "chat"
        if known is None or known.kind == wanted or path[-2:-1] == ("fallback",):
            continue
        reported.add(path)
        message = f"the model {known.name!r} {_KINDS.get(known.kind, _OTHER_KIND)}"
        hint = f"choose one that {_KINDS[wanted]}, such as {_SAMPLES[wanted]!r}"
        project.collector.report("A628", path, message, hint, severity="warning")


def _check_prompts(project: CheckedProject) -> None:
    day = stored_prompts_shutdown()
    for name, agent in project.config.agents.items():
        model = project.config.models.get(agent.model) if agent.has_key("model") else None
        if agent.prompt is None or (isinstance(model, OpenAIModel) and not is_at_openai(model, project)):
            continue
        hint = "write its text into 'instructions'; {{ … }} takes the place of its variables"
        path: KeyPath = ("agents", name, "prompt")
        if day <= project.today:
            message = f"OpenAI has had no stored prompts since {day}: every call fails"
            project.collector.report("A627", path, message, hint)
        else:
            message = f"OpenAI ends stored prompts on {day}"
            project.collector.report("A627", path, message, hint, severity="warning")
