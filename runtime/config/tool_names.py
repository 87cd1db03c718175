"""The names of tools for models: legal ones of ours for names that the APIs of models refuse, and no name twice."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 64
NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
"""What names of tools may not contain."""
_DIGITS = 6


def legal_tool_name(name: str) -> str:
    """Return a name that every API accepts: 1 to 64 letters, digits, `_` and `-`. A legal one is returned as it is."""
    legal = NOT_IN_NAMES.sub("_", name)
    return marked_tool_name(name) if len(legal) > _LONGEST or not legal else legal


def marked_tool_name(name: str) -> str:
    """Return a legal name that ends in a digest of the given one, so that two of them differ."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    return f"{NOT_IN_NAMES.sub('_', name)[: _LONGEST - _DIGITS - 1]}_{digest}"


class ToolNames:
    """The names of one agent's tools: each tool of a server keeps the name that it got first.

    The first tool of a name has it. Another one gets the name of its server before its own, and a digest after it if
    this is taken as well.
    """

    def __init__(self, reserved: set[str]) -> None:
        self._taken = set(reserved)
        self._names: dict[tuple[str, str], str] = {}

    def name_of(self, server: str, tool: str, prefix: str) -> tuple[str, str]:
        """Return the name of a tool for the model, and why it is another one; the reason only once, else ''."""
        key = (server, tool)
        if key in self._names:
            return self._names[key], ""
        wanted, longer = f"{prefix}{tool}", f"{server}_{prefix}{tool}"
        plain = legal_tool_name(wanted)
        candidates = (plain, legal_tool_name(longer), marked_tool_name(longer))
        name = next(each for each in candidates if each not in self._taken)
        self._taken.add(name)
        self._names[key] = name
        if name == wanted:
            return name, ""
        return name, f"{plain!r} is taken" if name != plain else f"{wanted!r} is refused by the APIs of models"
