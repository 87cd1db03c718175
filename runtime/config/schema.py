"""The JSON Schema of the language, generated from the models: the contract that editors and `validate` share."""

from __future__ import annotations

import functools
from typing import Any

from runtime.config.model import Config

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
    definitions = {name: _tidy(part, schema) for name, part in sorted(schema.pop("$defs").items())}
    root = _tidy(schema, {"$defs": definitions})
    head = {"$schema": DIALECT, "$id": SCHEMA_ID, "title": "agents.yaml"}
    return head | {key: value for key, value in root.items() if key != "title"} | {"$defs": definitions}


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
        tidy["description"] = " ".join(tidy["description"].split())
    return tidy


def resolve(part: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follow a `$ref` into the definitions of `root`."""
    while "$ref" in part:
        part = root["$defs"][part["$ref"].rsplit("/", 1)[-1]]
    return part
