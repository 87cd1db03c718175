from typing import Any

import pytest

from runtime.json_schema.data import DataCheck
from runtime.json_schema.samples import make_data

LINE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["name"],
}
SCHEMAS: list[dict[str, Any]] = [
    {"type": "object"},
    {"type": "object", "properties": {"lines": {"type": "array", "items": LINE, "minItems": 2}}},
    {"properties": {"a": {"type": ["null", "string"], "minLength": 30}, "b": {"type": "string", "maxLength": 2}}},
    {"properties": {"on": {"type": "string", "format": "date"}, "by": {"type": "string", "format": "email"}}},
    {"properties": {"n": {"type": "integer", "minimum": 3, "multipleOf": 5}, "m": {"type": "number", "maximum": -2}}},
    {"properties": {"p": {"exclusiveMinimum": 0, "maximum": 0.5, "type": "number"}, "q": {"exclusiveMaximum": 0}}},
    {"properties": {"kind": {"enum": ["x", "y"]}, "fixed": {"const": {"a": 1}}, "flag": {"type": "boolean"}}},
    {"properties": {"u": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/line"}]}}, "$defs": {"line": LINE}},
    {"allOf": [{"properties": {"z": {"type": "string"}}, "required": ["z"]}, {"required": ["y"]}], "type": "object"},
    {"properties": {"tags": {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True}}},
    {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"kids": {"items": {"$ref": "#/$defs/node"}}}}}},
    {"type": "object", "required": ["free"], "additionalProperties": {"type": "integer"}},
    {
        "properties": {
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2}
        }
    },
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_data_that_is_made_up_fits_its_schema(schema: dict[str, Any]) -> None:
    assert DataCheck(schema).faults(make_data(schema)) == []


def test_every_declared_property_is_made_up_so_that_each_is_tried() -> None:
    assert make_data({"properties": {"a": LINE}}) == {"a": {"name": "text", "count": 1}}
