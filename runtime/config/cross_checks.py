"""Cross-checks of a config that is valid by the schema: unknown names, duplicates, declarations without effect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from runtime.config.check_auth import check_auth
from runtime.config.check_conditions import check_conditions
from runtime.config.check_endpoints import check_endpoints
from runtime.config.check_entry import check_entry, check_unused
from runtime.config.check_mcp import check_hosted_mcp, check_mcp_names, check_mcp_servers
from runtime.config.check_templates import check_templates
from runtime.config.check_texts import check_texts
from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.agents import Agent
from runtime.config.model.chat import PromptMention
from runtime.config.model.guardrails import LengthGuardrail, RegexGuardrail
from runtime.config.model.models import LiteLLMModel, OpenAIModel
from runtime.config.model.tools import HOSTED_TOOLS, PatchTool, ShellTool
from runtime.config.model.types import IMPORT_PATTERN, TOOL_NAME_PATTERN
from runtime.config.openapi_documents import check_openapi, split_operation
from runtime.config.project_files import ProjectFiles
from runtime.config.references import (
    ALL,
    ANOTHER_NAME,
    GUARDRAILS,
    WIDGET_SUFFIXES,
    agents_of_one_name,
    find_names,
    find_values,
    model_references,
    split_reference,
    tool_name,
    transfer_name,
)
from runtime.config.slow_patterns import SLOW_HINT, slowness
from runtime.config.watched_files import read_watched
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import CLOSE, nearest, quote
from runtime.documents.variables import Interpolation

DEFAULT_MODEL = "default"
_OF_POSTGRESQL = {"connections", "timeout"}
_DIGITS = re.compile(r"[0-9]+")
_IMPORT = re.compile(IMPORT_PATTERN)
# So many names are shown where none is like the one that is written.
_FEW = 6
_TOOL_NAME = re.compile(TOOL_NAME_PATTERN)


def check_config(config: Config, filled: Interpolation, files: ProjectFiles) -> list[Diagnostic]:
    """Return the diagnostics of a config that is valid by the schema; reads the files that it names."""
    collector = DiagnosticCollector(filled)
    check_entry(config, collector)
    check_auth(config, files, collector)
    _check_references(config, collector)
    _check_names(config, collector)
    _check_agent_names(config, collector)
    for key, agent in config.agents.items():
        _check_model(config, agent, key, collector)
        _check_tools(config, agent, key, collector)
        _check_handoffs(config, agent, key, collector)
        _check_output(config, agent, key, collector)
    _check_mentions(config, collector)
    _check_dictation(config, collector)
    for name, path in model_references(config):
        if path[0] != "agents":
            _check_model_name(config, name, path, collector)
        if path[0] == "models" and name == path[1]:
            collector.report("A254", path, f"the model {name!r} falls back to itself")
    _check_guardrails(config, collector)
    check_mcp_servers(config, collector)
    check_mcp_names(config, collector)
    check_hosted_mcp(config, collector)
    _check_store(filled, collector)
    _check_deprecated(filled.source.data, collector)
    _check_empty_keys(config, filled.source.data, collector)
    check_openapi(config, files, collector)
    check_unused(config, collector)
    check_conditions(config, collector)
    check_endpoints(config, collector)
    check_texts(config, collector)
    check_templates(config, filled, files, collector)
    read_watched(config, files, collector)
    return collector.diagnostics


# Each field that names something declared: the code where it is not, and the section.
_REFERENCES = {
    "entry": ("A201", "agents"),
    "entry.*": ("A201", "agents"),
    "entry.*.agent": ("A201", "agents"),
    "agents.*.handoffs.*.agent": ("A205", "agents"),
    "tools.*.agent": ("A206", "agents"),
    "tools.*.widget": ("A207", "widgets"),
    "actions.*.widget": ("A208", "widgets"),
    "agents.*.output.widget": ("A208", "widgets"),
    "chat.tags.preview": ("A208", "widgets"),
    **dict.fromkeys(GUARDRAILS, ("A227", "guardrails")),
}


def _check_references(config: Config, collector: DiagnosticCollector) -> None:
    for field, (code, section) in _REFERENCES.items():
        declared = getattr(config, section)
        for name, path in find_names(config, field):
            is_file = section == "widgets" and name.endswith(WIDGET_SUFFIXES)
            is_import_path = section == "guardrails" and ":" in name
            if name not in declared and not is_file and not is_import_path:
                hint = f"declare it in {section!r}" if section == "guardrails" else ""
                if section == "agents":
                    hint = _hint_agent(config, name)
                collector.report_unknown(code, path, f"there is no {section[:-1]} {name!r}", name, declared, hint)


def _hint_agent(config: Config, name: str) -> str:
    """Return the key of the agent that has a name, in place of the name; else the keys, if they are few."""
    for key, agent in config.agents.items():
        if (agent.name or "").casefold() == name.casefold():
            return f"did you mean {key!r}, whose name is {agent.name!r}?"
    return f"known: {', '.join(quote(config.agents))}" if len(config.agents) <= _FEW else ""


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
    if not agent.has_key("model"):
        return
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
    # Models of one family differ in their numbers: gpt-5.1 is not a misspelt gpt-6.1.
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
    if _IMPORT.fullmatch(reference):
        return True
    if ":" in reference:
        from runtime.config.normal_forms import import_path

        meant = import_path(reference)
        hint = f"did you mean {meant!r}?" if meant else "such as package.module:name"
        collector.report("A213", path, f"{reference!r} is not an import path", hint, wanted=reference)
        return False
    near = nearest(reference, [*config.tools, *(f"{name}.{ALL}" for name in config.mcp)]) or ""
    hint = _hint_tool(config, reference) or (f"did you mean {near!r}?" if near else "")
    wanted = reference if not hint else ""
    if not hint and "." in reference:
        hint = "a Python path needs a colon, as in package.module:name"
    collector.report("A203", path, f"there is no tool {reference!r}", hint, meant=near, wanted=wanted)
    return False


def _hint_tool(config: Config, reference: str) -> str:
    """Return how to use something that is declared elsewhere, or that OpenAI hosts, as a tool; empty for the rest."""
    if reference in config.agents:
        return f"an agent: name it in 'handoffs', or declare a tool '{{agent: {reference}}}' in 'tools'"
    if reference in config.widgets:
        return f"a widget: declare a tool '{{widget: {reference}, description: …}}' in 'tools'"
    server = reference.removeprefix("mcp.").removeprefix("mcp:")
    if server in config.mcp:
        return f"did you mean '{server}.{ALL}'?"
    if server != reference and split_reference(config, server):
        return f"did you mean {server!r}?"
    if reference in HOSTED_TOOLS:
        return f"declare it in 'tools': '{reference}: {{hosted: {reference}}}'"
    for separator in ("/", "__"):
        server, _, tool = reference.removeprefix("mcp__").partition(separator)
        if tool and server in config.mcp:
            return f"did you mean '{server}.{tool}'?"
    called = reference.removesuffix("()")
    return f"did you mean {called!r}?" if called in config.tools else ""


def _check_handoffs(config: Config, agent: Agent, key: str, collector: DiagnosticCollector) -> None:
    names = {tool_name(config, tool): f"the tool {tool!r}" for tool in agent.tools}
    targets: set[str] = set()
    for index, handoff in enumerate(agent.handoffs):
        path: KeyPath = ("agents", key, "handoffs", index, "agent")
        target = config.agents.get(handoff.agent)
        if handoff.agent == key:
            collector.report("A211", path, f"the agent {key!r} hands over to itself")
        if target is None or handoff.agent == key:
            continue
        name = handoff.tool_name or transfer_name(target.name or handoff.agent)
        if handoff.agent in targets:
            collector.report("A210", path, f"the handoff to {handoff.agent!r} is listed twice")
        elif name in names and (handoff.tool_name or target.has_key("name")):
            message = f"this handoff and {names[name]} have the same tool name {name!r}"
            collector.report("A210", path, message, "give one of them another name")
        targets.add(handoff.agent)
        names.setdefault(name, f"the handoff to {handoff.agent!r}")


def _check_agent_names(config: Config, collector: DiagnosticCollector) -> None:
    """Report agents of one name: threads, guardrails and approvals find an agent by its name (A216)."""
    names = {key: agent.name or key for key, agent in config.agents.items() if agent.name or agent.python is None}
    for key, message in agents_of_one_name(names):
        path: KeyPath = ("agents", key, "name") if config.agents[key].name else ("agents", key)
        collector.report("A216", path, message, ANOTHER_NAME, at_key=len(path) == 2)


def _check_guardrails(config: Config, collector: DiagnosticCollector) -> None:
    used = {name for name, _ in find_names(config, *GUARDRAILS)}
    for name, guardrail in config.guardrails.items():
        if name not in used and not any("${" in other for other in used):
            # An error, not a warning: the author relies on the guardrail.
            hint = "add it to the 'guardrails' of an agent or a tool, or remove it"
            message = f"no agent or tool uses the guardrail {name!r}"
            collector.report("A228", ("guardrails", name), message, hint, at_key=True)
        if isinstance(guardrail, RegexGuardrail):
            _check_pattern(guardrail.regex, ("guardrails", name, "regex"), collector)
        if isinstance(guardrail, LengthGuardrail) and guardrail.min_length > guardrail.max_length:
            message = f"'min_length' {guardrail.min_length} is larger than 'max_length' {guardrail.max_length}"
            collector.report("A229", ("guardrails", name, "min_length"), message)


def _check_pattern(pattern: str, path: KeyPath, collector: DiagnosticCollector) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        where = f" at character {error.pos + 1}" if error.pos is not None else ""
        collector.report("A229", path, f"{pattern!r} is not a valid regular expression: {error.msg}{where}")
        return
    if message := slowness(pattern):
        collector.report("A257", path, message, SLOW_HINT, severity="warning")


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
    has_shape = output.schema_ is not None or output.python is not None or agent.python is not None
    if output.widget is None and output.template and not has_shape:
        message = "this output has neither a 'schema' nor 'python' for its shape"
        collector.report("A251", path, message, "add one of them", at_key=True)


def _check_mentions(config: Config, collector: DiagnosticCollector) -> None:
    mentions = config.chat.tags
    ids = [] if mentions is None else [entity.id for entity in mentions.entities]
    for index, start in enumerate(config.chat.start_prompts):
        for position, part in enumerate(start.prompt if isinstance(start.prompt, list) else ()):
            if isinstance(part, PromptMention) and part.text is None and part.tag not in ids:
                message = f"the mention {part.tag!r} has no 'text', and no entity of 'chat.tags' has that id"
                path: KeyPath = ("chat", "start_prompts", index, "prompt", position, "tag")
                collector.report_unknown("A106", path, message, part.tag, ids, "add a 'text', or the entity")
    for index, name in enumerate(ids):
        if name in ids[:index]:
            collector.report("A209", ("chat", "tags", "entities", index, "id"), f"two entities have the id {name!r}")


_CACHE = "OpenAI has replaced it: write 'prompt_cache_options: {ttl: 30m}', or 12h"
DEPRECATED = dict.fromkeys(
    ("models.*.settings.prompt_cache_retention", "agents.*.settings.prompt_cache_retention"), _CACHE
)
"""The path of each deprecated key, where `*` is any name, and what to write instead."""


def _check_deprecated(data: Any, collector: DiagnosticCollector) -> None:
    for pattern, instead in DEPRECATED.items():
        for _, path in find_values(data, pattern):
            message = f"{path[-1]!r} is deprecated"
            collector.report("A109", path, message, instead, severity="warning", at_key=True)


def _check_store(filled: Interpolation, collector: DiagnosticCollector) -> None:
    """Warn of settings of PostgreSQL beside another store, unless a variable names it: machines may differ in that."""
    declared = filled.source.data.get("store")
    if not isinstance(declared, dict) or ("store", "url") in filled.strings:
        return
    is_postgresql = str(declared.get("url", "postgres")).startswith("postgres")
    for key in () if is_postgresql else sorted(_OF_POSTGRESQL & declared.keys()):
        message = f"{key!r} has no effect: it is for PostgreSQL"
        collector.report("A275", ("store", key), message, f"remove {key!r}", severity="warning", at_key=True)


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
