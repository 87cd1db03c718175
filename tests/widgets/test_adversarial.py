"""Adversarial data matches the schema, and changes one thing at a time."""

from runtime.json_schema.data import DataCheck
from runtime.widgets.trial import PROBES, edge_cases, replace_texts, text_fields

LINE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["name"],
}


def test_a_text_is_inserted_only_where_the_schema_allows_it() -> None:
    schema = {"properties": {"kind": {"enum": ["x"]}, "name": {"type": "string"}, "tags": {"items": {"maxLength": 3}}}}
    data = {"kind": "x", "name": "n", "tags": ["a", "b"]}
    check = DataCheck(schema)
    fields = text_fields(data)
    changed, replaced = replace_texts(data, fields, PROBES["HTML"], check.misfits)
    assert replaced == [("name",)]
    assert changed == {**data, "name": PROBES["HTML"]}
    assert fields == [("kind",), ("name",), ("tags", 0)]


def test_each_part_is_tried_as_empty_as_small_and_as_absent_as_its_schema_says() -> None:
    schema = {
        "properties": {"lines": {"type": "array", "items": LINE}, "note": {"type": ["string", "null"]}},
        "required": ["lines"],
    }
    data = {"lines": [{"name": "a", "count": 2}, {"name": "b"}], "note": "n"}
    tried = [(case.what, case.path) for case in edge_cases(schema, data)]
    assert tried == [
        ("an empty list", ("lines",)),
        ("left out", ("note",)),
        ("null", ("note",)),
        ("left out", ("lines", 0, "count")),
        ("zero", ("lines", 0, "count")),
        ("a negative number", ("lines", 0, "count")),
    ]
    assert data == {"lines": [{"name": "a", "count": 2}, {"name": "b"}], "note": "n"}
