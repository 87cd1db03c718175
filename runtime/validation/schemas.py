"""The JSON Schemas in agents.yaml and the OpenAPI documents that it names; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from typing import Any

from runtime.config.model.tools import OpenApiTool
from runtime.config.openapi_documents import read_openapi
from runtime.config.references import find_values
from runtime.config.slow_patterns import SLOW_HINT, slowness
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath, iter_values
from runtime.json_schema.checks import find_unsatisfiable, is_plain_schema
from runtime.json_schema.misread import find_misread
from runtime.validation.checked_project import CheckedProject

_MAX_DIAGNOSTICS = 5
_MORE_SCHEMAS = ("widgets.*.data", "agents.*.handoffs.*.input")


def check_openapi(project: CheckedProject) -> None:
    """Report where a document violates the specification (A264); a note if the library is not installed (A624)."""
    for name, entry in project.config.tools.items():
        if not isinstance(entry, OpenApiTool):
            continue
        if find_spec("openapi_spec_validator") is None:
            message = f"nobody has looked whether {entry.openapi!r} keeps to the specification"
            hint = "pip install 'chatkit-runtime[openapi]'"
            project.collector.report("A624", ("tools", name, "openapi"), message, hint, severity="note")
            continue
        spec = read_openapi(project.files, entry.openapi)
        if not isinstance(spec, Diagnostic):
            _check(project, spec.source)


def _check(project: CheckedProject, source: Any) -> None:
    for path, message in islice(_mistakes(source.data), _MAX_DIAGNOSTICS):
        message = message if len(message) <= 200 else f"{message[:199]}…"
        place, length = source.places.value(path), source.places.length(path)
        project.collector.diagnostics.append(Diagnostic("A264", message, place, "warning", length=length))


def _mistakes(data: Any) -> Iterator[tuple[KeyPath, str]]:
    from jsonschema_path import SchemaPath
    from openapi_spec_validator.shortcuts import get_validator_cls
    from referencing.exceptions import Unresolvable

    references = [(path, value) for path, value in iter_values(data) if path[-1:] == ("$ref",)]
    external = [(path, value) for path, value in references if isinstance(value, str) and not value.startswith("#")]
    for path, value in external:
        yield path, f"the reference {value!r} is to another file, and is not followed"
    validator: Any = get_validator_cls(data)(SchemaPath.from_dict(data, handlers=_NoHandlers()))
    try:
        for error in validator.iter_errors():
            yield tuple(error.absolute_path), str(error.message)
    except Unresolvable as error:
        if not external:
            yield (), f"the reference {error.ref!r} has no target"
    except Exception as error:
        # The library fails on documents of an unexpected shape.
        yield (), f"the rest can't be checked: {type(error).__name__}"


class _NoHandlers(dict[str, Any]):
    """Handlers that refuse every URL scheme: without a handler for a scheme, the library would use its own."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __getitem__(self, scheme: str) -> Any:
        def refuse(address: str) -> Any:
            raise LookupError(address)

        return refuse


def check_schemas(project: CheckedProject) -> None:
    """Report invalid JSON Schemas of tools and actions: the server would fail on their first use (A416)."""
    config = project.config
    schemas: dict[KeyPath, Any] = {
        **{path: value for field in _MORE_SCHEMAS for value, path in find_values(config, field)},
        **{("tools", name, "parameters"): getattr(tool, "parameters", None) for name, tool in config.tools.items()},
        **{("actions", name, "payload"): action.payload for name, action in config.actions.items()},
    }
    schemas |= {
        ("agents", key, "output", "schema"): agent.output.schema_
        for key, agent in config.agents.items()
        if agent.output is not None
    }
    for path, schema in schemas.items():
        if schema and is_plain_schema(schema):
            _report_misread(path, schema, project, set())
        elif schema:
            _check_schema(path, schema, project)
        for place, pattern in _patterns(schema or {}):
            if message := slowness(pattern):
                project.collector.report("A257", (*path, *place), message, SLOW_HINT, severity="warning")
        for wrong in find_unsatisfiable(schema) if schema and path[0] != "widgets" else ():
            project.collector.report("A416", (*path, *wrong.path), wrong.message, wrong.hint, severity=wrong.severity)


def _patterns(schema: Any) -> Iterator[tuple[KeyPath, str]]:
    """Yield the regular expressions of a schema: values of `pattern`, and keys of `patternProperties`."""
    for path, value in iter_values(schema):
        if path[-1:] == ("pattern",) and isinstance(value, str):
            yield path, value
        elif path[-1:] == ("patternProperties",) and isinstance(value, dict):
            yield from ((path, pattern) for pattern in value)


def _check_schema(path: KeyPath, schema: dict[str, Any], project: CheckedProject) -> None:
    # jsonschema takes a tenth of a second to import: only for a schema that isn't plain.
    from runtime.json_schema.data import DataCheck

    faults = DataCheck.mistakes(schema)
    # The trial of a widget reports the first fault of its schema.
    reported = {faults[0].path} if path[0] == "widgets" and faults else set()
    _report_misread(path, schema, project, reported)
    for fault in faults:
        if fault.path not in reported:
            project.collector.report("A416", (*path, *fault.path), f"not a JSON Schema: {fault.message}", fault.hint)


def _report_misread(path: KeyPath, schema: Any, project: CheckedProject, reported: set[KeyPath]) -> None:
    """Report what a schema's author did not mean, except at the paths in `reported`, to which the others are added."""
    for mistake in find_misread(schema):
        if mistake.path not in reported:
            reported.add(mistake.path)
            place, hint, at_key = (*path, *mistake.path), mistake.hint, mistake.at_key
            project.collector.report("A416", place, mistake.message, hint, severity=mistake.severity, at_key=at_key)
