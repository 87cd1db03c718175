"""The templates of a config and the names that each may use; and the files that a config names.

`SCOPES` is the documentation of which names are in scope: what is built from a config must offer exactly these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.actions import EffectAction, MessageAction, WidgetAction
from runtime.config.model.agents import FileInstructions, InlineInstructions
from runtime.config.model.approvals import Approval, approval_of
from runtime.config.model.entry import Route
from runtime.config.model.models import OpenAIModel, ScriptedModel
from runtime.config.model.output import Output
from runtime.config.model.tools import EnabledBy, WidgetTool
from runtime.config.model.widgets import TemplateWidget
from runtime.config.project_files import ProjectFiles
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
"""The names of each template field; those of a widget's templates are the properties of its `data`."""

_USER = frozenset({"id", "name"})
_JSON_SUFFIXES = (".widget", ".json")


def check_templates(config: Config, filled: Interpolation, files: ProjectFiles, found: DiagnosticCollector) -> None:
    """Report what is wrong with the templates of a config and the files that it names."""
    check = _Check(filled, files, found, _fields(config))
    for name, agent in config.agents.items():
        check.instructions(agent.instructions, ("agents", name, "instructions"))
        for index, handoff in enumerate(agent.handoffs):
            at_handoff = ("agents", name, "handoffs", index, "enabled_if")
            check.texts(handoff.enabled_if, at_handoff, SCOPES["agents.*.handoffs.*.enabled_if"])
        if agent.prompt is not None:
            at_prompt = ("agents", name, "prompt", "variables")
            check.texts(agent.prompt.variables, at_prompt, SCOPES["agents.*.prompt.variables"])
        check.texts(agent.preface, ("agents", name, "preface"), SCOPES["agents.*.preface"])
        if agent.output is not None:
            at = ("agents", name, "output")
            check.texts(agent.output.template, (*at, "template"), _fields_of(config, agent.output))
            if agent.output.widget is not None and _is_file(config, agent.output.widget):
                check.widget_file(agent.output.widget, (*at, "widget"))
    for index, route in enumerate(config.entry if isinstance(config.entry, list) else ()):
        if isinstance(route, Route) and isinstance(route.when, str):
            check.texts(route.when, ("entry", index, "when"), SCOPES["entry.*.when"])
    for kind, text in config.chat.errors.model_dump(exclude_none=True).items():
        scope = SCOPES.get(f"chat.errors.{kind}", SCOPES["chat.errors.*"])
        check.texts({kind: text}, ("chat", "errors"), scope)
    if (tags := config.chat.tags) is not None:
        check.texts(tags.text, ("chat", "tags", "text"), SCOPES["chat.tags.text"])
        if tags.preview is not None and _is_file(config, tags.preview):
            check.widget_file(tags.preview, ("chat", "tags", "preview"))
    for name, guardrail in config.guardrails.items():
        check.texts(guardrail.message, ("guardrails", name, "message"), SCOPES["guardrails.*.message"])
    for name, tool in config.tools.items():
        check.texts(getattr(tool, "progress", None), ("tools", name, "progress"), SCOPES["tools.*.progress"])
        for key in ("ask", "steps", "error", "enabled_if", "reason"):
            value = getattr(tool, key, None)
            texts = [question.model_dump(exclude={"id"}) for question in value] if key == "ask" and value else value
            if not isinstance(texts, EnabledBy):
                check.texts(texts, ("tools", name, key), SCOPES[f"tools.*.{key}"])
        approval = approval_of(getattr(tool, "needs_approval", False))
        if approval is not None:
            _check_approval(check, tool, approval, ("tools", name, "needs_approval"))
        if isinstance(tool, WidgetTool) and _is_file(config, tool.widget):
            check.widget_file(tool.widget, ("tools", name, "widget"))
    for name, action in config.actions.items():
        if isinstance(action, MessageAction):
            check.texts(action.message, ("actions", name, "message"), SCOPES["actions.*.message"])
        elif isinstance(action, EffectAction):
            check.texts(action.data, ("actions", name, "data"), SCOPES["actions.*.data"])
        elif isinstance(action, WidgetAction) and _is_file(config, action.widget):
            check.widget_file(action.widget, ("actions", name, "widget"))
    for name, widget in config.widgets.items():
        # What is in its templates is the business of runtime.check.
        if isinstance(widget, TemplateWidget) and isinstance(widget.template, str):
            check.widget_file(widget.template, ("widgets", name, "template"))
    for name, model in config.models.items():
        if isinstance(model, ScriptedModel):
            check.file(model.scripted, ("models", name, "scripted"))
        elif isinstance(model, OpenAIModel) and model.offline is not None:
            check.file(model.offline, ("models", name, "offline"))


