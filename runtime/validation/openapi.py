"""Validates OpenAPI documents against the specification with openapi-spec-validator; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from typing import Any

from runtime.config.model.tools import OpenApiTool
from runtime.config.openapi_documents import read_openapi
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath
from runtime.validation.checked_project import CheckedProject

_MAX_DIAGNOSTICS = 5


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
    """Yield each violation of the specification, with its path."""
    from jsonschema_path import SchemaPath
    from openapi_spec_validator.shortcuts import get_validator_cls
    from referencing.exceptions import Unresolvable

    external = list(_external_references(data, ()))
    yield from external
    validator: Any = get_validator_cls(data)(SchemaPath.from_dict(data, handlers=_NoHandlers()))
    try:
        for error in validator.iter_errors():
            yield tuple(error.absolute_path), str(error.message)
    except Unresolvable as error:
        if not external:
            yield (), f"the reference {error.ref!r} leads nowhere"
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


def _external_references(part: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield the references to other documents."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in items:
        if key == "$ref" and isinstance(value, str):
            if not value.startswith("#"):
                yield (*path, key), f"the reference {value!r} is to another file, and is not followed"
        else:
            yield from _external_references(value, (*path, key))
