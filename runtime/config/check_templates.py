"""Cross-checks of templates and of the files that a config names: syntax, unknown names, missing files.

`SCOPES` documents the names in scope of each template; the code that renders them must provide exactly these.
"""

from __future__ import annotations

import json
import re
from typing import Any

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.actions import EffectAction, MessageAction, WidgetAction
from runtime.config.model.agents import Agent, FileInstructions, InlineInstructions, Output, Route
from runtime.config.model.models import OpenAIModel, ScriptedModel
from runtime.config.model.tools import Approval, EnabledBy, Tool, WidgetTool, approval_of
from runtime.config.model.widgets import TemplateWidget
from runtime.config.project_files import ProjectFiles
from runtime.config.references import is_widget_file
from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.documents.variables import Interpolation
from runtime.templates.template import Template, TemplateError, always_read

_TURN = frozenset({"user", "locale", "thread", "context", "state", "now"})
SCOPES: dict[str, frozenset[str]] = {
    "agents.*.instructions": _TURN,
    "agents.*.preface": _TURN,
    "entry.*.when": _TURN | {"tool", "model"},
    "chat.tags.text": _TURN | {"id", "title", "group", "icon", "data"},
    "chat.errors.*": _TURN | {"reference"},
    "chat.errors.tokens": _TURN | {"reference", "budget"},
    "guardrails.*.message": _TURN | {"reason"},
    "tools.*.needs_approval": _TURN | {"args"},
    "agents.*.handoffs.*.enabled_if": _TURN,
    "agents.*.prompt.variables": _TURN,
    "tools.*.ask": _TURN | {"args"},
    "tools.*.steps": _TURN | {"args"},
    "tools.*.error": _TURN | {"error"},
    "tools.*.enabled_if": _TURN,
    "tools.*.reason": _TURN,
    "tools.*.progress": _TURN | {"args"},
    "actions.*.message": _TURN | {"payload"},
    "actions.*.data": _TURN | {"payload"},
}
"""The names in scope of each template field. In a widget's templates, they are the properties of its `data`."""

_USER = frozenset({"id", "name"})


def check_templates(config: Config, filled: Interpolation, files: ProjectFiles, collector: DiagnosticCollector) -> None:
    """Report the mistakes in the templates of a config and in the files that it names."""
    checker = _TemplateChecker(config, filled, files, collector)
    for key, agent in config.agents.items():
        _check_agent(checker, agent, ("agents", key))
    _check_entry_and_chat(checker, config)
    for key, guardrail in config.guardrails.items():
        checker.texts(guardrail.message, ("guardrails", key, "message"), SCOPES["guardrails.*.message"])
    for key, tool in config.tools.items():
        _check_tool(checker, tool, ("tools", key))
    for key, action in config.actions.items():
        if isinstance(action, MessageAction):
            checker.texts(action.message, ("actions", key, "message"), SCOPES["actions.*.message"])
        elif isinstance(action, EffectAction):
            checker.texts(action.data, ("actions", key, "data"), SCOPES["actions.*.data"])
        elif isinstance(action, WidgetAction):
            checker.widget(action.widget, ("actions", key, "widget"))
    for key, widget in config.widgets.items():
        # Its templates are checked in runtime.validation.widgets.
        if isinstance(widget, TemplateWidget) and isinstance(widget.template, str):
            checker.widget_file(widget.template, ("widgets", key, "template"))
    for key, model in config.models.items():
        if isinstance(model, ScriptedModel):
            checker.file(model.scripted, ("models", key, "scripted"))
        elif isinstance(model, OpenAIModel) and model.offline is not None:
            checker.file(model.offline, ("models", key, "offline"))


def _check_agent(checker: _TemplateChecker, agent: Agent, at: KeyPath) -> None:
    checker.instructions(agent.instructions, (*at, "instructions"))
    checker.texts(agent.preface, (*at, "preface"), SCOPES["agents.*.preface"])
    for index, handoff in enumerate(agent.handoffs):
        path = (*at, "handoffs", index, "enabled_if")
        checker.texts(handoff.enabled_if, path, SCOPES["agents.*.handoffs.*.enabled_if"])
    if agent.prompt is not None:
        scope = SCOPES["agents.*.prompt.variables"]
        checker.texts(agent.prompt.variables, (*at, "prompt", "variables"), scope)
    if agent.output is not None:
        checker.texts(agent.output.template, (*at, "output", "template"), _output_scope(agent.output))
        checker.widget(agent.output.widget, (*at, "output", "widget"))


def _check_entry_and_chat(checker: _TemplateChecker, config: Config) -> None:
    for index, route in enumerate(config.entry if isinstance(config.entry, list) else ()):
        if isinstance(route, Route) and isinstance(route.when, str):
            checker.texts(route.when, ("entry", index, "when"), SCOPES["entry.*.when"])
    for kind, text in config.chat.errors.model_dump(exclude_none=True).items():
        scope = SCOPES.get(f"chat.errors.{kind}", SCOPES["chat.errors.*"])
        checker.texts({kind: text}, ("chat", "errors"), scope)
    if (mentions := config.chat.tags) is not None:
        checker.texts(mentions.text, ("chat", "tags", "text"), SCOPES["chat.tags.text"])
        checker.widget(mentions.preview, ("chat", "tags", "preview"))


