"""`tool_choice`: the model is told to call a tool that must be one of the agent's, by the name that the model sees."""

from __future__ import annotations

from runtime.check.models import used_models
from runtime.check.settings import merged_settings
from runtime.check.subject import Subject
from runtime.config.check import transfer_name
from runtime.config.model.agents import Agent
from runtime.config.model.models import AnyLLMModel, LiteLLMModel, OpenAIModel
from runtime.config.source import Path
from runtime.config.specs import operation_names
from runtime.config.wording import suggest

_WORDS = ("auto", "required", "none")


def check_tool_choices(subject: Subject) -> None:
    """Report each `tool_choice` that no tool of the agent answers to; a scripted model is not told of it."""
    used = {model.name: model for model in used_models(subject)}
    for key, agent in subject.config.agents.items():
        model = used.get(agent.model)
        if model is not None and isinstance(model.model, (OpenAIModel, AnyLLMModel, LiteLLMModel)):
            choice = merged_settings(model, agent, key).get("tool_choice")
            if choice is not None and choice.value not in ("auto", "none"):
                _check(str(choice.value), choice.path, agent, key, subject)


def _check(choice: str, path: Path, agent: Agent, key: str, subject: Subject) -> None:
    names = tool_names(agent, subject)
    if choice in names or (choice == "required" and names) or any("${" in tool for tool in agent.tools):
        return
    if choice == "required":
        message = f"'tool_choice: required', and the agent {key!r} has no tool"
        subject.found.report("A622", path, message, "give it one, or leave the setting out", severity="warning")
        return
    hosted = getattr(subject.config.tools.get(choice), "hosted", None) if choice in agent.tools else None
    hint = f"the model knows this one as {hosted!r}" if hosted else suggest(choice, [*names, *_WORDS])
    hint = hint or f"it has {', '.join(map(repr, sorted(names)))}" if names else hint
    # A tool in Python may have given itself another name than that of its function.
    severity = "note" if any(":" in tool for tool in agent.tools) else "warning"
    message = f"the agent {key!r} has no tool {choice!r} to choose"
    subject.found.report("A622", path, message, hint, severity=severity)  # type: ignore[arg-type]  # a Severity


def tool_names(agent: Agent, subject: Subject) -> set[str]:
    """Return the names under which a model sees an agent's tools and handoffs, as far as they are known."""
    config = subject.config
    names: set[str] = set()
    for reference in agent.tools:
        operations = operation_names(config, subject.files, reference)
        if operations is not None:
            names.update(operations)
            continue
        hosted = getattr(config.tools.get(reference), "hosted", None)
        names.add(
            hosted or (reference if reference in config.tools else reference.rpartition(":")[2].rpartition(".")[2])
        )
    for handoff in agent.handoffs:
        target = config.agents.get(handoff.agent)
        if target is not None:
            names.add(transfer_name(target.name or handoff.agent))
    return names
