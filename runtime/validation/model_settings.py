"""Checks of the merged settings of an agent and its model: those that known models of OpenAI reject or ignore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from runtime.config.known_models import KnownModel, known_model
from runtime.config.model.agents import Agent
from runtime.config.model.models import AnyLLMModel, LiteLLMModel, OpenAIModel, Reasoning, Settings
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.validation.checked_project import CheckedProject
from runtime.validation.models import UsedModel, agent_tools, is_at_openai, used_models

_NO_EFFORT = "none"
_SAMPLING = ("temperature", "top_p", "top_logprobs", "frequency_penalty", "presence_penalty")
# The settings that one of the two APIs lacks: the SDK omits them.
_UNSENT = {"responses": ("frequency_penalty", "presence_penalty", "include_usage"), "chat_completions": ("truncation",)}
_FEWEST_TOKENS = 16
_METADATA = (16, 64, 512)


class _Setting(NamedTuple):
    value: Any
    path: KeyPath


_Merged = dict[str, _Setting]
_Problem = tuple[str, str, str]
"""The setting, the message, and the hint."""


def check_settings(project: CheckedProject) -> None:
    """Report settings that have no effect or that make every call fail, each once (A621)."""
    reported: set[tuple[KeyPath, str]] = set()
    for _, agent, used, settings in _merged_settings(project):
        model = used.model
        if not isinstance(model, OpenAIModel):
            continue
        has_tools = bool(agent.tools or agent.handoffs)
        for name, message, hint in _problems(model, settings, is_at_openai(model, project), has_tools):
            path = settings[name].path if name in settings else (*used.path, name)
            if (path, message) not in reported:
                reported.add((path, message))
                project.collector.report("A621", path, message, hint, severity="warning")


def _merged_settings(project: CheckedProject) -> Iterator[tuple[str, Agent, UsedModel, _Merged]]:
    """Yield each agent with its model and the settings of its calls; its own override those of its model."""
    used_by_name = {used.name: used for used in used_models(project)}
    for key, agent in project.config.agents.items():
        if agent.has_key("model") and (used := used_by_name.get(agent.model)):
            declared = getattr(used.model, "settings", None) if used.is_declared else None
            merged = _written(declared, (*used.path, "settings")) if declared is not None else {}
            yield key, agent, used, merged | _written(agent.settings, ("agents", key, "settings"))


def _written(settings: Settings, path: KeyPath) -> _Merged:
    return {
        name: _Setting(value, (*path, name))
        for name in settings.model_fields_set
        if (value := getattr(settings, name)) is not None
    }


def _problems(model: OpenAIModel, settings: _Merged, at_openai: bool, has_tools: bool) -> Iterator[_Problem]:
    yield from _unsent(model, settings)
    if not at_openai:
        return
    known = known_model(model.name)
    if known is not None:
        yield from _sampling(model, known, settings)
        yield from _reasoning(known, settings)
        if model.api == "chat_completions":
            yield from _chat_completions(known, settings, has_tools)
    yield from _limits(model, settings)


def _unsent(model: OpenAIModel, settings: _Merged) -> Iterator[_Problem]:
    other = "chat_completions" if model.api == "responses" else "responses"
    api = "Responses API" if model.api == "responses" else "Chat Completions API"
    for name in _UNSENT[model.api]:
        if name in settings:
            yield name, f"{name!r} has no effect: the {api} has no such setting", f"it is one of 'api: {other}'"
    reasoning = settings.get("reasoning")
    if reasoning is not None and reasoning.value.summary is not None and model.api == "chat_completions":
        message = "'reasoning.summary' has no effect: the Chat Completions API returns no thoughts"
        yield "reasoning", message, "it is one of 'api: responses'"


def _sampling(model: OpenAIModel, known: KnownModel, settings: _Merged) -> Iterator[_Problem]:
    if not known.efforts:
        return
    can_skip = _NO_EFFORT in known.efforts
    if not (can_skip and _effort(known, settings) == _NO_EFFORT):
        condition = f" unless its effort is {_NO_EFFORT!r}" if can_skip else ""
        hint = f"leave it out, or write 'reasoning: {{effort: {_NO_EFFORT}}}'" if can_skip else "leave it out"
        for name in _SAMPLING:
            if name in settings and name not in _UNSENT[model.api]:
                yield name, f"the model {known.name!r} refuses {name!r}{condition}", hint
    if model.api == "chat_completions" and "max_tokens" in settings:
        hint = "write 'extra_args: {max_completion_tokens: …}', or take 'api: responses'"
        yield "max_tokens", f"the model {known.name!r} refuses 'max_tokens' of the Chat Completions API", hint


def _reasoning(known: KnownModel, settings: _Merged) -> Iterator[_Problem]:
    name, reasoning = known.name, settings.get("reasoning")
    effort = reasoning.value.effort if reasoning is not None and isinstance(reasoning.value, Reasoning) else None
    if reasoning is not None and known.efforts == ():
        yield "reasoning", f"the model {name!r} refuses 'reasoning': it is no reasoning model", "leave it out"
    elif effort is not None and known.efforts and effort not in known.efforts:
        allowed = known.efforts
        words = f"takes {' or '.join(map(repr, allowed))}" if len(allowed) < 3 else f"knows {', '.join(allowed)}"
        yield "reasoning", f"the model {name!r} refuses the effort {effort!r}", f"it {words}"
    verbosity = settings.get("verbosity")
    if verbosity is not None and verbosity.value != "medium" and known.efforts is not None and not _has_verbosity(name):
        message = f"the model {name!r} refuses 'verbosity: {verbosity.value}'"
        yield "verbosity", message, "models from gpt-5 on can be told; ask for short answers in the instructions"


def _has_verbosity(name: str) -> bool:
    family, _, _ = name.removeprefix("gpt-").partition("-")
    return name.startswith("gpt-") and family[:1].isdigit() and int(family[0]) >= 5


def _chat_completions(known: KnownModel, settings: _Merged, has_tools: bool) -> Iterator[_Problem]:
    name, way_out = known.name, "take 'api: responses'"
    if known.responses_only:
        yield "api", f"the model {name!r} is not served by the Chat Completions API", way_out
    elif has_tools and known.function_tools == "never":
        yield "api", f"the model {name!r} takes no function tools by the Chat Completions API", way_out
    elif has_tools and known.function_tools == "without effort" and _effort(known, settings) != _NO_EFFORT:
        message = f"the model {name!r} takes function tools by the Chat Completions API with the effort 'none' only"
        place = "reasoning" if "reasoning" in settings else "api"
        yield place, message, f"{way_out}, or write 'settings: {{reasoning: {{effort: {_NO_EFFORT}}}}}'"


def _effort(known: KnownModel, settings: _Merged) -> str:
    """Return the effort of a call; empty if it is not known."""
    reasoning = settings.get("reasoning")
    if reasoning is None:
        return known.default_effort
    return (reasoning.value.effort or "") if isinstance(reasoning.value, Reasoning) else ""


def _limits(model: OpenAIModel, settings: _Merged) -> Iterator[_Problem]:
    limit = settings.get("max_tokens")
    if limit is not None and model.api == "responses" and limit.value < _FEWEST_TOKENS:
        yield "max_tokens", f"OpenAI refuses {limit.value} as 'max_tokens'", f"at least {_FEWEST_TOKENS}"
    metadata = settings.get("metadata")
    if metadata is not None:
        most, longest_key, longest = _METADATA
        is_long = any(len(key) > longest_key or len(text) > longest for key, text in metadata.value.items())
        if is_long or len(metadata.value) > most:
            hint = f"at most {most} keys of {longest_key} characters, with values of {longest}"
            yield "metadata", "OpenAI refuses this metadata", hint


# `tool_choice` names a tool of the agent, as the model sees it.

_WORDS = ("auto", "required", "none")


def check_tool_choices(project: CheckedProject) -> None:
    """Report each `tool_choice` that names no tool of the agent (A622); scripted models ignore the setting."""
    for key, agent, used, settings in _merged_settings(project):
        choice = settings.get("tool_choice")
        ignores = not isinstance(used.model, OpenAIModel | AnyLLMModel | LiteLLMModel)
        if choice is not None and choice.value not in ("auto", "none") and not ignores:
            _check(str(choice.value), choice.path, agent, key, project)


def _check(choice: str, path: KeyPath, agent: Agent, key: str, project: CheckedProject) -> None:
    tools = agent_tools(project, agent)
    names = tools.names
    if (
        choice in names
        or tools.servers_of(choice)
        or (choice == "required" and tools.servers)
        or (choice == "required" and names)
        or any("${" in tool for tool in agent.tools)
    ):
        return
    if choice == "required":
        message = f"'tool_choice: required', and the agent {key!r} has no tool"
        project.collector.report("A622", path, message, "give it one, or leave the setting out", severity="warning")
        return
    hosted = getattr(project.config.tools.get(choice), "hosted", None) if choice in agent.tools else None
    hint = f"the model knows this one as {hosted!r}" if hosted else suggest(choice, [*names, *_WORDS])
    hint = hint or f"it has {', '.join(map(repr, sorted(names)))}" if names else hint
    # A Python tool may be named at run time.
    severity = "note" if any(":" in tool for tool in agent.tools) else "warning"
    message = f"the agent {key!r} has no tool {choice!r} to choose"
    project.collector.report("A622", path, message, hint, severity=severity)  # type: ignore[arg-type]  # a Severity
