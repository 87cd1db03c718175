"""The operations of an OpenAPI document that a tool can call (OpenAPI Specification 3.1.1, sections 4.8.9 to 14)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runtime.diagnostics.key_path import KeyPath
from runtime.errors import RuntimeFault

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
JSON_BODY, FORM_BODY, TEXT_BODY = "application/json", "application/x-www-form-urlencoded", "text/plain"
LONGEST_NAME = 64
_OPENAPI_ONLY = frozenset({"nullable", "example", "xml", "discriminator", "externalDocs"})
# The keys in these are names or data of the document's author, not keywords of JSON Schema.
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA = frozenset({"enum", "const", "default", "examples"})
_VERSION = re.compile(r"3\.[012](\..*)?")

_STYLES = {
    "path": ("simple",),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
}

In = Literal["path", "query", "header"]


class OpenApiError(RuntimeFault):
    """A document, or an operation, that tools can't use; `path` is the key path of the reason."""

    def __init__(self, message: str, path: KeyPath = (), hint: str = "") -> None:
        super().__init__(message)
        self.message, self.path, self.hint = message, path, hint


@dataclass(frozen=True, slots=True)
class OperationParameter:
    """A parameter in the path, the query or a header; `key` is the name of the tool's argument."""

    name: str
    key: str
    where: In
    style: str
    explode: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `schema` is the JSON Schema of its arguments, `body` the media type of the request body."""

    name: str
    method: str
    path: str
    description: str
    parameters: tuple[OperationParameter, ...]
    body: str | None
    schema: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class UncallableOperation:
    """An operation that no tool can call, with the reason and its key path in the document."""

    name: str
    reason: str
    path: KeyPath


def read_operations(spec: Any) -> tuple[list[Operation], list[UncallableOperation]]:
    """Return the operations of a document, and those that no tool can call. Raise OpenApiError."""
    document = _Document(spec)
    operations: list[Operation] = []
    uncallable: list[UncallableOperation] = []
    names: dict[str, KeyPath] = {}
    for path, item, at in document.paths():
        for method in METHODS:
            if method not in item:
                continue
            place = (*at, method)
            operation = document.mapping(item[method], place)
            name = tool_name(str(operation.get("operationId") or "")) or tool_name(f"{method}{path}")
            if name in names:
                raise OpenApiError(
                    f"two operations are named {name!r}", place, "give one of them another 'operationId'"
                )
            names[name] = place
            try:
                operations.append(document.operation(name, method, path, item, operation, place))
            except OpenApiError as error:
                uncallable.append(UncallableOperation(name, error.message, error.path or place))
    if not operations and not uncallable:
        raise OpenApiError("the document has no operations", ("paths",) if "paths" in document.root else ())
    return operations, uncallable


def server_of(spec: Any) -> str | None:
    """Return the URL of a document's first server, with the defaults of its variables; None if it is not absolute."""
    servers = spec.get("servers") if isinstance(spec, dict) else None
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], dict) else {}
    variables = first.get("variables")
    url = str(first.get("url") or "")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        default = variable.get("default", "") if isinstance(variable, dict) else ""
        url = url.replace(f"{{{name}}}", str(default))
    return url if url.startswith(("http://", "https://")) and "{" not in url else None


