"""What a schema can't say: names that lead nowhere, agents that nobody reaches, hosted tools where there are none.

Runs only on a config whose shape is right, so that no check has to ask twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from runtime.config.check_entry import check_entry
from runtime.config.check_guardrails import check_guardrails
from runtime.config.check_mcp import check_hosted_mcp
from runtime.config.check_templates import check_templates
from runtime.config.check_unused import check_unused
from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.actions import WidgetAction
from runtime.config.model.agents import Agent
from runtime.config.model.models import LiteLLMModel, OpenAIModel
from runtime.config.model.tools import AgentTool, PatchTool, ShellTool, WidgetTool
from runtime.config.model.types import IMPORT_PATTERN, TOOL_NAME_PATTERN
from runtime.config.openapi_documents import check_openapi, split_operation
from runtime.config.project_files import ProjectFiles
from runtime.config.references import ALL, check_mcp_servers, model_references, split_reference
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest
from runtime.documents.variables import Interpolation

WIDGET_SUFFIXES = (".widget", ".json")
DEFAULT_MODEL = "default"
_LIKE_A_MODEL = 0.8
_DIGITS = re.compile(r"[0-9]+")
_IMPORT = re.compile(IMPORT_PATTERN.removesuffix("$") + r"\Z")
_TOOL_NAME = re.compile(TOOL_NAME_PATTERN.removesuffix("$") + r"\Z")


def check_config(config: Config, filled: Interpolation, files: ProjectFiles) -> list[Diagnostic]:
    """Return what is wrong with a config whose shape is right; reads the files that it names."""
    found = DiagnosticCollector(filled)
    check_entry(config, found)
    _check_names(config, found)
    for key, agent in config.agents.items():
        _check_model(config, agent, key, found)
        _check_tools(config, agent, key, found)
        _check_handoffs(config, agent, key, found)
        _check_output(config, agent, key, found)
    _check_tool_targets(config, found)
    _check_actions(config, found)
    _check_tags(config, found)
    _check_dictation(config, found)
    for name, path in model_references(config):
        if path[0] != "agents":
            _check_model_name(config, name, path, found)
        if path[0] == "models" and name == path[1]:
            found.report("A254", path, f"the model {name!r} falls back to itself")
    check_guardrails(config, found)
    check_mcp_servers(config, found)
    check_hosted_mcp(config, found)
    check_deprecated(filled.source.data, found)
    check_nothing(config, filled.source.data, found)
    check_openapi(config, files, found)
    check_unused(config, found)
    check_templates(config, filled, files, found)
    return found.diagnostics


def _check_names(config: Config, found: DiagnosticCollector) -> None:
    for name in config.tools:
        if not _TOOL_NAME.match(name):
            hint = "models accept 1 to 64 letters, digits, '_' and '-'"
            found.report("A215", ("tools", name), f"{name!r} can't be a tool's name", hint, at_key=True)
    for name in config.state:
        if not name.isidentifier() or name.startswith("_"):
            hint = "tools say ctx.context.NAME, so it must be a Python name"
            found.report("A215", ("state", name), f"{name!r} can't be an attribute", hint, at_key=True)


def _check_model(config: Config, agent: Agent, key: str, found: DiagnosticCollector) -> None:
    if agent.model == DEFAULT_MODEL and DEFAULT_MODEL not in config.models:
        hint = "give the agent a 'model', or declare one named 'default' in 'models'"
        found.report("A212", ("agents", key), f"the agent {key!r} has no model", hint, at_key=True)
        return
    _check_model_name(config, agent.model, ("agents", key, "model"), found)
    declared = config.models.get(agent.model)
    for name in (agent.model, *(declared.fallback if declared is not None else ())):
        asked = config.models.get(name)
        if isinstance(asked, LiteLLMModel) or (isinstance(asked, OpenAIModel) and asked.api == "chat_completions"):
            _refuse_hosted(config, agent, key, name, found)
            return


def _refuse_hosted(config: Config, agent: Agent, key: str, model: str, found: DiagnosticCollector) -> None:
    for index, name in enumerate(agent.tools):
        tool = config.tools.get(name)
        if hasattr(tool, "hosted") or isinstance(tool, ShellTool | PatchTool):
            message = f"the hosted tool {name!r} needs the Responses API, and the model {model!r} has none"
            found.report("A250", ("agents", key, "tools", index), message)


def _check_model_name(config: Config, name: str, path: KeyPath, found: DiagnosticCollector) -> None:
    """Any name may be a provider's: only one that nearly is a declared one is worth a word."""
    near = None if name in config.models else nearest(name, config.models, _LIKE_A_MODEL)
    # Models of one family differ in their numbers: gpt-4 is no slip for gpt-5.
    if near and _DIGITS.findall(near) == _DIGITS.findall(name):
        message = f"{name!r} is not declared in 'models', so it is taken for a provider's model"
        found.report("A204", path, message, f"did you mean {near!r}?", severity="warning", meant=near)


