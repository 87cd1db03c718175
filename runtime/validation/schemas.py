"""The JSON Schemas in agents.yaml: the arguments of tools and the payloads of actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runtime.diagnostics.key_path import KeyPath
from runtime.json_schema.checks import find_unsatisfiable, is_plain_schema
from runtime.validation.checked_project import CheckedProject


def check_schemas(project: CheckedProject) -> None:
    """Report invalid JSON Schemas: the server would fail on their first use (A416)."""
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
    # jsonschema takes a tenth of a second to import: only for a schema that isn't plain.
    from runtime.json_schema.data import DataCheck, TreeError

    try:
        DataCheck(schema)
    except TreeError as error:
        project.collector.report("A416", (*path, *error.path[1:]), error.message, error.hint)
