"""Cross-checks: what the schema can't see, such as unknown names, duplicates and declarations without effect.

They run on a config that is valid by the schema, so no check repeats the checks of the models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from runtime.config.check_entry import check_entry
from runtime.config.check_guardrails import check_guardrails
from runtime.config.check_mcp import check_hosted_mcp, check_mcp_servers
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
from runtime.config.references import ALL, WIDGET_SUFFIXES, model_references, split_reference
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import CLOSE, nearest
from runtime.documents.variables import Interpolation

DEFAULT_MODEL = "default"
_DIGITS = re.compile(r"[0-9]+")
_IMPORT = re.compile(IMPORT_PATTERN)
_TOOL_NAME = re.compile(TOOL_NAME_PATTERN)


def check_config(config: Config, filled: Interpolation, files: ProjectFiles) -> list[Diagnostic]:
    """Return the diagnostics of a config that is valid by the schema; reads the files that it names."""
    collector = DiagnosticCollector(filled)
    check_entry(config, collector)
    _check_names(config, collector)
    for key, agent in config.agents.items():
        _check_model(config, agent, key, collector)
        _check_tools(config, agent, key, collector)
        _check_handoffs(config, agent, key, collector)
        _check_output(config, agent, key, collector)
    _check_tool_targets(config, collector)
    _check_actions(config, collector)
    _check_mentions(config, collector)
    _check_dictation(config, collector)
    for name, path in model_references(config):
        if path[0] != "agents":
            _check_model_name(config, name, path, collector)
        if path[0] == "models" and name == path[1]:
            collector.report("A254", path, f"the model {name!r} falls back to itself")
    check_guardrails(config, collector)
    check_mcp_servers(config, collector)
    check_hosted_mcp(config, collector)
    _check_deprecated(filled.source.data, collector)
    _check_empty_keys(config, filled.source.data, collector)
    check_openapi(config, files, collector)
    check_unused(config, collector)
    check_templates(config, filled, files, collector)
    return collector.diagnostics


def _check_names(config: Config, collector: DiagnosticCollector) -> None:
    for name in config.tools:
        if not _TOOL_NAME.fullmatch(name):
            hint = "models accept 1 to 64 letters, digits, '_' and '-'"
            collector.report("A215", ("tools", name), f"{name!r} is not a valid tool name", hint, at_key=True)
    for name in config.state:
        if not name.isidentifier() or name.startswith("_"):
            hint = "tools read ctx.context.NAME, so it must be a Python name without a leading '_'"
            collector.report("A215", ("state", name), f"{name!r} is not a valid attribute name", hint, at_key=True)


def _check_model(config: Config, agent: Agent, key: str, collector: DiagnosticCollector) -> None:
    if agent.model == DEFAULT_MODEL and DEFAULT_MODEL not in config.models:
        hint = "give the agent a 'model', or declare one named 'default' in 'models'"
        collector.report("A212", ("agents", key), f"the agent {key!r} has no model", hint, at_key=True)
        return
    _check_model_name(config, agent.model, ("agents", key, "model"), collector)
    declared = config.models.get(agent.model)
    for name in (agent.model, *(declared.fallback if declared is not None else ())):
        model = config.models.get(name)
        if isinstance(model, LiteLLMModel) or (isinstance(model, OpenAIModel) and model.api == "chat_completions"):
            _refuse_hosted(config, agent, key, name, collector)
            return


def _refuse_hosted(config: Config, agent: Agent, key: str, model: str, collector: DiagnosticCollector) -> None:
    for index, name in enumerate(agent.tools):
        tool = config.tools.get(name)
        if hasattr(tool, "hosted") or isinstance(tool, ShellTool | PatchTool):
            message = f"the hosted tool {name!r} needs the Responses API, which the model {model!r} does not use"
            collector.report("A250", ("agents", key, "tools", index), message)


def _check_model_name(config: Config, name: str, path: KeyPath, collector: DiagnosticCollector) -> None:
    """Warn of a name that is close to a declared one; any other name may be a model of the provider."""
    near = None if name in config.models else nearest(name, config.models, CLOSE)
    # Models of one family differ in their numbers: gpt-4 is not a misspelt gpt-5.
    if near and _DIGITS.findall(near) == _DIGITS.findall(name):
        message = f"{name!r} is not declared in 'models', so it is sent to the provider as it is"
        collector.report("A204", path, message, f"did you mean {near!r}?", severity="warning", meant=near)


def _check_tools(config: Config, agent: Agent, key: str, collector: DiagnosticCollector) -> None:
    seen: dict[str, str] = {}
    for index, reference in enumerate(agent.tools):
        path: KeyPath = ("agents", key, "tools", index)
        if reference not in config.tools and (
            split_reference(config, reference) is not None or split_operation(config, reference) is not None
        ):
            continue  # checked in check_mcp.py and openapi_documents.py
        if reference not in config.tools and not _check_inline_tool(config, reference, path, collector):
            continue
        name = tool_name(config, reference)
        if name in seen:
            same = seen[name] == reference
            message = f"the tool {name!r} is listed twice" if same else f"two tools may be named {name!r}"
            collector.report(
                "A209", path, message, "" if same else f"also {seen[name]!r}", severity="error" if same else "warning"
            )
        seen.setdefault(name, reference)


def _check_inline_tool(config: Config, reference: str, path: KeyPath, collector: DiagnosticCollector) -> bool:
    if ":" not in reference:
        near = nearest(reference, [*config.tools, *(f"{name}.{ALL}" for name in config.mcp)]) or ""
        hint = f"did you mean {near!r}?" if near else ""
        if not hint and "." in reference:
            hint = "a Python path needs a colon, as in package.module:name"
        collector.report("A203", path, f"there is no tool {reference!r}", hint, meant=near)
        return False
    if not _IMPORT.fullmatch(reference):
        collector.report("A213", path, f"{reference!r} is not an import path", "such as package.module:name")
        return False
    return True


def _check_handoffs(config: Config, agent: Agent, key: str, collector: DiagnosticCollector) -> None:
    names = {tool_name(config, tool): f"the tool {tool!r}" for tool in agent.tools}
    targets: set[str] = set()
    for index, handoff in enumerate(agent.handoffs):
        path: KeyPath = ("agents", key, "handoffs", index, "agent")
        target = config.agents.get(handoff.agent)
        if target is None:
            message = f"there is no agent {handoff.agent!r}"
            collector.report_unknown("A205", path, message, handoff.agent, config.agents)
            continue
        if handoff.agent == key:
            collector.report("A211", path, f"the agent {key!r} hands over to itself")
            continue
        name = handoff.tool_name or transfer_name(target.name or handoff.agent)
        if handoff.agent in targets:
            collector.report("A210", path, f"the handoff to {handoff.agent!r} is listed twice")
        elif name in names:
            message = f"this handoff and {names[name]} have the same tool name {name!r}"
            collector.report("A210", path, message, "give one of them another name")
        targets.add(handoff.agent)
        names.setdefault(name, f"the handoff to {handoff.agent!r}")


def tool_name(config: Config, reference: str) -> str:
    """Return the tool name that the model sees; for an import path, the name that the tool most likely has."""
    return reference if reference in config.tools else reference.rpartition(":")[2].rpartition(".")[2]


def transfer_name(agent: str) -> str:
    """Return the name of the tool that hands over to an agent, as the Agents SDK generates it."""
    return "transfer_to_" + re.sub(r"[^a-zA-Z0-9_]", "_", agent).lower()


def _check_tool_targets(config: Config, collector: DiagnosticCollector) -> None:
    for key, tool in config.tools.items():
        if isinstance(tool, AgentTool) and tool.agent not in config.agents:
            message = f"there is no agent {tool.agent!r}"
            collector.report_unknown("A206", ("tools", key, "agent"), message, tool.agent, config.agents)
        elif isinstance(tool, WidgetTool):
            _check_widget(config, tool.widget, "A207", ("tools", key, "widget"), collector)


def _check_actions(config: Config, collector: DiagnosticCollector) -> None:
    for key, action in config.actions.items():
        if isinstance(action, WidgetAction):
            _check_widget(config, action.widget, "A208", ("actions", key, "widget"), collector)


def _check_dictation(config: Config, collector: DiagnosticCollector) -> None:
    declared = config.chat.dictation
    if declared is not None and (declared.model is None) == (declared.python is None):
        message = "exclude each other" if declared.model is not None else "are both missing"
        hint = "keep one of them" if declared.model is not None else "add one of them"
        collector.report("A106", ("chat", "dictation"), f"'model' and 'python' {message}", hint, at_key=True)


def _check_output(config: Config, agent: Agent, key: str, collector: DiagnosticCollector) -> None:
    output, path = agent.output, ("agents", key, "output")
    if output is None:
        return
    if output.widget is None and output.template is None:
        message = "this output has neither a 'widget' nor a 'template' that shows it"
        collector.report("A251", path, message, "add one of them", at_key=True)
    elif output.widget is not None and output.template is not None:
        message = "'widget' and 'template' exclude each other"
        collector.report("A251", (*path, "template"), message, "remove one of them", at_key=True)
    if output.schema_ is not None and output.python is not None:
        message = "'schema' and 'python' exclude each other"
        collector.report("A251", (*path, "python"), message, "remove one of them", at_key=True)
    if output.widget is not None:
        _check_widget(config, output.widget, "A208", (*path, "widget"), collector)
    elif output.template is not None and output.schema_ is None and output.python is None:
        message = "this output has neither a 'schema' nor 'python' for its shape"
        collector.report("A251", path, message, "add one of them", at_key=True)


def _check_mentions(config: Config, collector: DiagnosticCollector) -> None:
    mentions = config.chat.tags
    if mentions is None:
        return
    if mentions.preview is not None:
        _check_widget(config, mentions.preview, "A208", ("chat", "tags", "preview"), collector)
    ids = [entity.id for entity in mentions.entities]
    for index, name in enumerate(ids):
        if name in ids[:index]:
            collector.report("A209", ("chat", "tags", "entities", index, "id"), f"two entities have the id {name!r}")


def _check_widget(config: Config, name: str, code: str, path: KeyPath, collector: DiagnosticCollector) -> None:
    if name not in config.widgets and not name.endswith(WIDGET_SUFFIXES):
        collector.report_unknown(code, path, f"there is no widget {name!r}", name, config.widgets)


_CACHE = "OpenAI has replaced it: write 'prompt_cache_options: {ttl: 30m}', or 12h"
DEPRECATED: dict[tuple[str, ...], str] = {
    ("models", "*", "settings", "prompt_cache_retention"): _CACHE,
    ("agents", "*", "settings", "prompt_cache_retention"): _CACHE,
}
"""The key path of each deprecated key, where `*` is any name, and what to write instead."""


def _check_deprecated(data: Any, collector: DiagnosticCollector) -> None:
    for pattern, instead in DEPRECATED.items():
        for path in _matches(data, pattern):
            message = f"{path[-1]!r} is deprecated"
            collector.report("A109", path, message, instead, severity="warning", at_key=True)


def _matches(data: Any, pattern: tuple[str, ...], path: KeyPath = ()) -> Iterator[KeyPath]:
    if not pattern:
        yield path
    elif isinstance(data, dict):
        for key in data if pattern[0] == "*" else data.keys() & {pattern[0]}:
            yield from _matches(data[key], pattern[1:], (*path, key))


def _check_empty_keys(config: Config, data: Any, collector: DiagnosticCollector) -> None:
    """Warn of each key of the language without a value, not even `null`: YAML may have read its text as a comment."""
    places = collector.filled.source.places
    for path in _nulls(data, ()):
        if places.text(path) == "" and _is_field(config, path):
            place = places.value(path)
            lines = places.lines.get(place.file, ())
            line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
            comment = line[place.column - 1 :].lstrip().startswith("#")
            hint = "put a text that begins with '#' in quotes" if comment else "remove the key if it needs no value"
            collector.report("A108", path, f"{path[-1]!r} has no value", hint, severity="warning", at_key=True)


def _nulls(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in items:
        if part is None:
            yield (*path, step)
        elif isinstance(part, (dict, list)):
            yield from _nulls(part, (*path, step))


def _is_field(config: Config, path: KeyPath) -> bool:
    """Return whether a key path leads to a key of the language, and not into the user's own data."""
    value: Any = config
    for step in path[:-1]:
        if isinstance(value, BaseModel):
            value = getattr(value, str(step), None)
        elif isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
    return isinstance(value, BaseModel) and path[-1] in type(value).model_fields
