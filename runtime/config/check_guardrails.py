"""Cross-checks of guardrails: unknown names, guardrails that are never used, invalid patterns and lengths."""

from __future__ import annotations

import re

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.guardrails import LengthGuardrail, RegexGuardrail
from runtime.config.references import guardrail_references
from runtime.diagnostics.key_path import KeyPath


def check_guardrails(config: Config, collector: DiagnosticCollector) -> None:
    """Report the mistakes in the guardrails of a config."""
    used: set[str] = set()
    for name, path in guardrail_references(config):
        used.add(name)
        if name not in config.guardrails and ":" not in name:
            message = f"there is no guardrail {name!r}"
            collector.report_unknown("A227", path, message, name, config.guardrails, "declare it in 'guardrails'")
    for name, guardrail in config.guardrails.items():
        if name not in used and not any("${" in other for other in used):
            # An error, not a warning: the author relies on the guardrail.
            hint = "add it to the 'guardrails' of an agent or a tool, or remove it"
            message = f"no agent or tool uses the guardrail {name!r}"
            collector.report("A228", ("guardrails", name), message, hint, at_key=True)
        if isinstance(guardrail, RegexGuardrail):
            _check_pattern(guardrail.regex, ("guardrails", name, "regex"), collector)
        if isinstance(guardrail, LengthGuardrail) and guardrail.min_length > guardrail.max_length:
            message = f"'min_length' {guardrail.min_length} is larger than 'max_length' {guardrail.max_length}"
            collector.report("A229", ("guardrails", name, "min_length"), message)


def _check_pattern(pattern: str, path: KeyPath, collector: DiagnosticCollector) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        where = f" at character {error.pos + 1}" if error.pos is not None else ""
        collector.report("A229", path, f"{pattern!r} is not a valid regular expression: {error.msg}{where}")
