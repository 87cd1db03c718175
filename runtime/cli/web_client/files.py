"""The files that `client` writes: a page with the ChatKit component, its handlers, and a TypeScript module.

They implement the interface between agents.yaml and a page: client tools, effects, action payloads and mentions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

from runtime.cli.web_client.typescript import TypeNames, comment, declarations, key_text, quote
from runtime.config.model import Config
from runtime.config.model.tools import ClientTool, EffectTool
from runtime.config.model.widgets import Action, EffectAction, WidgetAction

COMPONENT_URL = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js"
"""The script of the ChatKit component, hosted by OpenAI."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}
_INDENT = "    "
_TYPES_IMPORT = "import type { ChatKitOptions, OpenAIChatKit, Widgets } from '@openai/chatkit';\n"
_TYPES_HEAD = "// Generated from agents.yaml by `chatkit-runtime client types`. Edits are lost when it runs again.\n"
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


# Files


def page_text(config: Config, interface: PageInterface, *, server: str | None, script: str) -> str:
    """Return the HTML page; `server` is the URL of the ChatKit endpoint (default: from `server:` of agents.yaml)."""
    values = {
        "LANGUAGE": escape(config.chat.locale or "en"),
        "TITLE": escape(config.chat.frame_title or "Chat"),
        "SCRIPT": quote(script),
        "URL": quote(server or server_url(config)),
        "CLIENT_TOOLS": _array_text(interface.tools),
        "EFFECTS": _array_text(interface.effects),
        "MENTIONS": str(interface.has_mentions).lower(),
    }
    # In one pass: a value may contain the name of another placeholder.
    return re.sub(rf"\b({'|'.join(values)})\b", lambda match: values[match[1]], _template("page.html"))


def handlers_text(interface: PageInterface) -> str:
    """Return a JavaScript module with a stub for each handler."""
    tools = effects = ""
    for tool in interface.tools.values():
        error = quote(f"{tool.name} is not implemented: see handlers.js")
        tools += _stub(tool, "async ", "args", f"return {{ error: {error} }};")
    for effect in interface.effects.values():
        effects += _stub(effect, "", "data")
    text = _template("handlers.js").replace(f"{_INDENT}/* client tools */\n", tools)
    return text.replace(f"{_INDENT}/* effects */\n", effects)


def _stub(function: PageFunction, prefix: str, argument: str, *rest: str) -> str:
    described = [line.strip() for text in function.descriptions for line in text.splitlines()]
    lines = [
        *(f"// {line}" for line in described if line),
        f"{prefix}{key_text(function.name)}({argument}) {{",
        *(f"  {line}" for line in (f"console.log({quote(function.name)}, {argument});", *rest)),
        "},",
    ]
    return "".join(f"{_INDENT}{line}\n" for line in lines)


def server_url(config: Config) -> str:
    """Return the URL of the ChatKit endpoint on the machine of the server."""
    server = config.server
    return f"http://{_ANYWHERE.get(server.host, server.host)}:{server.port}{server.path}"


def _array_text(names: Iterable[str]) -> str:
    return f"[{', '.join(map(quote, names))}]"


def _template(name: str) -> str:
    return (files("runtime.cli") / "templates" / name).read_text(encoding="utf-8")


def types_text(interface: PageInterface) -> str:
    """Return the TypeScript module."""
    template = _template("client.ts")
    # Every capitalised word: the types that the template declares or uses.
    names, texts = TypeNames(re.findall(r"[A-Z]\w+", _TYPES_IMPORT + template)), list[str]()
    tools = {tool.name: _tool(tool, names, texts) for tool in interface.tools.values()}
    effects = {
        effect.name: _argument_type(effect, f"The data of the effect `{effect.name}`", "EffectData", names, texts)
        for effect in interface.effects.values()
    }
    payloads = {
        action.name: _argument_type(action, f"The payload of the action `{action.name}`", "Payload", names, texts)
        for action in interface.actions.values()
    }
    handlers = _section("clientTools", interface.tools, tools) + _section("effects", interface.effects, effects)
    functions = template.replace("/* handlers */\n", handlers)
    functions = functions.replace("'mentions'", str(interface.has_mentions).lower())
    return "\n".join([_TYPES_HEAD + _TYPES_IMPORT, *texts, _payloads(payloads), functions])


def _tool(tool: PageFunction, names: TypeNames, texts: list[str]) -> str:
    arguments = _argument_type(tool, f"The arguments of the client tool `{tool.name}`", "Arguments", names, texts)
    result = names.claim(tool.name, "Result")
    texts.append(f"{comment(f'The result of `{tool.name}`, which the model receives.')}export type {result} = Json;\n")
    return f"(args: {arguments}) => {result} | Promise<{result}>"


def _argument_type(function: PageFunction, summary: str, suffix: str, names: TypeNames, texts: list[str]) -> str:
    """Declare the type of a function's argument, and return its name."""
    name = names.claim(function.name, suffix)
    about = f"{summary}{': ' if function.descriptions else '.'}{' '.join(function.descriptions)}"
    if len(function.schemas) == 1:
        texts.extend(declarations(function.schemas[0], name, names, about))
        return name
    forms = []
    for schema in function.schemas:
        forms.append(names.claim(function.name, suffix))
        texts.extend(declarations(schema, forms[-1], names))
    texts.append(f"{comment(about)}export type {name} = {' | '.join(forms)};\n")
    return name


def _section(key: str, functions: Mapping[str, PageFunction], types: Mapping[str, str]) -> str:
    """Return the handlers of one kind; without any, the key is optional."""
    if not functions:
        return f"  {key}?: Record<string, never>;\n"
    lines = [f"  {key}: {{\n"]
    for name, type_ in types.items():
        signature = type_ if "=>" in type_ else f"(data: {type_}) => unknown"
        lines.append(f"{comment(' '.join(functions[name].descriptions), '    ')}    {key_text(name)}: {signature};\n")
    return "".join([*lines, "  };\n"])


def _payloads(types: Mapping[str, str]) -> str:
    lines: Iterable[str] = (f"  {key_text(name)}: {type_};\n" for name, type_ in types.items())
    about = comment("The payloads of the actions that agents.yaml declares, by the action's type.")
    if not types:
        return f"{about}export type ActionPayloads = Record<never, never>;\n"
    return f"{about}export interface ActionPayloads {{\n{''.join(lines)}}}\n"