def tool_name(text: str) -> str:
    """Return an operation's id as a valid tool name."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:LONGEST_NAME]


class _Document:
    def __init__(self, spec: Any) -> None:
        if not isinstance(spec, dict) or not str(spec.get("openapi", "")).startswith("3."):
            message = "this is not an OpenAPI 3 document: 'openapi: 3.…' is missing"
            is_old = isinstance(spec, dict) and "swagger" in spec
            raise OpenApiError(
                message, (), "convert Swagger 2 first, for example with editor.swagger.io" if is_old else ""
            )
        if not _VERSION.fullmatch(str(spec["openapi"])):
            raise OpenApiError(
                f"OpenAPI {spec['openapi']} is not supported", ("openapi",), "this release reads 3.0, 3.1 and 3.2"
            )
        self.root: dict[str, Any] = spec

    def paths(self) -> Iterator[tuple[str, dict[str, Any], KeyPath]]:
        for path, item in self.mapping(self.root.get("paths", {}), ("paths",)).items():
            if not path.startswith("x-"):
                yield path, self.mapping(item, ("paths", path)), ("paths", path)

    def mapping(self, value: Any, path: KeyPath) -> dict[str, Any]:
        """Return a mapping, references resolved."""
        seen: set[str] = set()
        while isinstance(value, dict) and isinstance(value.get("$ref"), str):
            pointer = value["$ref"]
            if pointer in seen:
                raise OpenApiError(f"{pointer!r} refers to itself", path)
            seen.add(pointer)
            value = self.at(pointer, path)
        if not isinstance(value, dict):
            raise OpenApiError("expected a mapping", path)
        return value

    def at(self, pointer: str, path: KeyPath) -> Any:
        """Return the value at a JSON pointer in this document."""
        if not pointer.startswith("#/"):
            raise OpenApiError(f"{pointer!r} points to another file", path, "bundle the document into one file")
        value: Any = self.root
        for step in pointer[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(value, dict) or key not in value:
                raise OpenApiError(f"{pointer!r} does not exist in this document", path)
            value = value[key]
        return value

    def operation(
        self, name: str, method: str, path: str, item: dict[str, Any], operation: dict[str, Any], at: KeyPath
    ) -> Operation:
        arguments = _Arguments(self)
        parameters = self._parameters(item, operation, at, arguments)
        missing = set(re.findall(r"\{([^}]*)\}", path)) - {each.name for each in parameters if each.where == "path"}
        if missing:
            raise OpenApiError(f"the path parameter {sorted(missing)[0]!r} is not declared", at)
        body = self._body(operation, at, arguments)
        words = [str(operation.get(key) or "").strip() for key in ("summary", "description")]
        description = "\n\n".join(dict.fromkeys(filter(None, words))) or f"{method.upper()} {path}"
        return Operation(name, method.upper(), path, description, tuple(parameters), body, arguments.schema())

    def _parameters(
        self, item: dict[str, Any], operation: dict[str, Any], at: KeyPath, arguments: _Arguments
    ) -> list[OperationParameter]:
        declared: dict[tuple[str, str], tuple[dict[str, Any], KeyPath]] = {}
        for level, where in ((item, at[:-1]), (operation, at)):
            for index, entry in enumerate(level.get("parameters") or ()):
                place = (*where, "parameters", index)
                parameter = self.mapping(entry, place)
                declared[str(parameter.get("name")), str(parameter.get("in"))] = (parameter, place)
        parameters: list[OperationParameter] = []
        for (name, where_), (parameter, place) in declared.items():
            required = bool(parameter.get("required")) or where_ == "path"
            if where_ == "cookie" or name.lower() in ("authorization", "content-type", "accept"):
                if required and where_ == "cookie":
                    raise OpenApiError(f"the cookie {name!r} is required, and tools send no cookies", place)
                continue
            if where_ not in ("path", "query", "header"):
                raise OpenApiError(f"the parameter {name!r} is in {where_!r}, which is not supported", place)
            style = str(parameter.get("style") or ("form" if where_ == "query" else "simple"))
            if style not in _STYLES[where_]:
                raise OpenApiError(f"the parameter {name!r} has the style {style!r}, which is not supported", place)
            if "schema" not in parameter:
                raise OpenApiError(f"the parameter {name!r} has no 'schema'", place)
            key = arguments.add(name, parameter["schema"], required, parameter.get("description"), where_, place)
            explode = bool(parameter.get("explode", style == "form"))
            parameters.append(OperationParameter(name, key, where_, style, explode))  # type: ignore[arg-type]  # one of the three
        return parameters

    def _body(self, operation: dict[str, Any], at: KeyPath, arguments: _Arguments) -> str | None:
        if "requestBody" not in operation:
            return None
        place = (*at, "requestBody")
        body = self.mapping(operation["requestBody"], place)
        content = self.mapping(body.get("content", {}), (*place, "content"))
        known = {str(kind).split(";")[0].strip().lower(): media for kind, media in content.items()}
        kind = next((each for each in (JSON_BODY, FORM_BODY, TEXT_BODY) if each in known), None)
        if kind is None:
            if not body.get("required"):
                return None
            raise OpenApiError(
                f"a request body of type {', '.join(map(repr, content)) or 'none'} is not supported", place
            )
        schema = self.mapping(known[kind], (*place, "content")).get(
            "schema", {"type": "string"} if kind == TEXT_BODY else {}
        )
        arguments.add("body", schema, bool(body.get("required")), body.get("description"), "body", place)
        return kind


class _Arguments:
    """Builds the JSON Schema of a tool's arguments, with the definitions that it refers to."""

    def __init__(self, document: _Document) -> None:
        self._document = document
        self._properties: dict[str, Any] = {}
        self._required: list[str] = []
        self._definitions: dict[str, Any] = {}
        self._names: dict[str, str] = {}

    def add(self, name: str, schema: Any, required: bool, description: Any, where: str, path: KeyPath) -> str:
        """Add an argument and return its unique name."""
        key = tool_name(name) or "value"
        if key in self._properties or (key == "body" and where != "body"):
            key = f"{key}_{where}"
        made = self._local(schema, path)
        if description and "description" not in made:
            made = {"description": str(description), **made}
        self._properties[key] = made
        if required:
            self._required.append(key)
        return key

    def schema(self) -> dict[str, Any]:
        """Return the schema; it rejects undeclared arguments."""
        made: dict[str, Any] = {"type": "object", "properties": self._properties, "additionalProperties": False}
        if self._required:
            made["required"] = self._required
        if self._definitions:
            made["$defs"] = self._definitions
        return made

    def _local(self, part: Any, path: KeyPath) -> Any:
        """Return a schema of the document as JSON Schema: references point into `$defs`, OpenAPI 3.0 is converted."""
        if isinstance(part, list):
            return [self._local(item, path) for item in part]
        if not isinstance(part, dict):
            return part
        if isinstance(part.get("$ref"), str):
            return {"$ref": f"#/$defs/{self._define(part['$ref'], path)}"}
        made = {key: self._part(key, value, path) for key, value in part.items() if key not in _OPENAPI_ONLY}
        if not _is_readable(made.get("pattern", "")):
            del made["pattern"]
        for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if made.get(bound) is True and limit in made:
                made[bound] = made.pop(limit)
            elif isinstance(made.get(bound), bool):
                made.pop(bound)
        if part.get("nullable") is True:
            return {"anyOf": [made, {"type": "null"}]}
        return made

    def _part(self, key: str, value: Any, path: KeyPath) -> Any:
        if key in _BY_NAME and isinstance(value, dict):
            return {name: self._local(inner, path) for name, inner in value.items()}
        return value if key in _DATA else self._local(value, path)

    def _define(self, pointer: str, path: KeyPath) -> str:
        if pointer not in self._names:
            name = tool_name(pointer.rsplit("/", 1)[-1]) or "part"
            while name in self._definitions:
                name += "_"
            self._names[pointer] = name
            self._definitions[name] = {}
            self._definitions[name] = self._local(self._document.at(pointer, path), path)
        return self._names[pointer]


def _is_readable(pattern: Any) -> bool:
    """Return whether a pattern is valid in Python: documents may use all of ECMAScript."""
    try:
        re.compile(pattern)
    except (re.error, TypeError, OverflowError):
        return False
    return True
