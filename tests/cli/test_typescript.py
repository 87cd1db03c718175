"""JSON Schema -> TypeScript: as text, and held against the compiler with values that fit and values that don't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.cli.web_client.typescript import TypeNames, comment, declarations, quote
from tests.cli.compiling import compile_folder


def inline(schema: Any) -> str:
    """The type of a schema, in one line."""
    [text] = declarations(schema, "T", TypeNames(["T"]))
    return " ".join(text.replace("export type T = ", "").replace("export interface T ", "").split()).removesuffix(";")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (True, "unknown"),
        (False, "never"),
        ({}, "unknown"),
        ({"type": "integer", "minimum": 3}, "number"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"type": "string", "nullable": True}, "string | null"),
        ({"type": "thing"}, "unknown"),
        ({"enum": ["it's", 1, 1.5, None, True]}, "'it\\'s' | 1 | 1.5 | null | true"),
        ({"const": {"a": [1, "x"]}}, "{ a: [1, 'x'] }"),
        ({"type": "array"}, "unknown[]"),
        ({"type": "array", "items": {"type": ["string", "number"]}}, "(string | number)[]"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {}], "minItems": 1}, "[string, unknown?, ...unknown[]]"),
        ({"prefixItems": [{"type": "null"}], "items": False, "minItems": 1}, "[null]"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"type": "object", "properties": {}, "additionalProperties": False}, "Record<string, never>"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "{ [key: string]: number; }"),
        (
            {"properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "number"}},
            "{ a?: string; [key: string]: unknown; }",
        ),
        ({"type": "object", "required": ["a-b"]}, "{ 'a-b': unknown; }"),
        (
            {"type": "object", "patternProperties": {"^x": {}}, "required": ["a"]},
            "{ a: unknown; [key: string]: unknown; }",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "string"}]}, "string | number"),
        ({"anyOf": [{"type": "string"}, {"pattern": "x"}]}, "unknown"),
        ({"oneOf": [{"type": "string"}, False]}, "string"),
        (
            {"type": "object", "required": ["a"], "anyOf": [{"required": ["b"]}, {"required": ["c"]}]},
            "{ a: unknown; }",
        ),
        (
            {"allOf": [{"type": "object", "required": ["a"]}, {"anyOf": [{"type": "null"}, {"type": "string"}]}]},
            "{ a: unknown; } & (null | string)",
        ),
        ({"$ref": "https://example.com/schema"}, "unknown"),
        ({"$ref": "#/$defs/nowhere"}, "unknown"),
        ({"$ref": "#anchor"}, "unknown"),
        ({"$ref": "#"}, "unknown"),
        (
            {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
            "unknown",
        ),
        ({"properties": {"more": {"type": "array", "items": {"$ref": "#"}}}}, "{ more?: T[]; }"),
    ],
)
def test_a_schema_has_a_type(schema: Any, expected: str) -> None:
    assert inline(schema) == expected


def test_definitions_have_types_of_their_own_and_may_be_made_of_themselves() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}, "at": {"$ref": "#/$defs/x~1y"}},
    }
    schema = {"$defs": {"node": node, "x/y": {"type": "number"}}, "type": "array", "items": {"$ref": "#/$defs/node"}}
    assert declarations(schema, "List", TypeNames(["List"])) == [
        "export type List = ListNode[];\n",
        "export interface ListNode {\n  next?: ListNode | null;\n  at?: ListX1y;\n}\n",
        "export type ListX1y = number;\n",
    ]


def test_what_a_schema_says_to_people_is_a_comment() -> None:
    schema = {
        "description": "A room.\nWith */ a view.",
        "properties": {"id": {"title": "Its number", "default": 1, "deprecated": True, "type": "integer"}},
    }
    [text] = declarations(schema, "Room", TypeNames())
    assert text == (
        "/**\n * A room.\n * With *\\/ a view.\n */\nexport interface Room {\n"
        "  /**\n   * Its number\n   * @default 1\n   * @deprecated\n   */\n  id?: number;\n}\n"
    )
    assert comment("  ") == ""


def test_no_text_ends_a_string_a_line_or_a_script() -> None:
    assert quote('it\'s "so" \\ \n\u2028</script>') == "'it\\'s \"so\" \\\\ \\n\\u2028\\u003c/script>'"


WORDS = ["type", "properties", "items", "prefixItems", "minItems", "required", "enum", "const", "anyOf", "allOf"]
WORDS += [
    "$ref",
    "$defs",
    "additionalProperties",
    "description",
    "default",
    "nullable",
    "object",
    "array",
    "#",
    "#/$defs",
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(ANYTHING)
def test_what_is_no_schema_does_not_stop_anything(schema: Any) -> None:
    names = TypeNames()
    assert declarations(schema, names.claim("T"), names)


TREE = {"$defs": {"leaf": {"type": "object", "additionalProperties": {"$ref": "#/$defs/leaf"}}}, "$ref": "#/$defs/leaf"}
VALUES: list[tuple[Any, list[Any], list[Any]]] = [
    ({"type": "string"}, ["x"], [1, None]),
    ({"enum": ["a", 2]}, ["a", 2], ["b", 3]),
    ({"const": {"a": [1]}}, [{"a": [1]}], [{"a": [2]}]),
    ({"type": ["object", "null"], "required": ["a"]}, [{"a": 1}, None], [{}, "a"]),
    ({"properties": {"a-b": {"type": "number"}}, "required": ["a-b"]}, [{"a-b": 1}], [{"a-b": "1"}, {}]),
    ({"properties": {"a": {"type": "number"}}, "additionalProperties": False}, [{}, {"a": 1}], [{"b": 1}]),
    ({"additionalProperties": {"type": "number"}, "type": "object"}, [{"b": 1}], [{"b": "1"}]),
    ({"prefixItems": [{"type": "string"}], "items": {"type": "number"}}, [[], ["a"], ["a", 1]], [[1], ["a", "b"]]),
    ({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}, ["a", ["a"]], [[1]]),
    (
        {"allOf": [{"type": "object", "required": ["a"]}, {"required": ["b"], "type": "object"}]},
        [{"a": 1, "b": 1}],
        [{"a": 1}],
    ),
    (TREE, [{"a": {"b": {}}}], [{"a": 1}]),
]


def test_the_compiler_takes_what_fits_a_schema_and_refuses_what_does_not(tmp_path: Path) -> None:
    names, lines, expected = TypeNames(), [], []
    for schema, good, bad in VALUES:
        name = names.claim("Value")
        lines += "".join(declarations(schema, name, names)).splitlines()
        for value in [*good, *bad]:
            if value in bad and not any(value is each for each in good):
                expected.append(len(lines) + 1)
            lines.append(f"export const {names.claim('v')}: {name} = {json.dumps(value)};")
    (tmp_path / "values.ts").write_text("\n".join(lines))
    assert [line for _, line, _ in compile_folder(tmp_path)] == expected
