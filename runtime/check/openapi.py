"""OpenAPI documents against the specification itself, by the library that knows it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from runtime.check.subject import Subject
from runtime.config.model.tools import OpenApiTool
from runtime.config.specs import read_spec
from runtime.diagnostics import Diagnostic

_MOST = 5


def check_openapi(subject: Subject) -> None:
    """Report where a document breaks the specification; without the library, that nobody looked."""
    for name, entry in subject.config.tools.items():
        if not isinstance(entry, OpenApiTool):
            continue
        if find_spec("openapi_spec_validator") is None:
            message = f"nobody has looked whether {entry.openapi!r} keeps to the specification"
            hint = "pip install 'chatkit-runtime[openapi]'"
            subject.found.report("A624", ("tools", name, "openapi"), message, hint, severity="note")
            continue
        spec = read_spec(subject.files, entry.openapi)
        if not isinstance(spec, Diagnostic):
            _check(subject, spec.source)


def _check(subject: Subject, source: Any) -> None:
    from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

    is_old = str(source.data["openapi"]).startswith("3.0")
    validator: Any = (OpenAPIV30SpecValidator if is_old else OpenAPIV31SpecValidator)(source.data)
    for index, error in enumerate(validator.iter_errors()):
        if index == _MOST:
            break
        path = tuple(error.absolute_path)
        message = error.message if len(error.message) <= 200 else f"{error.message[:199]}…"
        place, length = source.places.value(path), source.places.length(path)
        subject.found.diagnostics.append(Diagnostic("A264", message, place, "warning", length=length))
