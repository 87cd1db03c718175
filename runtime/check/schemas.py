"""The JSON Schemas that a file holds for the arguments of its tools and the payloads of its actions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runtime.check.impossible import find_impossible
from runtime.check.subject import Subject
from runtime.config.plain_schema import is_plain_schema
from runtime.config.source import Path


def check_schemas(subject: Subject) -> None:
    """Report what is no JSON Schema: the server would fail when it is first needed."""
    for path, schema in _schemas(subject):
        if not is_plain_schema(schema):
            _check_schema(path, schema, subject)
        for wrong in find_impossible(schema):
            subject.found.report("A416", (*path, *wrong.path), wrong.message, wrong.hint, severity=wrong.severity)


def _schemas(subject: Subject) -> Iterator[tuple[Path, Any]]:
    for name, tool in subject.config.tools.items():
        if schema := getattr(tool, "parameters", None):
            yield ("tools", name, "parameters"), schema
    for name, action in subject.config.actions.items():
        if action.payload:
            yield ("actions", name, "payload"), action.payload


def _check_schema(path: Path, schema: dict[str, Any], subject: Subject) -> None:
    # jsonschema takes a tenth of a second to import: only for what isn't plain.
    from runtime.widgets.data import DataCheck, TreeError

    try:
        DataCheck(schema)
    except TreeError as error:
        subject.found.report("A416", (*path, *error.steps[1:]), error.message)
