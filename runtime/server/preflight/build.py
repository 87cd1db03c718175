"""Build a project as `serve` does, to report what is wrong with it: `validate --import`."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.diagnostics.key_path import KeyPath, path_text
from runtime.errors import ConfigError, RuntimeFault
from runtime.project_code.import_errors import raised_at
from runtime.server.generations.project_source import ProjectSource
from runtime.server.http.app import build_app
from runtime.server.runtime import Runtime, build_runtime
from runtime.stores.store import StoreError


def try_build(source: ProjectSource) -> tuple[Sequence[Diagnostic], Runtime | None]:
    """Build a project; return its diagnostics, and the runtime, or None where it can't be built."""
    diagnostics = source.loaded.diagnostics
    if source.loaded.config is None:
        return diagnostics, None
    try:
        runtime = build_runtime(source)
        build_app(runtime)
    except ConfigError as error:
        return [*diagnostics, *error.diagnostics], None
    except BaseException as error:
        # Not only Exception: a SystemExit, for example, would end `serve` as well.
        path: KeyPath = ("store",) if isinstance(error, StoreError) else ()
        return [*diagnostics, explain_failure("the project can't be built", error, source, path)], None
    return diagnostics, runtime


def explain_failure(what: str, error: BaseException, source: ProjectSource, path: KeyPath) -> Diagnostic:
    """Return the diagnostic of an exception: at the line of the project that raised it, else at `path`."""
    text = str(error) if isinstance(error, RuntimeFault) else f"{type(error).__name__}: {error}"
    place, length = raised_at(error, source.code)
    if not place.file:
        places = source.loaded.places
        path = places.written(path)
        place, length = (places.value(path), places.length(path)) if path else (Place(places.file), 1)
    return Diagnostic("A610", f"{what}: {text}", place, path=path_text(path), length=length)
