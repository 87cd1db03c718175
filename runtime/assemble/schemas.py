"""JSON Schemas of the file: compiled for validation, or converted to the strict form that endpoints enforce."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from agents import UserError
from agents.strict_schema import ensure_strict_json_schema
from jsonschema import Draft202012Validator

from runtime.assemble.problems import BuildError
from runtime.json_schema.checks import is_plain_schema
from runtime.json_schema.data import DataCheck, TreeError


def compile_schema(schema: Mapping[str, Any], key: str) -> Draft202012Validator:
    """Return a validator of the schema that an entry has under `key`. Raise BuildError if it is not a JSON Schema."""
    try:
        if not is_plain_schema(schema):
            DataCheck(dict(schema))
    except TreeError as error:
        raise BuildError(error.message, code="A416", inside=(key, *error.path[1:])) from error
    return Draft202012Validator(schema)


def strict_form(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema for strict mode, which requires all properties; None where it can't be expressed."""
    if set(schema.get("required", ())) != set(schema.get("properties", ())):
        return None
    try:
        return ensure_strict_json_schema(copy.deepcopy(dict(schema)))
    except UserError:
        return None
