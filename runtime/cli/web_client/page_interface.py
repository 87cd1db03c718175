"""The interface between agents.yaml and a web page: client tools, effects, action payloads and mentions."""

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
class PageFunction:
    """A client tool, an effect or an action of the page; each of `schemas` describes one form of its argument."""

    name: str
    schemas: list[Any] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)

    def add(self, schema: Any, description: str | None = None) -> None:
        """Add a schema and a description, unless they are known."""
        if schema not in self.schemas:
            self.schemas.append(schema)
        if description and description not in self.descriptions:
            self.descriptions.append(description)


@dataclass(frozen=True, slots=True)
class PageInterface:
    """Everything that a page must implement, by name, in the order of the file."""

    tools: Mapping[str, PageFunction]
    effects: Mapping[str, PageFunction]
    actions: Mapping[str, PageFunction]
    has_mentions: bool


def find_page_interface(config: Config) -> PageInterface:
    """Collect the interface from the config. Effects and tools that only Python declares are missing."""
    tools: dict[str, PageFunction] = {}
    effects: dict[str, PageFunction] = {}
    actions: dict[str, PageFunction] = {}
    for tool in config.tools.values():
        if isinstance(tool, ClientTool):
            tools.setdefault(tool.client, PageFunction(tool.client)).add(tool.parameters, tool.description)
        elif isinstance(tool, EffectTool):
            effects.setdefault(tool.effect, PageFunction(tool.effect)).add(tool.parameters, tool.description)
    for type_, action in config.actions.items():
        payload = _payload(action, config)
        actions[type_] = PageFunction(type_, [payload])
        if isinstance(action, EffectAction):
            effects.setdefault(action.effect, PageFunction(action.effect)).add(_schema_of(action.data, payload))
    return PageInterface(tools, effects, actions, config.chat.tags is not None)


def _payload(action: Action, config: Config) -> Any:
    """Return the schema of an action's payload; for an action that renders a widget it is the widget's data."""
    if action.payload is not None:
        return action.payload
    widget = config.widgets.get(action.widget) if isinstance(action, WidgetAction) else None
    return _OBJECT if widget is None or widget.data is None else widget.data


def _schema_of(value: Any, payload: Any) -> Any:
    """Return the schema of data whose strings are templates over `payload`; a single payload field keeps its type."""
    if isinstance(value, Mapping):
        properties = {key: _schema_of(inner, payload) for key, inner in value.items()}
        return {**_OBJECT, "properties": properties, "required": [*properties], "additionalProperties": False}
    if isinstance(value, list):
        return {"type": "array", "items": {"anyOf": [_schema_of(inner, payload) for inner in value]}}
    if not isinstance(value, str) or "{" not in value:
        return {"const": value}
    if match := _FROM_PAYLOAD.fullmatch(value):
        return _field(payload, match[1].split(".")[1:])
    # Any other single expression keeps its type too, but the type is unknown.
    return {} if value.startswith("{{") and value.endswith("}}") else {"type": "string"}


def _field(schema: Any, path: list[str]) -> Any:
    for name in path:
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = properties.get(name, {}) if isinstance(properties, Mapping) else {}
    # A reference would need the definitions of the whole payload schema.
    return {} if "$ref" in str(schema) else schema
