"""The JSON Schemas that a file holds for the arguments of its tools and the payloads of its actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.json_schema.checks import find_unsatisfiable, is_plain_schema
from runtime.validation.checked_project import CheckedProject
from runtime.widgets.components import icons


def check_schemas(project: CheckedProject) -> None:
    """Report what is no JSON Schema: the server would fail when it is first needed."""
    for path, schema in _schemas(project):
        if not is_plain_schema(schema):
            _check_schema(path, schema, project)
        for wrong in find_unsatisfiable(schema):
            project.collector.report("A416", (*path, *wrong.path), wrong.message, wrong.hint, severity=wrong.severity)


def _schemas(project: CheckedProject) -> Iterator[tuple[KeyPath, Any]]:
    for name, tool in project.config.tools.items():
        if schema := getattr(tool, "parameters", None):
            yield ("tools", name, "parameters"), schema
    for name, action in project.config.actions.items():
        if action.payload:
            yield ("actions", name, "payload"), action.payload


def _check_schema(path: KeyPath, schema: dict[str, Any], project: CheckedProject) -> None:
    # jsonschema takes a tenth of a second to import: only for what isn't plain.
    from runtime.json_schema.data import DataCheck, TreeError

    try:
        DataCheck(schema)
    except TreeError as error:
        project.collector.report("A416", (*path, *error.path[1:]), error.message, error.hint)


# The icons of the empty chat: the same names as in widgets.

_VENDOR = "vendor:"


def check_icons(project: CheckedProject) -> None:
    """Report icons that ChatKit does not have: the page shows none in their place."""
    for index, prompt in enumerate(project.config.chat.start_prompts):
        if prompt.icon is not None and not prompt.icon.startswith(_VENDOR) and prompt.icon not in icons():
            path = ("chat", "start_prompts", index, "icon")
            hint = suggest(prompt.icon, icons())
            project.collector.report("A414", path, f"ChatKit has no icon {prompt.icon!r}", hint, severity="warning")