def _check_tools(config: Config, agent: Agent, key: str, found: DiagnosticCollector) -> None:
    seen: dict[str, str] = {}
    for index, reference in enumerate(agent.tools):
        path: KeyPath = ("agents", key, "tools", index)
        if reference not in config.tools and (
            split_reference(config, reference) is not None or split_operation(config, reference) is not None
        ):
            continue  # see runtime/config/references.py and specs.py
        if reference not in config.tools and not _check_inline_tool(config, reference, path, found):
            continue
        name = tool_name(config, reference)
        if name in seen:
            same = seen[name] == reference
            message = f"the tool {name!r} is given twice" if same else f"two tools may be named {name!r}"
            found.report(
                "A209", path, message, "" if same else f"also {seen[name]!r}", severity="error" if same else "warning"
            )
        seen.setdefault(name, reference)


def _check_inline_tool(config: Config, reference: str, path: KeyPath, found: DiagnosticCollector) -> bool:
    if ":" not in reference:
        near = nearest(reference, [*config.tools, *(f"{name}.{ALL}" for name in config.mcp)]) or ""
        hint = f"did you mean {near!r}?" if near else ""
        if not hint and "." in reference:
            hint = "a Python path needs its colon, as in package.module:name"
        found.report("A203", path, f"there is no tool {reference!r}", hint, meant=near)
        return False
    if not _IMPORT.match(reference):
        found.report("A213", path, f"{reference!r} is not an import path", "such as package.module:name")
        return False
    return True


def _check_handoffs(config: Config, agent: Agent, key: str, found: DiagnosticCollector) -> None:
    names = {tool_name(config, tool): f"the tool {tool!r}" for tool in agent.tools}
    targets: set[str] = set()
    for index, handoff in enumerate(agent.handoffs):
        path: KeyPath = ("agents", key, "handoffs", index, "agent")
        target = config.agents.get(handoff.agent)
        if target is None:
            found.report_unknown("A205", path, f"there is no agent {handoff.agent!r}", handoff.agent, config.agents)
            continue
        if handoff.agent == key:
            found.report("A211", path, f"the agent {key!r} hands over to itself")
            continue
        name = handoff.tool_name or transfer_name(target.name or handoff.agent)
        if handoff.agent in targets:
            found.report("A210", path, f"the handoff to {handoff.agent!r} is given twice")
        elif name in names:
            message = f"the model sees this handoff as {name!r}, and {names[name]} too"
            found.report("A210", path, message, "give one of the agents another 'name'")
        targets.add(handoff.agent)
        names.setdefault(name, f"the handoff to {handoff.agent!r}")


def tool_name(config: Config, reference: str) -> str:
    """Return the name that the model sees; of an inline path, the one that it most likely has."""
    return reference if reference in config.tools else reference.rpartition(":")[2].rpartition(".")[2]


def transfer_name(agent: str) -> str:
    """Return the name of the tool that hands over to the agent of that name."""
    # As the Agents SDK makes it.
    return "transfer_to_" + re.sub(r"[^a-zA-Z0-9_]", "_", agent).lower()


def _check_tool_targets(config: Config, found: DiagnosticCollector) -> None:
    for key, tool in config.tools.items():
        if isinstance(tool, AgentTool) and tool.agent not in config.agents:
            message = f"there is no agent {tool.agent!r}"
            found.report_unknown("A206", ("tools", key, "agent"), message, tool.agent, config.agents)
        elif isinstance(tool, WidgetTool) and not _is_widget(config.widgets, tool.widget):
            message = f"there is no widget {tool.widget!r}"
            found.report_unknown("A207", ("tools", key, "widget"), message, tool.widget, config.widgets)


def _check_actions(config: Config, found: DiagnosticCollector) -> None:
    for key, action in config.actions.items():
        if isinstance(action, WidgetAction) and not _is_widget(config.widgets, action.widget):
            message = f"there is no widget {action.widget!r}"
            found.report_unknown("A208", ("actions", key, "widget"), message, action.widget, config.widgets)


