"""OpenAPI documents against the specification itself, by the library that knows it. Nothing is fetched for it."""

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

_MOST = 5


def check_openapi(project: CheckedProject) -> None:
    """Report where a document breaks the specification; without the library, that nobody looked."""
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
    for path, message in islice(_mistakes(source.data), _MOST):
        message = message if len(message) <= 200 else f"{message[:199]}…"
        place, length = source.places.value(path), source.places.length(path)
        project.collector.diagnostics.append(Diagnostic("A264", message, place, "warning", length=length))


def _mistakes(data: Any) -> Iterator[tuple[KeyPath, str]]:
    """Yield what breaks the specification, and where."""
    from jsonschema_path import SchemaPath
    from openapi_spec_validator.shortcuts import get_validator_cls
    from referencing.exceptions import Unresolvable

    strangers = list(_strangers(data, ()))
    yield from strangers
    validator: Any = get_validator_cls(data)(SchemaPath.from_dict(data, handlers=_Closed()))
    try:
        for error in validator.iter_errors():
            yield tuple(error.absolute_path), str(error.message)
    except Unresolvable as error:
        if not strangers:
            yield (), f"the reference {error.ref!r} leads nowhere"
    except Exception as error:
        # The library takes a shape for granted that a broken document may not have.
        yield (), f"the rest can't be checked: {type(error).__name__}"


class _Closed(dict[str, Any]):
    """What the library asks for a way to other files and machines: there is none, by whatever scheme.

    Where it finds no way for a scheme, it takes one of its own.
    """

    def __contains__(self, scheme: object) -> bool:
        return True

    def __getitem__(self, scheme: str) -> Any:
        def refuse(address: str) -> Any:
            raise LookupError(address)

        return refuse


def _strangers(part: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Yield the references that lead out of the document."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in items:
        if key == "$ref" and isinstance(value, str):
            if not value.startswith("#"):
                yield (*path, key), f"the reference {value!r} leads out of the file, and is not followed"
        else:
            yield from _strangers(value, (*path, key))
