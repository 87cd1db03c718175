"""Checks of the merged settings of an agent and its model: those that known models of OpenAI reject or ignore."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from runtime.config.model.agents import Agent
from runtime.config.model.models import AnyLLMModel, LiteLLMModel, Model, OpenAIModel, Reasoning, Settings
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.validation.checked_project import CheckedProject
from runtime.validation.models import agent_tools, is_at_openai, used_models

_DATED = r"(-\d{4}-\d{2}-\d{2})?"
_O_SERIES = re.compile(r"o[134](-(?!deep).*)?")
_FIRST_5 = re.compile(rf"gpt-5(-(mini|nano|pro|codex))?{_DATED}")
_LATER_5 = re.compile(rf"gpt-5\.(?P<minor>[1-5])(-(?P<kind>mini|nano|pro|codex(-max)?))?{_DATED}")
_CHAT_5 = re.compile(r"gpt-5(\.\d)?-chat-latest")
_CLASSIC = re.compile(r"(gpt-4|gpt-3\.5|chatgpt-4o)[\w.-]*")
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
    for _, _, model, settings in _merged_settings(project):
        if not isinstance(model, OpenAIModel):
            continue
        for name, message, hint in _problems(model, settings, is_at_openai(model, project)):
            path = settings[name].path
            if (path, message) not in reported:
                reported.add((path, message))
                project.collector.report("A621", path, message, hint, severity="warning")


def _merged_settings(project: CheckedProject) -> Iterator[tuple[str, Agent, Model, _Merged]]:
    """Yield each agent with its model and the settings of its calls; its own override those of its model."""
    used_by_name = {used.name: used for used in used_models(project)}
    for key, agent in project.config.agents.items():
        if agent.has_key("model") and (used := used_by_name.get(agent.model)):
            declared = getattr(used.model, "settings", None) if used.is_declared else None
            merged = _written(declared, (*used.path, "settings")) if declared is not None else {}
            yield key, agent, used.model, merged | _written(agent.settings, ("agents", key, "settings"))


def _written(settings: Settings, path: KeyPath) -> _Merged:
    return {
        name: _Setting(value, (*path, name))
        for name in settings.model_fields_set
        if (value := getattr(settings, name)) is not None
    }


def _problems(model: OpenAIModel, settings: _Merged, at_openai: bool) -> Iterator[_Problem]:
    yield from _unsent(model, settings)
    if at_openai:
        yield from _sampling(model, settings)
        yield from _reasoning(model, settings)
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


def _sampling(model: OpenAIModel, settings: _Merged) -> Iterator[_Problem]:
    condition = _reasons_if(model.name, _effort(settings))
    if condition is None:
        return
    for name in _SAMPLING:
        if name in settings and name not in _UNSENT[model.api]:
            yield name, f"the model {model.name!r} refuses {name!r}{condition}", "leave it out"
    if model.api == "chat_completions" and "max_tokens" in settings:
        hint = "write 'extra_args: {max_completion_tokens: …}', or take 'api: responses'"
        yield "max_tokens", f"the model {model.name!r} refuses 'max_tokens' of the Chat Completions API", hint


def _reasons_if(name: str, effort: str | None) -> str | None:
    """Return the condition under which a model reasons and rejects sampling; None if it does not, or is unknown."""
    if _O_SERIES.fullmatch(name) or _FIRST_5.fullmatch(name):
        return ""
    later = _LATER_5.fullmatch(name)
    if later and later["kind"] in ("pro", "codex", "codex-max"):
        return ""
    return " unless its effort is 'none'" if later and effort not in (None, "none") else None


def _reasoning(model: OpenAIModel, settings: _Merged) -> Iterator[_Problem]:
    name, effort = model.name, _effort(settings)
    if "reasoning" in settings and _CLASSIC.fullmatch(name):
        yield "reasoning", f"the model {name!r} refuses 'reasoning': it is no reasoning model", "leave it out"
    elif effort is not None and (allowed := _efforts(name)) and effort not in allowed:
        words = f"takes {' or '.join(map(repr, allowed))}" if len(allowed) < 3 else f"knows {', '.join(allowed)}"
        yield "reasoning", f"the model {name!r} refuses the effort {effort!r}", f"it {words}"
    verbosity = settings.get("verbosity")
    is_of_old = _CLASSIC.fullmatch(name) or _O_SERIES.fullmatch(name)
    if verbosity is not None and verbosity.value != "medium" and is_of_old:
        message = f"the model {name!r} refuses 'verbosity: {verbosity.value}'"
        yield "verbosity", message, "models from gpt-5 on can be told; ask for short answers in the instructions"


def _efforts(name: str) -> tuple[str, ...]:
    """Return the efforts that a model accepts; empty if they are unknown or there are none."""
    if _O_SERIES.fullmatch(name):
        return ("low", "medium", "high")
    if _FIRST_5.fullmatch(name):
        return ("high",) if name.startswith("gpt-5-pro") else ("minimal", "low", "medium", "high")
    later = _LATER_5.fullmatch(name)
    if later is None or later["kind"] in ("pro", "codex", "codex-max"):
        return ()
    return ("none", "low", "medium", "high") + (("xhigh",) if later["minor"] != "1" else ())


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


def _effort(settings: _Merged) -> str | None:
    reasoning = settings.get("reasoning")
    return reasoning.value.effort if reasoning is not None and isinstance(reasoning.value, Reasoning) else None


# `tool_choice` names a tool of the agent, as the model sees it.

_WORDS = ("auto", "required", "none")


def check_tool_choices(project: CheckedProject) -> None:
    """Report each `tool_choice` that names no tool of the agent (A622); scripted models ignore the setting."""
    for key, agent, model, settings in _merged_settings(project):
        choice = settings.get("tool_choice")
        ignores = not isinstance(model, OpenAIModel | AnyLLMModel | LiteLLMModel)
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
