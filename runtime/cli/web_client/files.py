"""The files that `client` writes: a page with the ChatKit component, its handlers, and a TypeScript module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files

from runtime.cli.web_client.page_interface import PageFunction, PageInterface
from runtime.cli.web_client.typescript import TypeNames, comment, declarations, key_text, quote
from runtime.config.model import Config

COMPONENT_URL = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js"
"""The script of the ChatKit component, hosted by OpenAI."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}
_INDENT = "    "
_TYPES_IMPORT = "import type { ChatKitOptions, OpenAIChatKit, Widgets } from '@openai/chatkit';\n"
_TYPES_HEAD = "// Generated from agents.yaml by `chatkit-runtime client types`. Edits are lost when it runs again.\n"
# The names that the template declares.
_TEMPLATE_NAMES = (
    "ActionPayloads",
    "ChatKitOptions",
    "Effect",
    "Handlers",
    "Json",
    "OpenAIChatKit",
    "Served",
    "Settings",
    "WidgetItem",
    "Widgets",
    "Wired",
)


def page_text(config: Config, interface: PageInterface, *, server: str | None, script: str) -> str:
    """Return the HTML page; `server` is the URL of the ChatKit endpoint (default: from `server:` of agents.yaml)."""
    values = {
        "LANGUAGE": escape(config.chat.locale or "en"),
        "TITLE": escape(config.chat.frame_title or "Chat"),
        "SCRIPT": escape(script),
        "URL": quote(server or server_url(config)),
        "CLIENT_TOOLS": _array_text(interface.tools),
        "EFFECTS": _array_text(interface.effects),
        "MENTIONS": str(interface.has_mentions).lower(),
    }
    # In one pass: a value may contain the name of another placeholder.
    return re.sub(rf"\b({'|'.join(values)})\b", lambda match: values[match[1]], _template("page.html"))


def handlers_text(interface: PageInterface) -> str:
    """Return a JavaScript module with a stub for each handler."""
    tools = "".join(
        f"{_line_comments(tool)}{_INDENT}async {key_text(tool.name)}(args) {{\n"
        f"{_INDENT}  console.log({quote(tool.name)}, args);\n"
        f"{_INDENT}  return {{ error: {quote(f'{tool.name} is not implemented: see handlers.js')} }};\n{_INDENT}}},\n"
        for tool in interface.tools.values()
    )
    effects = "".join(
        f"{_line_comments(effect)}{_INDENT}{key_text(effect.name)}(data) {{\n"
        f"{_INDENT}  console.log({quote(effect.name)}, data);\n{_INDENT}}},\n"
        for effect in interface.effects.values()
    )
    text = _template("handlers.js").replace(f"{_INDENT}/* client tools */\n", tools)
    return text.replace(f"{_INDENT}/* effects */\n", effects)


def server_url(config: Config) -> str:
    """Return the URL of the ChatKit endpoint on the machine of the server."""
    server = config.server
    return f"http://{_ANYWHERE.get(server.host, server.host)}:{server.port}{server.path}"


def _line_comments(function: PageFunction) -> str:
    lines = [line.strip() for text in function.descriptions for line in text.splitlines()]
    return "".join(f"{_INDENT}// {line}\n" for line in lines if line)


def _array_text(names: Iterable[str]) -> str:
    return f"[{', '.join(map(quote, names))}]"


def _template(name: str) -> str:
    return (files("runtime.cli") / "templates" / name).read_text(encoding="utf-8")


def types_text(interface: PageInterface) -> str:
    """Return the TypeScript module."""
    names, texts = TypeNames(_TEMPLATE_NAMES), list[str]()
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
    functions = (
        _template("client.ts")
        .replace("/* handlers */\n", handlers)
        .replace("'mentions'", str(interface.has_mentions).lower())
    )
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
