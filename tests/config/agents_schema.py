"""Generates agents.schema.json from the config models, their docstrings and examples.yaml."""

from __future__ import annotations

import ast
import functools
import inspect
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from runtime.config.model import Config
from runtime.config.model.types import Section
from runtime.config.schema import DIALECT, MAIN_ONLY, SCHEMA_ID, TEXT_TYPES, VARIABLE_FORM, resolve

EXAMPLES: dict[str, dict[str, list[Any]]] = yaml.safe_load(Path(__file__).with_name("examples.yaml").read_text("utf-8"))
"""Values of each key for the completion of editors, by the section's class and field."""
# A keyword of OpenAPI that JSON Schema does not have.
_OPENAPI_ONLY = ("discriminator",)


def generate_text() -> str:
    """The content of the file."""
    return json.dumps(generate_schema(), indent=2, ensure_ascii=False) + "\n"


def generate_schema() -> dict[str, Any]:
    schema = Config.model_json_schema(by_alias=True)
    _describe(schema)
    definitions = {name: _tidy(part, schema) for name, part in sorted(schema["$defs"].items())}
    root = _tidy({key: value for key, value in schema.items() if key != "$defs"}, {"$defs": definitions})
    root["properties"]["profiles"]["additionalProperties"] = _any_sections(root)
    head = {"$schema": DIALECT, "$id": SCHEMA_ID, "title": "agents.yaml"}
    root = {key: value for key, value in root.items() if key != "title"}
    named = {name: _as_written(part) for name, part in definitions.items()}
    return head | _as_written(root) | {"$defs": named | {"Variable": VARIABLE}}


VARIABLE = {
    "type": "string",
    "pattern": r"\$\{[A-Za-z_]",
    "description": "A value from outside: `${NAME}`, or `${NAME:-default}`.",
}
# What an editor shows beside a value, which stays outside of the forms.
_ABOUT = ("title", "description", "examples", "default", "deprecated", "writeOnly")


def _as_written(part: Any, is_kind: bool = False) -> Any:
    """Return the schema of a value as it is written: a scalar of any type may be a variable, and a text a number.

    A constant that selects the kind of an entry (`is_kind`) stays as it is: editors recognise the kind by it.
    """
    if isinstance(part, list):
        return [_as_written(item) for item in part]
    if not isinstance(part, dict):
        return part
    written = {
        key: value if key in ("examples", "default", "enum", "const", "required", "properties") else _as_written(value)
        for key, value in part.items()
    }
    for name, value in part.get("properties", {}).items():
        is_required = name in part.get("required", [])
        is_constant = "const" in value and is_required and name != "version"
        written["properties"] = {**written["properties"], name: _as_written(value, is_constant)}
    if isinstance(part.get("anyOf"), list):
        scalars = [form for form in part["anyOf"] if _is_scalar(form)]
        forms = [_unwrapped(_as_written(form)) for form in part["anyOf"]]
        written["anyOf"] = [*forms, VARIABLE_FORM] if scalars else forms
    elif _is_scalar(part) and not is_kind:
        rest = {key: value for key, value in written.items() if key not in _ABOUT}
        about = {key: value for key, value in written.items() if key in _ABOUT}
        return {**about, "anyOf": [rest, VARIABLE_FORM]}
    if written.get("type") == "string" and not {"pattern", "enum", "const"} & written.keys():
        written["type"] = TEXT_TYPES
    return written


def _is_scalar(part: dict[str, Any]) -> bool:
    return part.get("type") in ("integer", "number", "boolean") or bool({"enum", "const", "pattern"} & part.keys())


def _unwrapped(form: dict[str, Any]) -> dict[str, Any]:
    """Return a form of a union without the variable, which the union itself has."""
    if VARIABLE_FORM not in form.get("anyOf", []):
        return form
    rest = [inner for inner in form["anyOf"] if inner != VARIABLE_FORM]
    return {key: value for key, value in form.items() if key != "anyOf"} | (
        rest[0] if len(rest) == 1 else {"anyOf": rest}
    )


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
