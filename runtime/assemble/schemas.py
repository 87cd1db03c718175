"""JSON Schemas of the file: compiled for validation, or converted to the strict form that endpoints enforce."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from agents import UserError
from agents.strict_schema import ensure_strict_json_schema
from jsonschema import Draft202012Validator

from runtime.assemble.problems import BuildError
from runtime.json_schema.checks import is_plain_schema
from runtime.json_schema.data import DataCheck, TreeError
from runtime.json_schema.pattern_limit import limited_patterns
from runtime.resources.patterns import PatternTimeout


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


def read_json(text: str, validator: Draft202012Validator, name: str, failure: type[Exception]) -> Any:
    """Parse a JSON text and validate it; raise `failure` with a message that starts with the text's `name`."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise failure(f"{name} must be valid JSON: {error}") from error
    if problem := mismatches(validator, value):
        raise failure(f"{name} must match the schema: {problem}")
    return value


def mismatches(validator: Draft202012Validator, value: Any) -> str:
    """Return where and how a value does not match the schema; empty if it does."""
    try:
        with limited_patterns():
            return "; ".join(f"{error.json_path}: {error.message}" for error in validator.iter_errors(value))
    except PatternTimeout as error:
        return str(error)
