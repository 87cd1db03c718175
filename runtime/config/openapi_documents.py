"""OpenAPI documents that tools are made of, and the operations that a project names of them."""

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
from runtime.config.references import ALL
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.documents.document import QUOTE_KEY, Source, read_yaml


@dataclass(frozen=True, slots=True)
class OpenApiDocument:
    """What a document offers: its operations, those that can't be called, and the address of its server."""

    source: Source
    operations: tuple[Operation, ...]
    refused: tuple[UncallableOperation, ...]
    server: str | None

    def chosen(self, entry: OpenApiTool) -> list[Operation]:
        """The operations that an entry lets in, in the order of the document."""
        return [each for each in self.operations if entry.operations is None or each.name in entry.operations]


def read_openapi(files: ProjectFiles, name: str) -> OpenApiDocument | Diagnostic:
    """Read a document of the project, JSON or YAML, or say why it can't be used, and where (A002, A003, A230, A261)."""
    text = files.read(name)
    if isinstance(text, Diagnostic):
        return text
    source = read_yaml(text, name)
    # The keys of responses are numbers, which most documents write without quotes.
    wrong = [found for found in source.diagnostics if (found.code, found.hint) != ("A013", QUOTE_KEY)]
    if wrong:
        return wrong[0]
    try:
        operations, refused = read_operations(source.data)
    except OpenApiError as error:
        return Diagnostic("A261", error.message, source.places.value(error.path), hint=error.hint)
    return OpenApiDocument(source, tuple(operations), tuple(refused), server_of(source.data))


def split_operation(config: Config, reference: str) -> tuple[str, str] | None:
    """The entry of `tools` and the operation, or `*`, that a reference names; None where it names something else."""
    name, dot, operation = reference.partition(".")
    is_one = dot and operation and ":" not in operation and isinstance(config.tools.get(name), OpenApiTool)
    return (name, operation) if is_one else None


def has_tool(config: Config, references: Collection[str], tool: str) -> bool:
    """Tell whether a tool or an operation is among those that references mean."""
    name = (split_operation(config, tool) or ("", ""))[0]
    return tool in references or (bool(name) and (name in references or f"{name}.{ALL}" in references))


def means_several(config: Config, reference: str) -> bool:
    """Tell whether a reference means all operations of an entry."""
    split = split_operation(config, reference) or (reference, ALL)
    return split[1] == ALL and isinstance(config.tools.get(split[0]), OpenApiTool)


def operation_names(config: Config, files: ProjectFiles, reference: str) -> list[str] | None:
    """The names under which a model sees the operations that a reference means; None where it means no operations."""
    name, wanted = split_operation(config, reference) or (reference, ALL)
    entry = config.tools.get(name)
    if not isinstance(entry, OpenApiTool):
        return None
    spec = read_openapi(files, entry.openapi)
    chosen = [] if isinstance(spec, Diagnostic) else spec.chosen(entry)
    return [f"{entry.prefix}{each.name}" for each in chosen if wanted in (ALL, each.name)]


def check_openapi(config: Config, files: ProjectFiles, found: DiagnosticCollector) -> None:
    """Report documents that can't be used, and names of operations that are not in them."""
    for name, entry in config.tools.items():
        if not isinstance(entry, OpenApiTool):
            continue
        at: KeyPath = ("tools", name)
        if found.filled.is_unresolved((*at, "openapi")):
            continue
        spec = read_openapi(files, entry.openapi)
        if isinstance(spec, Diagnostic):
            # A file that is not there is a mistake of agents.yaml; the others are the document's own.
            if spec.code in ("A230", "A231", "A002"):
                found.report(spec.code, (*at, "openapi"), spec.message, spec.hint)
            else:
                found.diagnostics.append(spec)
            continue
        if entry.base_url is None and spec.server is None:
            message = f"{entry.openapi!r} does not say where its server is"
            found.report("A261", (*at, "openapi"), message, "write 'base_url: https://…'")
        _check_operations(config, name, entry, spec, found)
        for each in spec.chosen(entry):
            if len(entry.prefix) + len(each.name) > LONGEST_NAME:
                message = f"'{entry.prefix}{each.name}' can't be a tool's name"
                hint = f"models accept {LONGEST_NAME} characters: give a shorter 'prefix'"
                found.report("A215", (*at, "prefix"), message, hint)
    for key in config.agents:
        _check_names(config, key, files, found)


def _check_names(config: Config, key: str, files: ProjectFiles, found: DiagnosticCollector) -> None:
    """Report an operation of which the model would know another tool of the same name."""
    seen: dict[str, tuple[str, str]] = {}
    for index, reference in enumerate(config.agents[key].tools):
        names = operation_names(config, files, reference)
        origin = reference if names is None else (split_operation(config, reference) or (reference, ALL))[0]
        for name in [reference] if names is None else names:
            other, stood = seen.setdefault(name, (origin, reference))
            if other != origin:
                message = f"the model would know {stood!r} and {reference!r} both as {name!r}"
                found.report("A209", ("agents", key, "tools", index), message, "give the operations a 'prefix'")
                break


def _check_operations(
    config: Config, name: str, entry: OpenApiTool, spec: OpenApiDocument, found: DiagnosticCollector
) -> None:
    known = [each.name for each in spec.operations]
    refused = {each.name: each for each in spec.refused}
    for operation, path, let_in in _named(config, name, entry):
        if operation in refused:
            message = f"the operation {operation!r} can't be called: {refused[operation].reason}"
            found.report("A263", path, message, f"see {spec.source.places.value(refused[operation].path)}")
        elif operation not in (known if let_in is None else let_in):
            others = known if let_in is None else let_in
            what = f"{entry.openapi!r} has" if let_in is None else f"the tool {name!r} lets in"
            message = f"{what} no operation {operation!r}"
            found.report("A262", path, message, suggest(operation, others) or _some(others))
    if entry.operations is None:
        for each in spec.refused:
            message = f"the operation {each.name!r} is left out: {each.reason}"
            place = spec.source.places.value(each.path)
            found.diagnostics.append(Diagnostic("A263", message, place, "warning"))


def _named(config: Config, name: str, entry: OpenApiTool) -> Iterator[tuple[str, KeyPath, list[str] | None]]:
    """Yield each operation that is named, where, and among which it has to be; None for those of the document."""
    for index, operation in enumerate(entry.operations or ()):
        yield operation, ("tools", name, "operations", index), None
    for index, operation in enumerate(entry.needs_approval if isinstance(entry.needs_approval, list) else ()):
        yield operation, ("tools", name, "needs_approval", index), entry.operations
    for key, agent in config.agents.items():
        for index, reference in enumerate(agent.tools):
            split = None if reference in config.tools else split_operation(config, reference)
            if split is not None and split[0] == name and split[1] != ALL:
                yield split[1], ("agents", key, "tools", index), entry.operations


def _some(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return f"there are {shown}{' and others' if len(names) > 5 else ''}" if names else ""
