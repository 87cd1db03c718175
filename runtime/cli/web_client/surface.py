"""What agents.yaml asks of a page: client tools, effects, payloads of actions, mentions. Read from the file alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.config.model import Config
from runtime.config.model.actions import Action, EffectAction, WidgetAction
from runtime.config.model.tools import ClientTool, EffectTool

_OBJECT = {"type": "object"}
_FROM_PAYLOAD = re.compile(r"\{\{-?\s*payload((?:\.[A-Za-z_]\w*)+)\s*-?\}\}")


@dataclass(slots=True)
class Called:
    """Something that the page is called for by its name; `schemas` are of what it gets, each another way to call it.

    `descriptions` say what it is for.
    """

    name: str
    schemas: list[Any] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)

    def add(self, schema: Any, description: str | None = None) -> None:
        """Note one more way in which it is called."""
        if schema not in self.schemas:
            self.schemas.append(schema)
        if description and description not in self.descriptions:
            self.descriptions.append(description)


@dataclass(frozen=True, slots=True)
class Surface:
    """Everything that a page has to know, by name; the mappings are in the order of the file."""

    tools: Mapping[str, Called]
    effects: Mapping[str, Called]
    actions: Mapping[str, Called]
    has_mentions: bool


def surface_of(config: Config) -> Surface:
    """Collect what a page is asked for. What only Python calls is not in the file, and not here."""
    tools: dict[str, Called] = {}
    effects: dict[str, Called] = {}
    actions: dict[str, Called] = {}
    for tool in config.tools.values():
        if isinstance(tool, ClientTool):
            tools.setdefault(tool.client, Called(tool.client)).add(tool.parameters, tool.description)
        elif isinstance(tool, EffectTool):
            effects.setdefault(tool.effect, Called(tool.effect)).add(tool.parameters, tool.description)
    for type_, action in config.actions.items():
        payload = _payload(action, config)
        actions[type_] = Called(type_, [payload])
        if isinstance(action, EffectAction):
            effects.setdefault(action.effect, Called(action.effect)).add(_schema_of(action.data, payload))
    return Surface(tools, effects, actions, config.chat.tags is not None)


def _payload(action: Action, config: Config) -> Any:
    """The schema of what an action takes; a widget that is rendered anew takes its data."""
    if action.payload is not None:
        return action.payload
    widget = config.widgets.get(action.widget) if isinstance(action, WidgetAction) else None
    return _OBJECT if widget is None or widget.data is None else widget.data


def _schema_of(value: Any, payload: Any) -> Any:
    """The schema of data whose texts are templates over `payload`: a bare field of it keeps its type."""
    if isinstance(value, Mapping):
        properties = {key: _schema_of(inner, payload) for key, inner in value.items()}
        return {**_OBJECT, "properties": properties, "required": [*properties], "additionalProperties": False}
    if isinstance(value, list):
        return {"type": "array", "items": {"anyOf": [_schema_of(inner, payload) for inner in value]}}
    if not isinstance(value, str) or "{" not in value:
        return {"const": value}
    if found := _FROM_PAYLOAD.fullmatch(value):
        return _field(payload, found[1].split(".")[1:])
    # Any other expression that stands alone keeps its type, which nobody knows before it is filled in.
    return {} if value.startswith("{{") and value.endswith("}}") else {"type": "string"}


def _field(schema: Any, path: list[str]) -> Any:
    for name in path:
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = properties.get(name, {}) if isinstance(properties, Mapping) else {}
    # A definition that it refers to stands elsewhere in the payload's schema.
    return {} if "$ref" in str(schema) else schema