def _check_dictation(config: Config, found: DiagnosticCollector) -> None:
    declared = config.chat.dictation
    if declared is not None and (declared.model is None) == (declared.python is None):
        message = "nothing takes dictation" if declared.model is None else "'model' and 'python' can't stand together"
        found.report("A106", ("chat", "dictation"), message, "give one of model, python", at_key=True)


def _check_output(config: Config, agent: Agent, key: str, found: DiagnosticCollector) -> None:
    output, path = agent.output, ("agents", key, "output")
    if output is None:
        return
    if output.widget is None and output.template is None:
        found.report("A251", path, "nothing shows this output", "give it a 'widget' or a 'template'", at_key=True)
    elif output.widget is not None and output.template is not None:
        message = "'widget' and 'template' can't stand together: an output is shown once"
        found.report("A251", (*path, "template"), message, at_key=True)
    if output.schema_ is not None and output.python is not None:
        message = "'schema' and 'python' can't stand together: an output has one shape"
        found.report("A251", (*path, "python"), message, at_key=True)
    if output.widget is None:
        if output.template is not None and output.schema_ is None and output.python is None:
            found.report("A251", path, "this output has no shape", "give it a 'schema', or 'python'", at_key=True)
    elif not _is_widget(config.widgets, output.widget):
        message = f"there is no widget {output.widget!r}"
        found.report_unknown("A208", (*path, "widget"), message, output.widget, config.widgets)


def _check_tags(config: Config, found: DiagnosticCollector) -> None:
    tags = config.chat.tags
    if tags is None:
        return
    if tags.preview is not None and not _is_widget(config.widgets, tags.preview):
        message = f"there is no widget {tags.preview!r}"
        found.report_unknown("A208", ("chat", "tags", "preview"), message, tags.preview, config.widgets)
    ids = [entity.id for entity in tags.entities]
    for index, name in enumerate(ids):
        if name in ids[:index]:
            found.report("A209", ("chat", "tags", "entities", index, "id"), f"two entities have the id {name!r}")


def _is_widget(widgets: Mapping[str, object], name: str) -> bool:
    return name in widgets or name.endswith(WIDGET_SUFFIXES)


# The keys that still work and should no longer be written, each with what to write instead.

_CACHE = "OpenAI has replaced it: write 'prompt_cache_options: {ttl: 30m}', or 12h"

DEPRECATED: dict[tuple[str, ...], str] = {
    ("models", "*", "settings", "prompt_cache_retention"): _CACHE,
    ("agents", "*", "settings", "prompt_cache_retention"): _CACHE,
}
"""The way to each key, where `*` is any name, and what to write instead."""


def check_deprecated(data: Any, found: DiagnosticCollector) -> None:
    """Report each deprecated key of a file's data."""
    for pattern, instead in DEPRECATED.items():
        for path in _matches(data, pattern):
            message = f"{path[-1]!r} is deprecated"
            found.report("A109", path, message, instead, severity="warning", at_key=True)


def _matches(data: Any, pattern: tuple[str, ...], path: KeyPath = ()) -> Iterator[KeyPath]:
    if not pattern:
        yield path
    elif isinstance(data, dict):
        for key in data if pattern[0] == "*" else data.keys() & {pattern[0]}:
            yield from _matches(data[key], pattern[1:], (*path, key))


# A key with nothing behind it: what was meant to follow is a comment to YAML, or was never written.

_COMMENT = "put a text that begins with '#' in quotes"


def check_nothing(config: Config, data: Any, found: DiagnosticCollector) -> None:
    """Warn of each key of the language that has no value in `data`, not even a `null`."""
    places = found.filled.source.places
    for path in _nothings(data, ()):
        if places.text(path) == "" and _is_field(config, path):
            place = places.value(path)
            lines = places.lines.get(place.file, ())
            line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
            comment = line[place.column - 1 :].lstrip().startswith("#")
            hint = _COMMENT if comment else "leave the key out where there is nothing"
            message = f"nothing stands behind '{path[-1]}:'"
            found.report("A108", path, message, hint, severity="warning", at_key=True)


def _nothings(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in items:
        if part is None:
            yield (*path, step)
        elif isinstance(part, (dict, list)):
            yield from _nothings(part, (*path, step))


def _is_field(config: Config, path: KeyPath) -> bool:
    """Tell whether a path leads to a key of the language, and not into data of the user's own."""
    value: Any = config
    for step in path[:-1]:
        if isinstance(value, BaseModel):
            value = getattr(value, str(step), None)
        elif isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return isinstance(value, BaseModel) and path[-1] in type(value).model_fields
