"""What a click's payload lacks for its handler: for its schema, for a widget's data, or for a text that reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.config.model.actions import EffectAction, MessageAction, WidgetAction
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.templates.template import Template, TemplateError
from runtime.validation.widgets.clicks import Trigger, is_open

Wrong = tuple[str, str, KeyPath]
"""What is wrong, a way out, and where in the payload."""

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


def wrong_payload(trigger: Trigger, action: object, schema: Any) -> Iterator[Wrong]:
    """Yield what an action certainly refuses of a click's payload; `schema` is what it is held against."""
    assert trigger.action is not None
    payload = trigger.action.get("payload")
    payload = {} if payload is None else payload
    if is_open(payload) or (isinstance(payload, Mapping) and any(key.startswith("$") for key in payload)):
        return
    fields = _fields_of_forms(trigger)
    if not isinstance(payload, Mapping):
        if fields is not None and not fields and _needs_an_object(action, schema, payload):
            yield f"can do nothing with this payload: expected an object, got {_show(payload)}", "", ()
        return
    found: list[Wrong] = []
    if isinstance(schema, Mapping) and not schema.keys() & _UNIONS:
        found = list(_against_schema(schema, payload, fields))
    yield from found
    if not found and fields is not None:
        yield from _against_texts(action, payload, fields)


def _needs_an_object(action: object, schema: Any, payload: Any) -> bool:
    if isinstance(schema, Mapping) and schema.get("type") == "object":
        return True
    # A widget's data may be given as pairs.
    return isinstance(action, WidgetAction) and bool(payload) and not isinstance(payload, list)


def _against_schema(schema: Mapping[str, Any], payload: Mapping[str, Any], fields: set[str] | None) -> Iterator[Wrong]:
    """Yield what does not fit; `fields` are what a form adds to a payload, None where that isn't known."""
    properties = schema.get("properties", {})
    properties = properties if isinstance(properties, Mapping) else {}
    for key in schema.get("required", ()) if fields is not None else ():
        if key not in payload and key not in (fields or ()):
            yield f"needs {key!r} in its payload", "", ()
    for key, value in payload.items():
        if is_open(key):
            continue
        if key not in properties:
            if schema.get("additionalProperties") is False:
                yield f"takes no {key!r} in its payload", suggest(key, properties.keys() - payload.keys()), (key,)
        elif wrong := _wrong_value(properties[key], value):
            yield f"refuses this {key!r}: {wrong}", "", (key,)


def _wrong_value(schema: Any, value: Any) -> str:
    """Say why a value that is written out can't be right; empty where it may be."""
    if not isinstance(schema, Mapping) or schema.keys() & _UNIONS or isinstance(value, dict | list) or is_open(value):
        return ""
    if isinstance(choices := schema.get("enum"), list) and value not in choices:
        return f"{value!r} is none of the allowed values"
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(kinds, list) or any(_is_kind(value, str(kind)) for kind in kinds):
        return ""
    return f"expected {' or '.join(map(str, kinds))}, got {value!r}"


def _is_kind(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    whole = isinstance(value, float) and value.is_integer() and kind == "integer"
    return whole or isinstance(value, _KINDS.get(kind, (object,)))


def _against_texts(action: object, payload: Mapping[str, Any], fields: set[str]) -> Iterator[Wrong]:
    """Yield what the texts of a message or an effect read of a payload that doesn't have it."""
    known = {*payload, *fields}
    if any(is_open(key) for key in known):
        return
    for name in sorted(_read_of_payload(action) - known):
        if not hasattr(dict, name):
            yield f"reads 'payload.{name}', which this payload lacks", suggest(name, known), ()


def _read_of_payload(action: object) -> set[str]:
    match action:
        case MessageAction():
            texts = [action.message]
        case EffectAction():
            texts = list(_texts(action.data))
        case _:
            texts = []
    return {name for text in texts if "payload" in text for name in _strict_fields(text)}


def _strict_fields(text: str) -> Iterator[str]:
    from runtime.templates.reads import strict_reads  # only what is a template at all needs Jinja2's own grammar

    try:
        Template.parse(text)
        reads = strict_reads(text)
    except (TemplateError, RecursionError):
        return  # told where it stands
    yield from (read[1] for read in reads if len(read) > 1 and read[0] == "payload")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _show(value: Any) -> str:
    from runtime.json_schema.data import show_value

    return show_value(value)


def _fields_of_forms(trigger: Trigger) -> set[str] | None:
    """Return what the widget's inputs may add to a payload by their names; None where a name is only known later."""
    from runtime.widgets.components import input_types

    if _has_hidden_inputs(trigger):
        return None
    names: set[str] = set()
    waiting = [part.value for part in trigger.view.triggers]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        elif isinstance(node, Mapping):
            waiting += node.values()
            kind, name = node.get("type"), node.get("name")
            if isinstance(kind, str) and (kind in input_types() or is_open(kind)):
                if not isinstance(name, str) or is_open(name):
                    return None
                names.add(name.partition(".")[0])
    return names


def _has_hidden_inputs(trigger: Trigger) -> bool:
    """Tell whether there may be an input in what only data decides about."""
    from runtime.widgets.components import input_types

    view = trigger.view
    text = view.inner.value["template"] if view.open else ""
    hidden = [text[start:end] for start, end in view.open]
    return any(_OPEN_TYPE.search(part) or any(f'"{kind}"' in part for kind in input_types()) for part in hidden)
