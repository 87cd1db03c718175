"""The JSON Schema of the language, generated from the models: the contract that editors and `validate` share."""

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
# OpenAPI's word; JSON Schema has none and needs none.
_FOREIGN = ("discriminator",)


def config_schema() -> dict[str, Any]:
    """Return the schema (Draft 2020-12) of agents.yaml; a fresh copy is not made, so don't change it."""
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
    """Return what a profile is while it is not laid over anything: sections, of which any part may be missing."""
    sections = {
        name: {"description": part.get("description", "")}
        for name, part in root["properties"].items()
        if name not in ("version", *MAIN_ONLY)
    }
    free = root["patternProperties"]
    return {"type": "object", "properties": sections, "patternProperties": free, "additionalProperties": False}


def _describe(schema: dict[str, Any]) -> None:
    """Give each property its examples, and, without a description, the docstring that stands below its field."""
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
    said: dict[str, str] = {}
    examples: dict[str, list[Any]] = {}
    for part in section.__mro__:
        if issubclass(part, Section):
            said = _docstrings(part.__module__).get(part.__name__, {}) | said
            examples = EXAMPLES.get(part.__name__, {}) | examples
    for name, field in section.model_fields.items():
        key = field.alias or name
        shown = properties.get(key)
        if shown is not None and name in said:
            shown.setdefault("description", said[name])
        if shown is not None and key in examples:
            shown["examples"] = examples[key]


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
    """Drop what pydantic adds for other readers, and give each property the description that editors show."""
    if isinstance(part, list):
        return [_tidy(item, root) for item in part]
    if not isinstance(part, dict):
        return part
    tidy = {key: _tidy(value, root) for key, value in part.items() if key not in _FOREIGN and key != "properties"}
    if isinstance(part.get("properties"), dict):
        tidy["properties"] = {name: _property(value, root) for name, value in part["properties"].items()}
    return tidy


def _property(part: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    tidy: dict[str, Any] = _tidy(part, root)
    tidy.pop("title", None)
    # The defaults of a whole section are the defaults of its properties.
    if tidy.get("default") is None or isinstance(tidy.get("default"), (dict, list)):
        tidy.pop("default", None)
    if "description" not in tidy and "$ref" in tidy:
        described = resolve(tidy, root)
        for form in [described, *reversed(described.get("anyOf", []))]:
            if "description" in form:
                tidy["description"] = form["description"]
                break
    if "description" in tidy:
        # A long docstring is wrapped for this source, not for the editor that shows it.
        tidy = {"description": " ".join(tidy.pop("description").split()), **tidy}
    return tidy


def resolve(part: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follow a `$ref` into the definitions of `root`."""
    while "$ref" in part:
        part = root["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    return part


# The JSON Schemas of what is only a part of a configuration: an included file, and a profile.

_LEAST = ("required", "minProperties", "minItems", "default")


def included_schema() -> dict[str, Any]:
    """Return the schema of a file that `include` names: sections, none of them needed, their entries complete."""
    root = dict(config_schema())
    root.pop("required", None)
    return root | _head("included", "a file that agents.yaml includes", root)


def profile_schema() -> dict[str, Any]:
    """Return the schema of a profile: any part of any section may be missing, and `null` takes a key out."""
    root = _partial(config_schema())
    root["properties"].pop("version", None)
    return dict(root) | _head("profile", "a profile of agents.yaml", root)


def _head(of: str, title: str, root: dict[str, Any]) -> dict[str, Any]:
    properties = {name: part for name, part in root["properties"].items() if name not in MAIN_ONLY}
    schema_id = SCHEMA_ID.replace("agents.schema", f"{of}.schema")
    return {"$schema": DIALECT, "$id": schema_id, "title": title, "properties": properties}


def _partial(part: Any, is_names: bool = False) -> Any:
    """Drop what a schema demands; `is_names`: the keys are names of properties or definitions, not of JSON Schema."""
    if isinstance(part, list):
        return [_partial(item) for item in part]
    if not isinstance(part, dict):
        return part
    if is_names:
        return {name: _partial(value) for name, value in part.items()}
    kept: dict[str, Any] = {}
    for key, value in part.items():
        if key in ("properties", "$defs"):
            kept[key] = _partial(value, is_names=True)
        elif key == "oneOf":  # without what tells the kinds apart, several fit
            kept["anyOf"] = _partial(value)
        elif key not in _LEAST:
            kept[key] = _partial(value) if key not in ("examples", "enum", "const") else value
    if "properties" in kept:
        kept["properties"] = {name: _or_null(value) for name, value in kept["properties"].items()}
    if isinstance(kept.get("additionalProperties"), dict) and "properties" not in kept:
        kept["additionalProperties"] = _or_null(kept["additionalProperties"])
    return kept


def _or_null(part: dict[str, Any]) -> dict[str, Any]:
    about = {key: value for key, value in part.items() if key in ("description", "examples", "deprecated")}
    rest = {key: value for key, value in part.items() if key not in about}
    return {**about, "anyOf": [rest, {"type": "null"}]}