def _check_tool(checker: _TemplateChecker, tool: Tool, at: KeyPath) -> None:
    for key in ("progress", "ask", "steps", "error", "enabled_if", "reason"):
        value = getattr(tool, key, None)
        texts = [question.model_dump(exclude={"id"}) for question in value] if key == "ask" and value else value
        if not isinstance(texts, EnabledBy):
            checker.texts(texts, (*at, key), SCOPES[f"tools.*.{key}"])
    declared = getattr(tool, "needs_approval", False)
    approval = approval_of(declared)
    if approval is not None:
        path, scope = (*at, "needs_approval"), SCOPES["tools.*.needs_approval"]
        checker.texts(approval.when, (*path, "when") if isinstance(declared, Approval) else path, scope)
        for key in ("title", "text"):
            checker.texts(getattr(approval, key), (*path, key), scope)
    if isinstance(tool, WidgetTool):
        checker.widget(tool.widget, (*at, "widget"))


def _output_scope(output: Output) -> frozenset[str] | None:
    """Return the names in scope of an output's template; None if only Python knows them."""
    schema = output.schema_
    if schema is None or not isinstance(schema.get("properties"), dict):
        return None
    return _TURN | {"output"} | frozenset(map(str, schema["properties"]))


def _fields(config: Config) -> dict[str, frozenset[str]]:
    """Return the known attributes of names in scope: `state`, and `user` and `context` unless Python builds them."""
    fields = {"state": frozenset(config.state)}
    if config.context_class is None:
        fields["user"] = _USER
    if config.context is None:
        fields["context"] = frozenset({"request"})
    return fields


class _TemplateChecker:
    def __init__(
        self, config: Config, filled: Interpolation, files: ProjectFiles, collector: DiagnosticCollector
    ) -> None:
        self.config = config
        self.filled = filled
        self.files = files
        self.collector = collector
        self.fields = _fields(config)

    def instructions(self, declared: object, path: KeyPath) -> None:
        scope = SCOPES["agents.*.instructions"]
        if isinstance(declared, InlineInstructions) and not declared.raw:
            self.texts(declared.text, (*path, "text"), scope)
        elif isinstance(declared, FileInstructions):
            text = self.file(declared.file, (*path, "file"))
            if text is not None and not declared.raw:
                self._template(text, (*path, "file"), scope, prompt=declared.file)

    def file(self, name: str, path: KeyPath) -> str | None:
        """Read a file that the config names; report it if it can't be read."""
        if self.filled.is_unresolved(self.filled.source.places.written(path)):
            return None
        text = self.files.read(name)
        if isinstance(text, Diagnostic):
            self.collector.add(text, path)
            return None
        return text

    def widget(self, name: str | None, path: KeyPath) -> None:
        """Read a widget's file if a reference names one."""
        if name is not None and is_widget_file(self.config, name):
            self.widget_file(name, path)

    def widget_file(self, name: str, path: KeyPath) -> None:
        """Read a widget's file; report it if it is not JSON."""
        text = self.file(name, path)
        if text is None:
            return
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            place = Place(name, error.lineno, error.colno)
            self.collector.report(
                "A232", path, f"{name!r} is not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}", place=place
            )
        except RecursionError:
            self.collector.report("A232", path, f"{name!r} is nested too deeply")
        except ValueError:  # an integer with more digits than Python parses
            self.collector.report("A232", path, f"{name!r} contains a number with too many digits")

    def texts(self, value: Any, path: KeyPath, scope: frozenset[str] | None) -> None:
        """Check every string of a value; `scope` is None if the names in scope are unknown."""
        if isinstance(value, str):
            if "{" in value:
                self._template(value, path, scope)
        elif isinstance(value, dict):
            for key, item in value.items():
                self.texts(item, (*path, key), scope)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.texts(item, (*path, index), scope)

    def _template(self, text: str, path: KeyPath, scope: frozenset[str] | None, prompt: str = "") -> None:
        try:
            template = Template.parse(text)
        except TemplateError as error:
            hint = "" if "{#" not in text else "'{#' begins a comment; 'raw: true' turns templates off"
            place = self._place(path, prompt, error.line, error.column)
            self.collector.report("A240", path, f"the template can't be parsed: {error.message}", hint, place=place)
            return
        for name in sorted(template.names - scope) if scope is not None else ():
            place = self._place(path, prompt, *name_position(text, name))
            hint = suggest(name, scope or ()) or f"defined here: {', '.join(sorted(scope or ())) or 'nothing'}"
            self.collector.report("A241", path, f"{name!r} is not defined in this template", hint, place=place)
        if any(f"{name}." in text or f"{name}[" in text for name in self.fields):
            self._check_fields(text, path, prompt)

    def _check_fields(self, text: str, path: KeyPath, prompt: str) -> None:
        for name, field in sorted(always_read(text)):
            known = self.fields.get(name)
            if known is None or field in known:
                continue
            if name == "context":
                hint = "without a 'context' function it contains only 'request'"
            else:
                hint = suggest(field, known) or f"defined here: {', '.join(sorted(known)) or 'nothing'}"
            place = self._place(path, prompt, *name_position(text, f"{name}.{field}"))
            self.collector.report("A241", path, f"'{name}.{field}' is not defined in this template", hint, place=place)

    def _place(self, path: KeyPath, prompt: str, line: int, column: int) -> Place:
        if prompt:
            return Place(prompt, line, column)
        places = self.filled.source.places
        path = places.written(path)
        # With a variable substituted, positions in the text are not those in the file.
        return places.value(path) if path in self.filled.strings else places.inside(path, line, column)


def name_position(text: str, name: str) -> tuple[int, int]:
    """Return the line and column (from 1) of a name in the code of a template."""
    for block in re.finditer(r"\{[{%].*?[%}]\}", text, re.DOTALL):
        if match := re.search(rf"(?<![\w.]){re.escape(name)}\b", block.group()):
            index = block.start() + match.start()
            return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
    return 1, 1