def _fields_of(config: Config, output: Output) -> frozenset[str] | None:
    """The names that the template of an output may use; None where only Python knows them."""
    schema = output.schema_
    if schema is None or not isinstance(schema.get("properties"), dict):
        return None
    return _TURN | {"output"} | frozenset(map(str, schema["properties"]))


def _check_approval(check: _Check, tool: Any, approval: Approval, path: KeyPath) -> None:
    scope, is_long = SCOPES["tools.*.needs_approval"], isinstance(tool.needs_approval, Approval)
    check.texts(approval.when, (*path, "when") if is_long else path, scope)
    for key in ("title", "text"):
        check.texts(getattr(approval, key), (*path, key), scope)


def _is_file(config: Config, widget: str) -> bool:
    """Tell whether a tool or action names a widget by its file, rather than one of the section."""
    return widget not in config.widgets and widget.endswith(_JSON_SUFFIXES)


def _fields(config: Config) -> dict[str, frozenset[str]]:
    """Return the fields of each name of a turn that are known from the file."""
    fields = {"state": frozenset(config.state)}
    # What the project's own Python makes of the user and of the request is known at run time.
    if config.context_class is None:
        fields["user"] = _USER
    if config.context is None:
        fields["context"] = frozenset({"request"})
    return fields


class _Check:
    def __init__(
        self,
        filled: Interpolation,
        files: ProjectFiles,
        found: DiagnosticCollector,
        fields: Mapping[str, frozenset[str]],
    ) -> None:
        self.filled = filled
        self.files = files
        self.found = found
        self.fields = fields

    def instructions(self, declared: object, path: KeyPath) -> None:
        scope = SCOPES["agents.*.instructions"]
        if isinstance(declared, InlineInstructions) and not declared.raw:
            self.texts(declared.text, (*path, "text"), scope)
        elif isinstance(declared, FileInstructions):
            text = self.file(declared.file, (*path, "file"))
            if text is not None and not declared.raw:
                self._template(text, (*path, "file"), scope, prompt=declared.file)

    def file(self, name: str, path: KeyPath) -> str | None:
        """Read a file that the config names; report where it can't be read."""
        if self.filled.is_unresolved(self.filled.source.places.written(path)):
            return None
        text = self.files.read(name)
        if isinstance(text, Diagnostic):
            self.found.add(text, path)
            return None
        return text

    def widget_file(self, name: str, path: KeyPath) -> None:
        """Read a template's file; report where it is no JSON."""
        text = self.file(name, path)
        if text is None:
            return
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            place = Place(name, error.lineno, error.colno)
            self.found.report(
                "A232", path, f"{name!r} is not JSON: {error.msg[:1].lower()}{error.msg[1:]}", place=place
            )
        except RecursionError:
            self.found.report("A232", path, f"{name!r} is nested too deep")
        except ValueError:  # Python reads no longer ones
            self.found.report("A232", path, f"{name!r} holds a number with too many digits")

    def texts(self, value: Any, path: KeyPath, scope: frozenset[str] | None) -> None:
        """Check every string of a value; `scope` None means that the names are not known here."""
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
            self.found.report("A240", path, f"the template can't be read: {error.message}", hint, place=place)
            return
        for name in sorted(template.names - scope) if scope is not None else ():
            place = self._place(path, prompt, *name_position(text, name))
            hint = suggest(name, scope or ()) or f"known here: {', '.join(sorted(scope or ())) or 'nothing'}"
            self.found.report("A241", path, f"the template doesn't know {name!r}", hint, place=place)
        if any(f"{name}." in text or f"{name}[" in text for name in self.fields):
            self._check_fields(text, path, prompt)

    def _check_fields(self, text: str, path: KeyPath, prompt: str) -> None:
        for name, field in sorted(always_read(text)):
            known = self.fields.get(name)
            if known is None or field in known:
                continue
            if name == "context":
                hint = "the request is in it, and nothing else: 'context' names a function that makes more of it"
            else:
                hint = suggest(field, known) or f"known here: {', '.join(sorted(known)) or 'nothing'}"
            place = self._place(path, prompt, *name_position(text, f"{name}.{field}"))
            self.found.report("A241", path, f"the template doesn't know '{name}.{field}'", hint, place=place)

    def _place(self, path: KeyPath, prompt: str, line: int, column: int) -> Place:
        if prompt:
            return Place(prompt, line, column)
        places = self.filled.source.places
        path = places.written(path)
        # With a variable filled in, the text is not the one in the file.
        return places.value(path) if path in self.filled.strings else places.inside(path, line, column)


def name_position(text: str, name: str) -> tuple[int, int]:
    """Find a name in the code of a template: its line and column, from 1."""
    for block in re.finditer(r"\{[{%].*?[%}]\}", text, re.DOTALL):
        if found := re.search(rf"(?<![\w.]){re.escape(name)}\b", block.group()):
            index = block.start() + found.start()
            return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
    return 1, 1
