"""Cross-checks of conditions: a text that is no expression is always true, whatever its author meant."""

from __future__ import annotations

import re

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.references import find_names
from runtime.config.wording import shorten
from runtime.templates.template import TemplateError, constant_truth

CONDITIONS = (
    *("entry.*.when", "tools.*.enabled_if", "agents.*.handoffs.*.enabled_if"),
    *("tools.*.needs_approval", "tools.*.needs_approval.when"),
)
"""The fields that are true, false or a template of one expression."""
_MEANT = {
    **dict.fromkeys(("never", "none", "disabled", "disable", "0", "null", "nobody"), "false"),
    **dict.fromkeys(("always", "all", "enabled", "enable", "required", "1", "everybody"), "true"),
}
_MARKS = re.compile(r"\$?\{\{-?\s*|\s*-?\}\}|^\s*\{\s*|\s*\}\s*$")
_OPERATOR = re.compile(r"[=<>!.\[(]|\b(not|and|or|in|is)\b")


def check_conditions(config: Config, collector: DiagnosticCollector) -> None:
    """Report each condition whose value can't depend on anything (A242)."""
    for text, path in find_names(config, *CONDITIONS):
        try:
            truth = constant_truth(text)
        except TemplateError:
            continue  # reported with the other templates
        if truth is not None:
            message = f"this condition is a text, which is always {str(truth).lower()}: {shorten(text)}"
            collector.report("A242", path, message, _way_out(text))


def _way_out(text: str) -> str:
    if meant := _MEANT.get(text.strip().casefold()):
        return f"write {meant}, without quotes"
    expression = _MARKS.sub(" ", text).strip()
    expression = re.sub(r"\s+", " ", expression.replace("&&", "and").replace("||", "or").replace("===", "=="))
    expression = re.sub(r"!(?=[\w(])", "not ", expression)
    if _OPERATOR.search(expression) and _is_expression(expression):
        return f"write {_quoted(f'{{{{ {expression} }}}}')}"
    return "write one expression between braces, such as \"{{ user.id == 'ida' }}\", or true or false"


def _is_expression(text: str) -> bool:
    try:
        return constant_truth(f"{{{{ {text} }}}}") is None
    except TemplateError:
        return False


def _quoted(text: str) -> str:
    return f'"{text}"' if '"' not in text else "'" + text.replace("'", "''") + "'"
