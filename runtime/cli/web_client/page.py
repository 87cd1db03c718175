"""The page that embeds ChatKit's component, and the module beside it that its user edits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from importlib.resources import files

from runtime.cli.web_client.surface import Called, Surface
from runtime.cli.web_client.typescript import key_text, quote
from runtime.config.model import Config

SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js"
"""ChatKit's component, where OpenAI serves it."""

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}
_INDENT = "    "


def page_text(config: Config, surface: Surface, *, server: str | None, script: str) -> str:
    """Return the page; `server` is where it posts ChatKit requests, when not to the address in `server:`."""
    values = {
        "LANGUAGE": escape(config.chat.locale or "en"),
        "TITLE": escape(config.chat.frame_title or "Chat"),
        "SCRIPT": escape(script),
        "URL": quote(server or server_url(config)),
        "CLIENT_TOOLS": _listed(surface.tools),
        "EFFECTS": _listed(surface.effects),
        "MENTIONS": str(surface.has_mentions).lower(),
    }
    # In one go: a value may have the words of another place.
    return re.sub(rf"\b({'|'.join(values)})\b", lambda found: values[found[1]], _template("page.html"))


def handlers_text(surface: Surface) -> str:
    """Return a module that has a handler for everything, each of them still to be written."""
    tools = "".join(
        f"{_described(tool)}{_INDENT}async {key_text(tool.name)}(args) {{\n"
        f"{_INDENT}  console.log({quote(tool.name)}, args);\n"
        f"{_INDENT}  return {{ error: {quote(f'{tool.name} is not written yet: see handlers.js')} }};\n{_INDENT}}},\n"
        for tool in surface.tools.values()
    )
    effects = "".join(
        f"{_described(effect)}{_INDENT}{key_text(effect.name)}(data) {{\n"
        f"{_INDENT}  console.log({quote(effect.name)}, data);\n{_INDENT}}},\n"
        for effect in surface.effects.values()
    )
    text = _template("handlers.js").replace(f"{_INDENT}/* client tools */\n", tools)
    return text.replace(f"{_INDENT}/* effects */\n", effects)


def server_url(config: Config) -> str:
    """Where the server of a project can be reached from its own machine."""
    server = config.server
    return f"http://{_ANYWHERE.get(server.host, server.host)}:{server.port}{server.path}"


def _described(called: Called) -> str:
    lines = [line.strip() for text in called.descriptions for line in text.splitlines()]
    return "".join(f"{_INDENT}// {line}\n" for line in lines if line)


def _listed(names: Iterable[str]) -> str:
    return f"[{', '.join(map(quote, names))}]"


def _template(name: str) -> str:
    return (files("runtime.cli") / "templates" / name).read_text(encoding="utf-8")
