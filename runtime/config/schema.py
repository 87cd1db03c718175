"""The JSON Schema of the language, generated from the models, for editors and for `validate`."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from runtime.config.examples import EXAMPLES
from runtime.config.model import Config
from runtime.config.model.root import MAIN_ONLY
from runtime.config.model.types import Section

SCHEMA_ID = "chatkit-runtime/agents.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A keyword of OpenAPI that JSON Schema does not have.
_OPENAPI_ONLY = ("discriminator",)
# A profile may leave these out.
_REQUIREMENTS = ("required", "minProperties", "minItems", "default")


def config_schema() -> dict[str, Any]:
    """Return the schema (Draft 2020-12) of agents.yaml; the result is shared and must not be changed."""
    return _generate()


@functools.cache
def _generate() -> dict[str, Any]:
    schema = Config.model_json_schema(by_alias=True)
    _describe(schema)
    definitions = {name: _tidy(part, schema) for name, part in sorted(schema["$defs"].items())}
    root = _tidy({key: value for key, value in schema.items() if key != "$defs"}, {"$defs": definitions})
    root["properties"]["profiles"]["additionalProperties"] = _any_sections(root)
    head = {"$schema": DIALECT, "$id": SCHEMA_ID, "title": "agents.yaml"}
    return head | {key: value for key, value in root.items() if key != "title"} | {"$defs": definitions}


def _any_sections(root: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a profile before it is applied: sections with any content."""
    sections = {
        name: {"description": part.get("description", "")}
        for name, part in root["properties"].items()
        if name not in ("version", *MAIN_ONLY)
    }
    free = root["patternProperties"]
    return {"type": "object", "properties": sections, "patternProperties": free, "additionalProperties": False}


def _describe(schema: dict[str, Any]) -> None:
    """Add examples to each property, and the docstring of its field if it has no description."""
    sections = {section.__name__: section for section in _sections(Section)}
    for name, part in [(Config.__name__, schema), *schema["$defs"].items()]:
        if name in sections:
            for form in [part, *part.get("anyOf", [])]:
                _describe_fields(form.get("properties", {}), sections[name])


def _sections(section: type[Section]) -> Iterator[type[Section]]:
    yield section
    for part in section.__subclasses__():
        yield from _sections(part)


def _describe_fields(properties: dict[str, Any], section: type[Section]) -> None:
    descriptions: dict[str, str] = {}
    examples: dict[str, list[Any]] = {}
    for part in section.__mro__:
        if issubclass(part, Section):
            descriptions = _docstrings(part.__module__).get(part.__name__, {}) | descriptions
            examples = EXAMPLES.get(part.__name__, {}) | examples
    for name, field in section.model_fields.items():
        key = field.alias or name
        schema = properties.get(key)
        if schema is not None and name in descriptions:
            schema.setdefault("description", descriptions[name])
        if schema is not None and key in examples:
            schema["examples"] = examples[key]


@functools.cache
def _docstrings(module: str) -> dict[str, dict[str, str]]:
    """Return the docstrings of every field in a module, by class and field."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: dict(_field_docstrings(node)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _field_docstrings(section: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, after in pairwise(section.body):
        match field, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


def _tidy(part: Any, root: dict[str, Any]) -> Any:
    """Drop keywords that pydantic adds for other readers, and add the descriptions that editors show."""
    if isinstance(part, list):
        return [_tidy(item, root) for item in part]
    if not isinstance(part, dict):
        return part
    tidy = {key: _tidy(value, root) for key, value in part.items() if key not in _OPENAPI_ONLY and key != "properties"}
    if isinstance(part.get("properties"), dict):
        tidy["properties"] = {name: _property(value, root) for name, value in part["properties"].items()}
    return tidy


def _property(part: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    tidy: dict[str, Any] = _tidy(part, root)
    tidy.pop("title", None)
    # The default of a section only repeats the defaults of its properties.
    if tidy.get("default") is None or isinstance(tidy.get("default"), (dict, list)):
        tidy.pop("default", None)
    if "description" not in tidy and "$ref" in tidy:
        described = resolve(tidy, root)
        for form in [described, *reversed(described.get("anyOf", []))]:
            if "description" in form:
                tidy["description"] = form["description"]
                break
    if "description" in tidy:
        # Undo the line breaks of a long docstring.
        tidy = {"description": " ".join(tidy.pop("description").split()), **tidy}
    return tidy


def resolve(part: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follow a `$ref` into the definitions of `root`."""
    while "$ref" in part:
        part = root["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    return part


def included_schema() -> dict[str, Any]:
    """Return the schema of a file that `include` names: optional sections with complete entries."""
    root = dict(config_schema())
    root.pop("required", None)
    return root | _head("included", "a file that agents.yaml includes", root)


def profile_schema() -> dict[str, Any]:
    """Return the schema of a profile: any part of any section may be missing, and `null` removes a key."""
    root = _partial(config_schema())
    root["properties"].pop("version", None)
    return dict(root) | _head("profile", "a profile of agents.yaml", root)


def _head(of: str, title: str, root: dict[str, Any]) -> dict[str, Any]:
    properties = {name: part for name, part in root["properties"].items() if name not in MAIN_ONLY}
    schema_id = SCHEMA_ID.replace("agents.schema", f"{of}.schema")
    return {"$schema": DIALECT, "$id": schema_id, "title": title, "properties": properties}


def _partial(part: Any, is_names: bool = False) -> Any:
    """Drop the requirements of a schema; with `is_names`, its keys are names of properties or definitions."""
    if isinstance(part, list):
        return [_partial(item) for item in part]
    if not isinstance(part, dict):
        return part
    if is_names:
        return {name: _partial(value) for name, value in part.items()}
    partial: dict[str, Any] = {}
    for key, value in part.items():
        if key in ("properties", "$defs"):
            partial[key] = _partial(value, is_names=True)
        elif key == "oneOf":  # without the required keys, several kinds match
            partial["anyOf"] = _partial(value)
        elif key not in _REQUIREMENTS:
            partial[key] = _partial(value) if key not in ("examples", "enum", "const") else value
    if "properties" in partial:
        partial["properties"] = {name: _or_null(value) for name, value in partial["properties"].items()}
    if isinstance(partial.get("additionalProperties"), dict) and "properties" not in partial:
        partial["additionalProperties"] = _or_null(partial["additionalProperties"])
    return partial


def _or_null(part: dict[str, Any]) -> dict[str, Any]:
    about = {key: value for key, value in part.items() if key in ("description", "examples", "deprecated")}
    rest = {key: value for key, value in part.items() if key not in about}
    return {**about, "anyOf": [rest, {"type": "null"}]}
