"""Patterns of JSON Schemas, on data of models and users: one validation takes a tenth of a second at most."""

from __future__ import annotations

import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runtime.assemble.schemas import compile_schema, mismatches
from runtime.json_schema.data import DataCheck

EASY = r"^(\w+\s?)+$"
HARD = r"^(a|aa)+$"
TEXT = "a" * 33 + "!"
DRAFT_4 = "http://json-schema.org/draft-04/schema#"
EVIL = "a" * 60 + "!"
SCHEMAS: dict[str, Any] = {
    "pattern": ({"properties": {"x": {"pattern": "P"}}}, lambda text: {"x": text}),
    "items": ({"items": {"pattern": "P"}}, lambda text: [f"{text}{index}" for index in range(2000)]),
    "patternProperties": ({"patternProperties": {"P": False}}, lambda text: {text: 1}),
    "additionalProperties": (
        {"patternProperties": {"P": {}}, "additionalProperties": False},
        lambda text: {text: 1},
    ),
    "unevaluatedProperties": (
        {"patternProperties": {"P": {}}, "unevaluatedProperties": False},
        lambda text: {text: 1},
    ),
    "by its own name": (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "pattern": "P", "properties": {"x": {"$ref": "#"}}},
        lambda text: {"x": text},
    ),
    "an older draft": (
        {"$schema": DRAFT_4, "patternProperties": {"P": {}}, "additionalProperties": False},
        lambda text: {text: 1},
    ),
}  # fmt: skip


def _schema(schema: Any, pattern: str) -> Any:
    if isinstance(schema, dict):
        return {pattern if key == "P" else key: _schema(value, pattern) for key, value in schema.items()}
    return pattern if schema == "P" else schema


@pytest.mark.parametrize("kind", SCHEMAS)
@pytest.mark.parametrize("pattern", [EASY, HARD])
def test_a_pattern_that_would_take_years_is_a_mismatch(kind: str, pattern: str) -> None:
    schema, make = SCHEMAS[kind]
    schema, value = _schema(schema, pattern), make(TEXT if pattern == EASY else EVIL)
    started = time.thread_time()

    found = mismatches(compile_schema(schema, "payload"), value)
    check = DataCheck(schema)
    faults, misfits = check.faults(value), check.misfits(value)

    assert time.thread_time() - started < 10
    if kind == "patternProperties" and pattern == EASY:
        assert found == ""  # no key matches, and none is refused
        return
    assert found
    assert faults
    assert misfits
    assert ("took longer than 0.1 s" in found) == (pattern == HARD)


def test_patterns_that_fit_are_no_mismatch() -> None:
    for schema, make in SCHEMAS.values():
        valid = _schema(schema, r"^a+\d*$")
        if valid.get("patternProperties", {}).get(r"^a+\d*$") is not False:
            assert mismatches(compile_schema(valid, "payload"), make("aaa")) == ""


def test_other_users_of_the_library_have_no_limit_of_ours() -> None:
    validator = Draft202012Validator({"pattern": r"^\d+$"})
    assert validator.is_valid("12")
    assert not validator.is_valid("x")
