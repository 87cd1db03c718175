"""The TypeScript of a page: the types of all that agents.yaml asks of it, and the wires between them and ChatKit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files

from runtime.cli.web_client.surface import Called, Surface
from runtime.cli.web_client.typescript import Names, comment, declarations, key_text

_IMPORT = "import type { ChatKitOptions, OpenAIChatKit, Widgets } from '@openai/chatkit';\n"
_HEAD = "// Made from agents.yaml by `chatkit-runtime client types`, which writes it anew: edits are lost.\n"
# What the template declares.
_OWN_NAMES = (
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


def types_text(surface: Surface) -> str:
    """Return the whole file."""
    names, texts = Names(_OWN_NAMES), list[str]()
    tools = {tool.name: _tool(tool, names, texts) for tool in surface.tools.values()}
    effects = {
        effect.name: _type(effect, f"What the effect `{effect.name}` brings", "EffectData", names, texts)
        for effect in surface.effects.values()
    }
    payloads = {
        action.name: _type(action, f"The payload of the action `{action.name}`", "Payload", names, texts)
        for action in surface.actions.values()
    }
    handlers = _section("clientTools", surface.tools, tools) + _section("effects", surface.effects, effects)
    template = (files("runtime.cli") / "templates" / "client.ts").read_text(encoding="utf-8")
    wires = template.replace("/* handlers */\n", handlers).replace("'mentions'", str(surface.has_mentions).lower())
    return "\n".join([_HEAD + _IMPORT, *texts, _payloads(payloads), wires])


def _tool(tool: Called, names: Names, texts: list[str]) -> str:
    arguments = _type(tool, f"The arguments of the client tool `{tool.name}`", "Arguments", names, texts)
    result = names.claim(tool.name, "Result")
    texts.append(f"{comment(f'What `{tool.name}` tells the model.')}export type {result} = Json;\n")
    return f"(args: {arguments}) => {result} | Promise<{result}>"


def _type(called: Called, words: str, suffix: str, names: Names, texts: list[str]) -> str:
    """Declare what the page gets in a call, and return the name of its type."""
    name = names.claim(called.name, suffix)
    about = f"{words}{': ' if called.descriptions else '.'}{' '.join(called.descriptions)}"
    if len(called.schemas) == 1:
        texts.extend(declarations(called.schemas[0], name, names, about))
        return name
    ways = []
    for schema in called.schemas:
        ways.append(names.claim(called.name, suffix))
        texts.extend(declarations(schema, ways[-1], names))
    texts.append(f"{comment(about)}export type {name} = {' | '.join(ways)};\n")
    return name


def _section(key: str, called: Mapping[str, Called], types: Mapping[str, str]) -> str:
    """The handlers of one kind: without any, the page may leave the key out."""
    if not called:
        return f"  {key}?: Record<string, never>;\n"
    lines = [f"  {key}: {{\n"]
    for name, type_ in types.items():
        signature = type_ if "=>" in type_ else f"(data: {type_}) => unknown"
        lines.append(f"{comment(' '.join(called[name].descriptions), '    ')}    {key_text(name)}: {signature};\n")
    return "".join([*lines, "  };\n"])


def _payloads(types: Mapping[str, str]) -> str:
    lines: Iterable[str] = (f"  {key_text(name)}: {type_};\n" for name, type_ in types.items())
    about = comment("The payloads of the actions that agents.yaml declares, by the action's type.")
    return (
        f"{about}export interface ActionPayloads {{\n{''.join(lines)}}}\n"
        if types
        else (f"{about}export type ActionPayloads = Record<never, never>;\n")
    )
