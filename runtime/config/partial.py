"""The JSON Schemas of what is only a part of a configuration: an included file, and a profile."""

from __future__ import annotations

from typing import Any

from runtime.config.model.root import MAIN_ONLY
from runtime.config.schema import DIALECT, SCHEMA_ID, config_schema

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
