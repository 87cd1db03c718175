"""Guardrails: names that lead nowhere, guardrails that guard nothing, patterns that are none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.guardrails import LengthGuardrail, RegexGuardrail
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest


def guardrail_references(config: Config) -> Iterator[tuple[str, KeyPath]]:
    """Yield the name or import path of each guardrail that an agent or a tool has, and where."""
    for key, agent in config.agents.items():
        for side in ("input", "output"):
            for index, name in enumerate(getattr(agent.guardrails, side)):
                yield name, ("agents", key, "guardrails", side, index)
    for key, tool in config.tools.items():
        guards = getattr(tool, "guardrails", None)
        for side in ("input", "output") if guards is not None else ():
            for index, name in enumerate(getattr(guards, side)):
                yield name, ("tools", key, "guardrails", side, index)


def check_guardrails(config: Config, found: DiagnosticCollector) -> None:
    """Report what is wrong with the guardrails of a config."""
    used: set[str] = set()
    for name, path in guardrail_references(config):
        used.add(name)
        if name not in config.guardrails and ":" not in name:
            message = f"there is no guardrail {name!r}"
            found.report("A227", path, message, suggest(name, config.guardrails) or "declare it in 'guardrails'")
    for name, guardrail in config.guardrails.items():
        if name not in used and not any("${" in other for other in used):
            # Somebody counts on it: silence would be worse than anywhere else.
            hint = "add it to the 'guardrails' of an agent or a tool, or take it out"
            message = f"no agent and no tool has the guardrail {name!r}"
            found.report("A228", ("guardrails", name), message, hint, at_key=True)
        if isinstance(guardrail, RegexGuardrail):
            _check_pattern(guardrail.regex, ("guardrails", name, "regex"), found)
        if isinstance(guardrail, LengthGuardrail) and guardrail.min_length > guardrail.max_length:
            message = f"no text has at least {guardrail.min_length} and at most {guardrail.max_length} characters"
            found.report("A229", ("guardrails", name, "min_length"), message)


def _check_pattern(pattern: str, path: KeyPath, found: DiagnosticCollector) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        where = f" at character {error.pos + 1}" if error.pos is not None else ""
        found.report("A229", path, f"{pattern!r} is no regular expression: {error.msg}{where}")
