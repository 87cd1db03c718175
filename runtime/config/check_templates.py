"""Cross-checks of templates and of the files that a config names: syntax, unknown names, missing files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.agents import Output
from runtime.config.model.instructions import FileInstructions, InlineInstructions
from runtime.config.model.tools import Approval, Question
from runtime.config.project_files import ProjectFiles
from runtime.config.references import find_names, find_values, is_widget_file
from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import nearest, suggest
from runtime.documents.foreign_variables import as_variable
from runtime.documents.json_text import line_and_column
from runtime.documents.variables import Interpolation
from runtime.templates.template import Template, TemplateError, always_read

_TURN = frozenset({"user", "locale", "thread", "context", "state", "now"})
SCOPES: dict[str, frozenset[str]] = {
    "agents.*.instructions": _TURN,
    "agents.*.preface": _TURN,
    "chat.title.instructions": _TURN,
    "chat.history.summary.instructions": _TURN,
    "guardrails.*.instructions": _TURN,
    "entry.*.when": _TURN | {"tool", "model"},
    "chat.tags.text": _TURN | {"id", "title", "group", "icon", "data"},
    "chat.errors.*": _TURN | {"reference"},
    "chat.errors.tokens": _TURN | {"reference", "budget"},
    "chat.errors.cost": _TURN | {"reference", "budget"},
    "guardrails.*.message": _TURN | {"reason"},
    "tools.*.needs_approval": _TURN | {"args"},
    "agents.*.handoffs.*.enabled_if": _TURN,
    "agents.*.prompt.variables": _TURN,
    "tools.*.ask": _TURN | {"args"},
    "tools.*.steps": _TURN | {"args"},
    "tools.*.error": _TURN | {"error"},
    "mcp.*.error": _TURN | {"error"},
    "tools.*.enabled_if": _TURN,
    "tools.*.reason": _TURN,
    "tools.*.progress": _TURN | {"args"},
    "actions.*.message": _TURN | {"payload"},
    "actions.*.data": _TURN | {"payload"},
}
"""The names in scope of each template field, exactly those that the renderer provides; a widget's have its `data`."""

_USER = frozenset({"id", "name", "roles", "claims"})
# The keys of a question and of an approval that are templates.
_TEMPLATES = {"question", "options", "description", "when", "title", "text"}
_WIDGETS = ("agents.*.output.widget", "chat.tags.preview", "tools.*.widget", "actions.*.widget")


def check_templates(config: Config, filled: Interpolation, files: ProjectFiles, collector: DiagnosticCollector) -> None:
    """Report the mistakes in the templates of a config and in the files that it names."""
    checker = _TemplateChecker(config, filled, files, collector)
    for field, scope in SCOPES.items():
        for value, path in find_values(config, field):
            checker.value(value, path, scope)
    for kind, text in config.chat.errors.model_dump(exclude_none=True).items():
        checker.value(text, ("chat", "errors", kind), SCOPES.get(f"chat.errors.{kind}", SCOPES["chat.errors.*"]))
    for output, path in find_values(config, "agents.*.output"):
        if output is not None:
            checker.value(output.template, (*path, "template"), _output_scope(output))
    for name, path in find_names(config, *_WIDGETS):
        if is_widget_file(config, name):
            checker.widget_file(name, path)
    # The templates of the widgets are checked in runtime.validation.widgets.
    for name, path in find_names(config, "widgets.*.template"):
        checker.widget_file(name, path)
    for name, path in find_names(config, "models.*.scripted", "models.*.offline"):
        checker.file(name, path)


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


@dataclass(frozen=True, slots=True)
class WrittenTemplate:
    """The text of a template at `path`, or in the file `prompt` that is named there."""

    text: str
    path: KeyPath
    prompt: str = ""

    def place(self, filled: Interpolation, line: int, column: int) -> Place:
        """Return the place of a line and column (from 1) of the text, as exactly as the file allows."""
        if self.prompt:
            return Place(self.prompt, line, column)
        places = filled.source.places
        path = places.written(self.path)
        # With a variable substituted, positions in the text are not those in the file.
        return places.value(path) if path in filled.strings else places.inside(path, line, column)


def find_templates(value: Any, path: KeyPath, read: Callable[[str, KeyPath], str | None]) -> Iterator[WrittenTemplate]:
    """Yield the templates in the value of a template field; `read` returns the text of a file that is named there."""
    match value:
        case str():
            if "{" in value or "%(" in value:
                yield WrittenTemplate(value, path)
        case dict():
            for key, item in value.items():
                yield from find_templates(item, (*path, key), read)
        case list():
            for index, item in enumerate(value):
                yield from find_templates(item, (*path, index), read)
        case Approval() | Question():
            yield from find_templates(value.model_dump(include=_TEMPLATES), path, read)
        case InlineInstructions(raw=False):
            yield from find_templates(value.text, (*path, "text"), read)
        case FileInstructions():
            text = read(value.file, (*path, "file"))
            if text is not None and not value.raw:
                yield WrittenTemplate(text, (*path, "file"), value.file)


