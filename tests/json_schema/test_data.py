from typing import Any

import pytest

from runtime.json_schema.data import DataCheck

MANY = "; ".join(f"data[{index}]: expected a string, got {index}" for index in range(5)) + "; and 2 more"


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": ["string", "null"]}, 3, "data: expected a string or null, got 3"),
        ({"type": "integer"}, 1.5, "data: expected a whole number, got 1.5"),
        ({"type": "boolean"}, "yes", 'data: expected true or false, got "yes"'),
        ({"minimum": 3}, 2, "data: expected at least 3, got 2"),
        ({"exclusiveMaximum": 3}, 3, "data: expected less than 3, got 3"),
        ({"minLength": 1}, "", 'data: expected 1 or more characters, got ""'),
        ({"maxItems": 1}, [1, 2], "data: expected at most 1 items, got [1, 2]"),
        ({"pattern": "^a"}, "b", 'data: expected a string like ^a, got "b"'),
        ({"const": 1}, 2, "data: expected 1, got 2"),
        ({"not": {}}, 1, "data: 1 is not allowed (not)"),
        ({"uniqueItems": True}, [1, 1], "data: [1, 1] is not allowed (uniqueItems)"),
        ({"items": {"required": ["a"]}}, [{}], "data[0].a: is missing"),
        ({"required": ["a", "b"]}, {}, "data.a: is missing; data.b: is missing"),
        ({"additionalProperties": False}, {"it's": 1}, "data.it's: unknown"),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"x1": 1, "y": 1}, "data.y: unknown"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 3, "data: expected a string, got 3"),
        ({"anyOf": [{"type": "object", "required": ["a"]}, {"type": "null"}]}, {}, "data.a: is missing"),
        ({"anyOf": [{"pattern": "^v:"}, {"enum": ["sun"]}]}, "moon", 'data: expected "sun", got "moon"'),
        ({"enum": ["x" * 100]}, "y" * 100, f'data: expected "{"x" * 58}…, got "{"y" * 58}…'),
        ({"type": "string"}, {"a": ["x" * 100]}, "data: expected a string, got an object"),
        ({"items": {"type": "string"}}, list(range(7)), MANY),
    ],
)
def test_a_misfit_is_described_in_the_words_of_the_data(schema: dict[str, Any], value: Any, problem: str) -> None:
    assert DataCheck(schema).problem(value) == problem


def test_a_value_that_fits_has_no_problem() -> None:
    assert DataCheck({"type": "object", "properties": {"a": {"type": "string"}}}).problem({"a": "b"}) == ""


def test_an_older_draft_is_read_by_its_own_rules() -> None:
    schema = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True}
    assert DataCheck(schema).problem(3) == "data: expected at least 3, got 3"
