"""Schemas that mean something else than their author thinks, and those that are only unusual."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.json_schema.misread import find_misread


def field(**keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": keywords}}


@pytest.mark.parametrize(
    ("schema", "path", "message", "hint"),
    [
        (field(type="string", options=["x"]), "options", "JSON Schema has no keyword 'options'", "'enum'"),
        (field(type="integer", min=1), "min", "JSON Schema has no keyword 'min'", "'minimum'"),
        (field(type="string", regex="x"), "regex", "JSON Schema has no keyword 'regex'", "'pattern'"),
        (field(type="list", of="string"), "of", "JSON Schema has no keyword 'of'", "'items'"),
        (field(type="string | null"), "type", "JSON Schema has no type 'string | null'", "write [string, 'null']"),
        (field(type="str or None"), "type", "JSON Schema has no type 'str or None'", "write [string, 'null']"),
        (field(type="integer", default="many"), "default", '"many" is no integer', ""),
        (field(type="string", enum=["1", 2]), 1, "2 is no string", "put it in quotes"),
        (field(type="string", enum=["on", True]), 1, "true is no string", "put it in quotes"),
        (field(type=["integer", "null"], enum=[1, "x", None]), 1, '"x" is no integer or null', ""),
        (field(type="integer", minimum=5, maximum=2), "minimum", "nothing can ever fit", "exchange them"),
        (field(minLength=3, maxLength=1), "minLength", "nothing can ever fit", "exchange them"),
        ({"properties": {"city": {}}, "required": ["cty"]}, 0, "'cty' is required", "did you mean 'city'?"),
        ({"properties": {"city?": {}}}, "city?", "the '?' is a part of this property's name", "write 'city'"),
    ],
)
def test_a_schema_that_its_author_did_not_mean_is_reported_with_the_way_out(
    schema: dict[str, Any], path: str | int, message: str, hint: str
) -> None:
    found = [each for each in find_misread(schema) if each.path[-1] == path]
    assert len(found) == 1, list(find_misread(schema))
    assert message in found[0].message
    assert hint in found[0].hint


@pytest.mark.parametrize(
    "schema",
    [
        field(type="number", default=1, minimum=0, maximum=0),
        field(type="integer", default=2.0, examples=["x"]),
        field(type=["string", "null"], default=None, enum=["a", None]),
        field(type="string", default=None),
        field(type="boolean", const=True),
        field(enum=[1, "two", None, True]),
        field(oneOf=[{"const": "a"}, {"const": 1}], default="a"),
        field(type="string", enum=["yes"], **{"x-labels": ["Yes"], "options": {}, "values": []}) | {"x-note": 1},
        {"type": "object", "properties": {"options": {}, "min": {}, "enum": {"type": "string"}}, "required": ["min"]},
        {"properties": {"a": {}}, "required": ["b"], "additionalProperties": True},
        {"allOf": [{"properties": {"b": {}}}], "properties": {"a": {}}, "required": ["b"]},
        {"properties": {"a": {}}, "patternProperties": {"^b": {}}, "required": ["b"]},
        {"required": ["b"]},
        {"properties": {"a": {}}, "required": ["b"]},
        {"properties": {"a": {}}, "required": [{"a": 1}, ["b"], None]},
        {"properties": {"name": {}}, "required": ["name", "names"]},
    ],
)
def test_what_is_only_unusual_is_not_reported(schema: dict[str, Any]) -> None:
    messages = [each.message for each in find_misread(schema)]
    assert [message for message in messages if "no keyword" not in message] == []


def test_a_keyword_of_another_system_beside_the_right_one_is_left_alone() -> None:
    assert list(find_misread(field(type="string", enum=["a"], options=["A"]))) == []