class _TemplateChecker:
    def __init__(
        self, config: Config, filled: Interpolation, files: ProjectFiles, collector: DiagnosticCollector
    ) -> None:
        self.filled = filled
        self.files = files
        self.collector = collector
        self.fields = _fields(config)

    def file(self, name: str, path: KeyPath) -> str | None:
        """Read a file that the config names; report it if it can't be read."""
        if self.filled.is_unresolved(self.filled.source.places.written(path)):
            return None
        text = self.files.read(name)
        if isinstance(text, Diagnostic):
            self.collector.add(text, path)
            return None
        return text

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

    def value(self, value: Any, path: KeyPath, scope: frozenset[str] | None) -> None:
        """Check every template of a field; `scope` is None if the names in scope are unknown."""
        for template in find_templates(value, path, self.file):
            self._template(template, scope)

    def _template(self, written: WrittenTemplate, scope: frozenset[str] | None) -> None:
        text, path = written.text, written.path
        try:
            template = Template.parse(text)
        except TemplateError as error:
            hint = _syntax_hint(text)
            place = written.place(self.filled, error.line, error.column)
            self.collector.report("A240", path, f"the template can't be parsed: {error.message}", hint, place=place)
            return
        for name in sorted(template.names - scope) if scope is not None else ():
            place = written.place(self.filled, *name_position(text, name))
            hint = (
                _foreign(text, name)
                or _meant(name, scope or frozenset())
                or suggest(name, scope or ())
                or f"defined here: {', '.join(sorted(scope or ())) or 'nothing'}"
            )
            self.collector.report("A241", path, f"{name!r} is not defined in this template", hint, place=place)
        if any(f"{name}." in text or f"{name}[" in text for name in self.fields):
            self._check_fields(written)

    def _check_fields(self, written: WrittenTemplate) -> None:
        for name, field in sorted(always_read(written.text)):
            known = self.fields.get(name)
            if known is None or field in known:
                continue
            if name == "context":
                hint = "without a 'context' function it contains only 'request'"
            else:
                near = nearest(field, known)
                known_names = f"defined here: {', '.join(sorted(known)) or 'nothing'}"
                hint = f"did you mean '{name}.{near}'?" if near else known_names
            place = written.place(self.filled, *name_position(written.text, f"{name}.{field}"))
            message = f"'{name}.{field}' is not defined in this template"
            self.collector.report("A241", written.path, message, hint, place=place)


def _foreign(text: str, name: str) -> str:
    """Return how a variable of another system, such as `{{ env.NAME }}`, is written here; else an empty text."""
    for match in re.finditer(r"\$?\{\{[^{}]*\}\}", text):
        if re.search(rf"\b{re.escape(name)}\b", match[0]) and (instead := as_variable(match[0])):
            return f'write "{instead}" for a variable of the environment'
    return ""


# Words of other systems: the name here, and what to say of it.
_NAMES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("arguments", "params", "input", "inputs", "kwargs", "payload"), ("args", "the arguments are")),
    **dict.fromkeys(("datetime", "date", "today", "current_date", "current_time"), ("now", "the date and time are")),
    **dict.fromkeys(("ctx", "session", "memory"), ("state", "shared objects are in")),
    **dict.fromkeys(("action", "event", "args"), ("payload", "the payload of the click is")),
    **dict.fromkeys(("result", "response", "answer"), ("output", "the answer is")),
    **dict.fromkeys(("lang", "language"), ("locale", "the language is")),
    **dict.fromkeys(("user_id", "userId", "uid"), ("user.id", "the user's id is")),
    **dict.fromkeys(("user_name", "username", "userName"), ("user.name", "the user's name is")),
    **dict.fromkeys(("thread_id", "conversation_id", "session_id"), ("thread.id", "the thread's id is")),
}


def _meant(name: str, scope: frozenset[str]) -> str:
    """Return a hint at the name in scope that a word of another system means; empty if there is none."""
    meant, what = _NAMES.get(name, ("", ""))
    if meant.partition(".")[0] in scope:
        return f"{what} {meant!r}"
    part = next((part for part in ("args", "payload") if part in scope), "")
    return f"a field of {part!r} is written '{part}.{name}'" if part and not suggest(name, scope) else ""


_OPERATORS = {"&&": "and", "||": "or", "===": "==", "!==": "!=", "??": "default('…')"}
_CODE = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)


def _syntax_hint(text: str) -> str:
    """Return how what can't be parsed is written in a template; empty if the text does not show what is meant."""
    if re.search(r"\{\{\s*[#/]\s*(?:if|unless|each|with)\b|\{\{\s*else\s*\}\}", text):
        return "a block is written {% if … %}…{% endif %} or {% for … in … %}…{% endfor %}"
    if "{#" in text:
        return "'{#' begins a comment; 'raw: true' turns templates off"
    if re.search(r"\{\{\{|\}\}\}", text):
        return "a value is written between two braces, as in {{ user.name }}"
    if re.search(r"\{%-?\s*else\s*if\b", text):
        return "write '{% elif … %}'"
    if re.search(r"\{[{%][^{}]*[\w'\"\])]\s*=\s*[\w'\"\[(][^{}]*[%}]\}", text) and "{% set" not in text:
        return "write '==' to compare"
    return _operator_hint(text)


def _operator_hint(text: str) -> str:
    """Return how an operator of another language is written in a template, if the text has one; else an empty text."""
    code = " ".join(match[1] for match in _CODE.finditer(text))
    for operator in ("!==", "===", "&&", "||", "??"):
        if operator in code:
            return f"write {_OPERATORS[operator]!r} for {operator!r}"
    if re.search(r"\?[^:]+:", code):
        return "write 'A if CONDITION else B' for 'CONDITION ? A : B'"
    return "write 'not' for '!'" if re.search(r"!(?!=)", code) else ""


def name_position(text: str, name: str) -> tuple[int, int]:
    """Return the line and column (from 1) of a name in the code of a template."""
    for block in re.finditer(r"\{[{%].*?[%}]\}", text, re.DOTALL):
        if match := re.search(rf"(?<![\w.]){re.escape(name)}\b", block.group()):
            index = block.start() + match.start()
            return line_and_column(text, index)
    return 1, 1
