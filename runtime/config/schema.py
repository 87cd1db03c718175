"""The JSON Schema of the language, for editors and `validate`: a file that a test generates from the models."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

MAIN_ONLY = ("include", "profiles")
"""The sections that neither an included file nor a profile may have."""
SCHEMA_FILE = Path(__file__).with_name("agents.schema.json")
SCHEMA_ID = "chatkit-runtime/agents.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
# A profile may leave these out.
_REQUIREMENTS = ("required", "minProperties", "minItems", "default")


VARIABLE_FORM = {"$ref": "#/$defs/Variable"}
"""The form of a value with a `${NAME}`, in the schema of the file as it is written."""
TEXT_TYPES = ["string", "number"]
"""The types of a text in the file as it is written: `1.10` keeps its text."""


@functools.cache
def config_schema() -> dict[str, Any]:
    """Return the schema (Draft 2020-12) of the data of agents.yaml, after variables are replaced; it is shared."""
    schema: dict[str, Any] = _as_replaced(written_schema())
    schema["$defs"].pop("Variable")
    return schema


def written_schema() -> dict[str, Any]:
    """Return the schema of agents.yaml as it is written, for editors and linters: a variable may be any scalar."""
    schema: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


def _as_replaced(part: Any) -> Any:
    if isinstance(part, list):
        return [_as_replaced(item) for item in part]
    if not isinstance(part, dict):
        return part
    forms = part.get("anyOf")
    if isinstance(forms, list) and VARIABLE_FORM in forms:
        rest = [form for form in forms if form != VARIABLE_FORM]
        part = {**part, "anyOf": rest}
        if len(rest) == 1:
            part = {key: value for key, value in part.items() if key != "anyOf"} | rest[0]
    if part.get("type") == TEXT_TYPES:
        part = {**part, "type": "string"}
    replaced: dict[str, Any] = {}
    for key, value in part.items():
        if key in ("properties", "$defs"):
            replaced[key] = {name: _as_replaced(inner) for name, inner in value.items()}
        else:
            replaced[key] = value if key in ("examples", "default") else _as_replaced(value)
    return replaced


def resolve(part: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follow a `$ref` into the definitions of `root`."""
    while "$ref" in part:
        part = root["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    return part


def included_schema() -> dict[str, Any]:
    """Return the schema of a file that `include` names: optional sections with complete entries."""
    root = written_schema()
    root.pop("required", None)
    return root | _head("included", "a file that agents.yaml includes", root)


def profile_schema() -> dict[str, Any]:
    """Return the schema of a profile: any part of any section may be missing, and `null` removes a key."""
    root = _partial(written_schema())
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
