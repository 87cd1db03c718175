"""OpenAPI documents of a project: reading them, and cross-checks of the operations that agents.yaml names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.tools import OpenApiTool
from runtime.config.openapi_operations import (
    LONGEST_NAME,
    OpenApiError,
    Operation,
    UncallableOperation,
    read_operations,
    server_of,
)
from runtime.config.project_files import ProjectFiles
from runtime.config.references import ALL, find_names
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.documents.document import QUOTE_KEY, Source, read_yaml


@dataclass(frozen=True, slots=True)
class OpenApiDocument:
    """A document: its operations, those that can't be called, and the URL of its server."""

    source: Source
    operations: tuple[Operation, ...]
    uncallable: tuple[UncallableOperation, ...]
    server: str | None

    def allowed(self, entry: OpenApiTool) -> list[Operation]:
        """Return the operations that an entry allows, in the order of the document."""
        return [each for each in self.operations if entry.operations is None or each.name in entry.operations]


def read_openapi(files: ProjectFiles, name: str) -> OpenApiDocument | Diagnostic:
    """Read a document, JSON or YAML; return a diagnostic if that fails (A002, A003, A230, A231, A261)."""
    text = files.read(name)
    if isinstance(text, Diagnostic):
        return text
    source = read_yaml(text, name)
    # Most documents write the status codes of responses, which are keys, without quotes.
    errors = [each for each in source.diagnostics if (each.code, each.hint) != ("A013", QUOTE_KEY)]
    if errors:
        return errors[0]
    try:
        operations, uncallable = read_operations(source.data)
    except OpenApiError as error:
        return Diagnostic("A261", error.message, source.places.value(error.path), hint=error.hint)
    return OpenApiDocument(source, tuple(operations), tuple(uncallable), server_of(source.data))


def split_operation(config: Config, reference: str) -> tuple[str, str] | None:
    """Split a reference into the entry of `tools` and the operation, or `*`; None for any other reference."""
    name, dot, operation = reference.partition(".")
    is_one = dot and operation and ":" not in operation and isinstance(config.tools.get(name), OpenApiTool)
    return (name, operation) if is_one else None


def has_tool(config: Config, references: Collection[str], tool: str) -> bool:
    """Return whether references include a tool or an operation."""
    name = (split_operation(config, tool) or ("", ""))[0]
    return tool in references or (bool(name) and (name in references or f"{name}.{ALL}" in references))


def means_several(config: Config, reference: str) -> bool:
    """Return whether a reference names all operations of an entry."""
    split = split_operation(config, reference) or (reference, ALL)
    return split[1] == ALL and isinstance(config.tools.get(split[0]), OpenApiTool)


def operation_names(config: Config, files: ProjectFiles, reference: str) -> list[str] | None:
    """Return the tool names of the operations that a reference names; None if it names no OpenAPI entry."""
    name, wanted = split_operation(config, reference) or (reference, ALL)
    entry = config.tools.get(name)
    if not isinstance(entry, OpenApiTool):
        return None
    spec = read_openapi(files, entry.openapi)
    allowed = [] if isinstance(spec, Diagnostic) else spec.allowed(entry)
    return [f"{entry.prefix}{each.name}" for each in allowed if wanted in (ALL, each.name)]


def check_openapi(config: Config, files: ProjectFiles, collector: DiagnosticCollector) -> None:
    """Report documents that can't be used, and operations that they do not have."""
    for name, entry in config.tools.items():
        if not isinstance(entry, OpenApiTool):
            continue
        at: KeyPath = ("tools", name)
        if collector.filled.is_unresolved((*at, "openapi")):
            continue
        spec = read_openapi(files, entry.openapi)
        if isinstance(spec, Diagnostic):
            # A missing file is a mistake in agents.yaml; any other mistake is in the document.
            if spec.code in ("A230", "A231", "A002"):
                collector.report(spec.code, (*at, "openapi"), spec.message, spec.hint)
            else:
                collector.diagnostics.append(spec)
            continue
        if entry.base_url is None and spec.server is None:
            message = f"{entry.openapi!r} has no absolute server URL"
            collector.report("A261", (*at, "openapi"), message, "add 'base_url: https://…'")
        _check_operations(config, name, entry, spec, collector)
        for each in spec.allowed(entry):
            if len(entry.prefix) + len(each.name) > LONGEST_NAME:
                message = f"'{entry.prefix}{each.name}' is too long for a tool name"
                hint = f"models accept {LONGEST_NAME} characters: use a shorter 'prefix'"
                collector.report("A215", (*at, "prefix"), message, hint)
    for key in config.agents:
        _check_names(config, key, files, collector)


def _check_names(config: Config, key: str, files: ProjectFiles, collector: DiagnosticCollector) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for index, reference in enumerate(config.agents[key].tools):
        names = operation_names(config, files, reference)
        origin = reference if names is None else (split_operation(config, reference) or (reference, ALL))[0]
        for name in [reference] if names is None else names:
            other, first = seen.setdefault(name, (origin, reference))
            if other != origin:
                message = f"{first!r} and {reference!r} have the same tool name {name!r}"
                collector.report("A209", ("agents", key, "tools", index), message, "give the operations a 'prefix'")
                break


def _check_operations(
    config: Config, name: str, entry: OpenApiTool, spec: OpenApiDocument, collector: DiagnosticCollector
) -> None:
    known = [each.name for each in spec.operations]
    uncallable = {each.name: each for each in spec.uncallable}
    for operation, path, allowed in _operation_references(config, name, entry):
        if operation in uncallable:
            message = f"the operation {operation!r} can't be called: {uncallable[operation].reason}"
            collector.report("A263", path, message, f"see {spec.source.places.value(uncallable[operation].path)}")
        elif operation not in (known if allowed is None else allowed):
            others = known if allowed is None else allowed
            has_no = f"{entry.openapi!r} has no" if allowed is None else f"the tool {name!r} does not allow the"
            message = f"{has_no} operation {operation!r}"
            collector.report("A262", path, message, suggest(operation, others) or _some(others))
    if entry.operations is None:
        for each in spec.uncallable:
            message = f"the operation {each.name!r} is left out: {each.reason}"
            place = spec.source.places.value(each.path)
            collector.diagnostics.append(Diagnostic("A263", message, place, "warning"))


def _operation_references(
    config: Config, name: str, entry: OpenApiTool
) -> Iterator[tuple[str, KeyPath, list[str] | None]]:
    """Yield each operation that is named, its key path, and the allowed operations; None for all of the document."""
    for index, operation in enumerate(entry.operations or ()):
        yield operation, ("tools", name, "operations", index), None
    for index, operation in enumerate(entry.needs_approval if isinstance(entry.needs_approval, list) else ()):
        yield operation, ("tools", name, "needs_approval", index), entry.operations
    for reference, path in find_names(config, "agents.*.tools.*"):
        split = None if reference in config.tools else split_operation(config, reference)
        if split is not None and split[0] == name and split[1] != ALL:
            yield split[1], path, entry.operations


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"known operations: {shown}{' and others' if len(names) > 5 else ''}" if names else ""
