"""Actions of widgets: each one that a click triggers is declared, and accepts the payload; each is triggered."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runtime.config.model.tools import WidgetTool
from runtime.config.model.widgets import EffectAction, MessageAction, PythonAction, WidgetAction
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath, iter_values
from runtime.diagnostics.wording import suggest
from runtime.static_analysis.receivers import payload_keys
from runtime.static_analysis.signatures import parameters_of
from runtime.templates.template import Template, TemplateError
from runtime.validation.checked_project import CheckedProject
from runtime.validation.identifier_search import IdentifierSearch
from runtime.validation.widgets.checked_widget import CheckedWidget, SourceRange
from runtime.validation.widgets.triggers import Trigger, find_triggers, is_open


def check_actions(project: CheckedProject, widgets: Sequence[CheckedWidget], identifiers: IdentifierSearch) -> None:
    """Report actions that are not declared, that nothing triggers, or whose payload is rejected (A422, A423, A425)."""
    triggers = [trigger for widget in widgets for trigger in find_triggers(widget)]
    actions = project.config.actions
    for trigger in triggers:
        if is_open(trigger.type):
            continue
        if trigger.type not in actions:
            message = f"nothing handles the action {trigger.type!r}: the server rejects a click on it"
            hint = suggest(trigger.type, actions) or "declare it in 'actions', or write 'handler: client'"
            _report(trigger, identifiers, "A422", message, hint)
        elif trigger.action is not None:
            _check_payload(project, trigger, widgets, identifiers)
    _check_unused(project, widgets, triggers, identifiers)


def _report(
    trigger: Trigger,
    identifiers: IdentifierSearch,
    code: str,
    message: str,
    hint: str,
    source_range: SourceRange | None = None,
    path: KeyPath = (),
) -> None:
    widget, path = trigger.widget, (*trigger.path, *path)
    is_certain = trigger.is_unconditional and _is_shown(widget, identifiers)
    severity: Severity = "error" if is_certain else "warning"
    source_range = source_range or trigger.source_range
    widget.report(code, source_range, message, hint, severity=severity, part=trigger.part, path=path)


def _is_shown(widget: CheckedWidget, identifiers: IdentifierSearch) -> bool:
    config = widget.project.config
    entries = [*config.tools.values(), *config.actions.values()]
    if any(isinstance(entry, WidgetTool | WidgetAction) and entry.widget == widget.name for entry in entries):
        return True
    is_quoted = any(identifiers.in_python(f"{quote}{widget.name}{quote}") for quote in "\"'")
    return is_quoted or widget.name in widget.project.texts_in_with


def _check_payload(
    project: CheckedProject, trigger: Trigger, widgets: Sequence[CheckedWidget], identifiers: IdentifierSearch
) -> None:
    action = project.config.actions[trigger.type]
    schemas: list[Any] = [] if action.payload is None else [action.payload]
    if isinstance(action, WidgetAction):
        schemas += [
            widget.data.value for widget in widgets if widget.name == action.widget and not widget.is_unsatisfiable
        ]
    problems = [problem for schema in schemas or [None] for problem in _payload_problems(trigger, action, schema)]
    for message, hint, path in dict.fromkeys(problems):
        assert trigger.part is not None
        document = trigger.part.document
        place = (*trigger.path, "payload", *path)
        source_range = document.value((*trigger.path, "payload")) if not path else document.key(place)
        message = f"the action {trigger.type!r} {message}"
        _report(trigger, identifiers, "A425", message, hint, source_range, ("payload", *path))


def _check_unused(
    project: CheckedProject,
    widgets: Sequence[CheckedWidget],
    triggers: Sequence[Trigger],
    identifiers: IdentifierSearch,
) -> None:
    """Report actions that no widget triggers and no file mentions: Python or the page could send them (A423)."""
    used = {trigger.type for trigger in triggers}
    if any(widget.kind == "python" or widget.is_broken for widget in widgets) or any(map(is_open, used)):
        return
    if used - project.config.actions.keys():
        return  # the undeclared name may mean any of them
    for name in project.config.actions.keys() - used:
        if not identifiers.in_files(name):
            message, hint = f"no widget triggers the action {name!r}", "only the page itself can send it"
            project.collector.report("A423", ("actions", name), message, hint, severity="note", at_key=True)


_Problem = tuple[str, str, KeyPath]
"""The message, the hint, and the path in the payload."""

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_UNIONS = frozenset({"anyOf", "oneOf", "allOf", "if", "not", "$ref", "patternProperties", "dependentRequired"})
_OPEN_TYPE = re.compile(r'"type"\s*:\s*"?\{')


def _payload_problems(trigger: Trigger, action: object, schema: Any) -> Iterator[_Problem]:
    """Yield what an action certainly rejects in the payload of a click; `schema` is the payload's JSON Schema."""
    assert trigger.action is not None
    payload = trigger.action.get("payload")
    payload = {} if payload is None else payload
    if is_open(payload) or (isinstance(payload, Mapping) and any(key.startswith("$") for key in payload)):
        return
    fields = _fields_of_forms(trigger)
    if not isinstance(payload, Mapping):
        project = trigger.widget.project
        if fields is not None and not fields and _needs_an_object(project, action, schema, payload):
            from runtime.json_schema.data import show_value  # imports jsonschema

            yield f"rejects this payload: expected an object, got {show_value(payload)}", "", ()
        return
    problems: list[_Problem] = []
    if isinstance(schema, Mapping) and not schema.keys() & _UNIONS:
        problems = list(_schema_problems(schema, payload, fields))
    yield from problems
    if not problems and fields is not None:
        yield from _text_problems(action, payload, fields)
        yield from _handler_problems(trigger.widget.project, action, payload, fields)


