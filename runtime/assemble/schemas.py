"""The JSON Schemas of the file: what the model is told of arguments, and what a browser's payload is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from runtime.assemble.problems import BuildError
from runtime.json_schema.data import DataCheck, TreeError
from runtime.json_schema.plain import is_plain_schema


def compile_schema(schema: Mapping[str, Any], key: str) -> Draft202012Validator:
    """Return a validator of the schema that an entry has under `key`. Raise BuildError for what is no JSON Schema."""
    try:
        if not is_plain_schema(schema):
            DataCheck(dict(schema))
    except TreeError as error:
        raise BuildError(error.message, code="A416", inside=(key, *error.path[1:])) from error
    return Draft202012Validator(schema)
