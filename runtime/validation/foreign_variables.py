"""Variables in the syntax of other systems: the text itself would be sent, as a key, an address or a name (A504)."""

from __future__ import annotations

from runtime.config.check_templates import SCOPES
from runtime.config.secrets.detect import WrittenSecret, is_template, names_of_secrets
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath, iter_values
from runtime.documents.foreign_variables import as_variable, in_address
from runtime.validation.checked_project import CheckedProject

_CODE = "A504"
# The user's own data: a text there may be meant as it is.
_DATA = frozenset(
    {"with", "data", "sample", "parameters", "payload", "schema", "input", "extra_body", "extra_args", "args"}
)
_PROSE = frozenset({"instructions", "description", "greeting", "prompt", "label", "text", "title", "message", "regex"})
_ADDRESSES = frozenset({"url", "base_url", "store", "host", "cors"})


def check_foreign_variables(project: CheckedProject) -> None:
    """Report keys and tokens that are a variable of another system, and other values that are nothing else."""
    filled = project.collector.filled
    names = names_of_secrets(filled)
    for written in names:
        _report_secret(project, written)
    secret = {written.path for written in names}
    for path, value in iter_values(filled.source.data):
        if isinstance(value, str) and path not in secret and path not in filled.strings and not _is_free(path):
            _check_value(project, path, value)


def _check_value(project: CheckedProject, path: KeyPath, value: str) -> None:
    found, hint = value, ""
    if (instead := as_variable(value)) is not None:
        hint = f"write {_line(path, instead)}"
    elif _ADDRESSES.intersection(path[-2:]) and (pair := in_address(value)) is not None:
        found, hint = pair[0], f"write {pair[1]}"
    if hint:
        message = f"{found!r} is not a variable here: the text is used as it is"
        project.collector.report(_CODE, path, message, hint, severity="warning")


def _report_secret(project: CheckedProject, written: WrittenSecret) -> None:
    instead = as_variable(written.text)
    is_data = bool(_DATA.intersection(written.path))
    message = f"{written.text!r} is not a variable here: the text itself is sent"
    if instead is None and is_template(written.text):
        instead, message = "${NAME}", f"no template is rendered in {written.text!r}: the text itself is sent"
    if instead is None:
        # A key may consist of capital letters.
        instead, is_data = f"${{{written.text}}}", True
        message = f"{written.text!r} looks like the name of a variable: the text itself is sent"
    severity: Severity = "warning" if is_data else "error"
    hint = f"write {_line(written.path, instead)}"
    project.collector.report(_CODE, written.path, message, hint, severity=severity)


def _is_free(path: KeyPath) -> bool:
    """Return whether the text at a path is prose, a template, or the user's own data."""
    steps = {step for step in path if isinstance(step, str)}
    if str(path[0] if path else "").startswith("x-") or path[:1] in (("widgets",), ("profiles",)):
        return True
    return bool(steps & (_DATA | _PROSE)) or any(_matches(field, path) for field in SCOPES)


def _matches(field: str, path: KeyPath) -> bool:
    steps = field.split(".")
    return len(path) >= len(steps) and all(step in ("*", str(at)) for step, at in zip(steps, path, strict=False))


def _line(path: KeyPath, value: str) -> str:
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    return f'{key}: "{value}"' if isinstance(path[-1], str) else f'"{value}"'