def _needs_an_object(project: CheckedProject, action: object, schema: Any, payload: Any) -> bool:
    if isinstance(schema, Mapping) and schema.get("type") == "object":
        return True
    if isinstance(action, PythonAction):
        return bool(_keys_of_handler(project, action))
    if any(not hasattr(payload, name) for name in _read_of_payload(action)):
        return True
    # A list of pairs is an object to a widget.
    return isinstance(action, WidgetAction) and bool(payload) and not isinstance(payload, list)


def _schema_problems(
    schema: Mapping[str, Any], payload: Mapping[str, Any], fields: set[str] | None
) -> Iterator[_Problem]:
    """Yield mismatches; `fields` are the keys that a form adds to the payload, None if they are not known."""
    properties = schema.get("properties", {})
    properties = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    for key in required if fields is not None and isinstance(required, list) else ():
        # Another value than a name is reported with the schema itself.
        if isinstance(key, str) and key not in payload and key not in (fields or ()):
            yield f"needs {key!r} in its payload", "", ()
    for key, value in payload.items():
        if is_open(key):
            continue
        if key not in properties:
            if schema.get("additionalProperties") is False:
                yield f"takes no {key!r} in its payload", suggest(key, properties.keys() - payload.keys()), (key,)
        elif problem := _value_problem(properties[key], value):
            yield f"rejects this {key!r}: {problem}", "", (key,)


def _value_problem(schema: Any, value: Any) -> str:
    """Return why a value certainly does not match, whatever its templates make; empty if it may."""
    if not isinstance(schema, Mapping) or schema.keys() & _UNIONS or is_open(value):
        return ""
    if isinstance(value, Mapping) and any(str(key).startswith("$") for key in value):
        return ""  # a directive, which may make anything
    shown = "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(kinds, list) and not any(_is_kind(value, str(kind)) for kind in kinds):
        return f"expected {' or '.join(map(str, kinds))}, got {shown}"
    if isinstance(value, dict | list):
        return ""
    choices = schema.get("enum")
    return f"{value!r} is not one of the allowed values" if isinstance(choices, list) and value not in choices else ""


def _is_kind(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    whole = isinstance(value, float) and value.is_integer() and kind == "integer"
    return whole or isinstance(value, _KINDS.get(kind, (object,)))


def _text_problems(action: object, payload: Mapping[str, Any], fields: set[str]) -> Iterator[_Problem]:
    """Yield names that the texts of a message or an effect read and the payload lacks."""
    known = {*payload, *fields}
    if any(is_open(key) for key in known):
        return
    for name in sorted(_read_of_payload(action) - known):
        if not hasattr(dict, name):
            yield f"reads 'payload.{name}', which this payload lacks", suggest(name, known), ()


def _handler_problems(
    project: CheckedProject, action: object, payload: Mapping[str, Any], fields: set[str]
) -> Iterator[_Problem]:
    """Yield keys that every call of a Python handler reads and the payload lacks."""
    known = {*payload, *fields}
    if not isinstance(action, PythonAction) or any(map(is_open, known)):
        return
    for name in sorted(_keys_of_handler(project, action) - known):
        message = f"reads action.payload[{name!r}] in {action.python!r}, which this payload lacks"
        yield message, suggest(name, known), ()


def _keys_of_handler(project: CheckedProject, action: PythonAction) -> set[str]:
    """Return the keys that every call of a handler reads of the payload."""
    symbol = project.find_symbol(action.python)
    parameters = parameters_of(project.resolver, symbol) if symbol is not None else None
    if symbol is None or not isinstance(symbol.node, ast.FunctionDef | ast.AsyncFunctionDef) or not parameters:
        return set()
    return payload_keys(symbol.node, parameters[1].name) if len(parameters) > 1 else set()


def _read_of_payload(action: object) -> set[str]:
    match action:
        case MessageAction():
            texts = [action.message]
        case EffectAction():
            texts = [text for _, text in iter_values(action.data) if isinstance(text, str)]
        case _:
            texts = []
    return {name for text in texts if "payload" in text for name in _strict_fields(text)}


def _strict_fields(text: str) -> Iterator[str]:
    from runtime.templates.reads import strict_reads  # imports Jinja2

    try:
        Template.parse(text)
        reads = strict_reads(text)
    except (TemplateError, RecursionError):
        return  # reported where it is written
    yield from (read[1] for read in reads if len(read) > 1 and read[0] == "payload")


def _fields_of_forms(trigger: Trigger) -> set[str] | None:
    """Return the keys that the widget's inputs add to a payload; None if a name is not known before rendering."""
    from runtime.widgets.components import input_types

    if _has_hidden_inputs(trigger):
        return None
    names: set[str] = set()
    for _, node in iter_values([part.value for part in trigger.widget.trees]):
        kind = node.get("type") if isinstance(node, Mapping) else None
        if isinstance(kind, str) and (kind in input_types() or is_open(kind)):
            name = node.get("name")
            if not isinstance(name, str) or is_open(name):
                return None
            names.add(name.partition(".")[0])
    return names


def _has_hidden_inputs(trigger: Trigger) -> bool:
    """Return whether the parts that are no tree until they are rendered may contain an input."""
    from runtime.widgets.components import input_types

    widget = trigger.widget
    text = widget.inner.value["template"] if widget.open_ranges else ""
    hidden = [text[start:end] for start, end in widget.open_ranges]
    return any(_OPEN_TYPE.search(part) or any(f'"{kind}"' in part for kind in input_types()) for part in hidden)
