"""An OpenAPI document -> operations: names, arguments and what can't be called."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.config.openapi_operations import OpenApiError, Operation, read_operations, server_of

NUMBER = {"type": "integer"}


def spec(paths: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": paths, **more}


def only(operation: dict[str, Any], path: str = "/x", **more: Any) -> Operation:
    operations, uncallable = read_operations(spec({path: {"post": operation}}, **more))
    assert uncallable == []
    return operations[0]


def why_not(operation: dict[str, Any], path: str = "/x", **more: Any) -> str:
    operations, uncallable = read_operations(spec({path: {"post": operation}}, **more))
    assert operations == []
    return uncallable[0].reason


def test_an_operation_without_an_id_is_named_by_its_method_and_path() -> None:
    made = only({"parameters": [{"name": "a", "in": "path", "required": True, "schema": NUMBER}]}, "/a/{a}/b")
    assert (made.name, made.method, made.description) == ("post_a_a_b", "POST", "POST /a/{a}/b")


def test_parameters_of_the_path_are_those_of_its_operations_which_may_say_otherwise() -> None:
    inherited = [{"name": "a", "in": "query", "schema": NUMBER}, {"name": "b", "in": "query", "schema": NUMBER}]
    own = [{"name": "a", "in": "query", "required": True, "schema": {"type": "string"}}]
    [made], _ = read_operations(spec({"/x": {"parameters": inherited, "get": {"parameters": own}}}))
    assert made.schema["properties"] == {"a": {"type": "string"}, "b": NUMBER}
    assert made.schema["required"] == ["a"]


def test_arguments_of_the_same_name_are_told_apart() -> None:
    parameters = [
        {"name": "id", "in": "path", "required": True, "schema": NUMBER},
        {"name": "id", "in": "query", "schema": NUMBER},
        {"name": "body", "in": "query", "schema": NUMBER},
    ]
    body = {"content": {"application/json; charset=utf-8": {"schema": {"type": "object"}}}, "required": True}
    made = only({"parameters": parameters, "requestBody": body}, "/{id}")
    assert list(made.schema["properties"]) == ["id", "id_query", "body_query", "body"]
    assert [(each.name, each.key) for each in made.parameters] == [
        ("id", "id"),
        ("id", "id_query"),
        ("body", "body_query"),
    ]
    assert made.body == "application/json"


def test_references_lead_into_definitions_of_the_tool_also_where_they_go_round() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "note": {"nullable": True}}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}
    made = only(
        {"requestBody": {"$ref": "#/components/requestBodies/Node"}},
        components={"schemas": {"Node": node, "Unused": {}}, "requestBodies": {"Node": body}},
    )
    assert made.schema["properties"] == {"body": {"$ref": "#/$defs/Node"}}
    assert made.schema["$defs"] == {
        "Node": {
            "type": "object",
            "properties": {"next": {"$ref": "#/$defs/Node"}, "note": {"anyOf": [{}, {"type": "null"}]}},
        }
    }


def test_words_of_openapi_30_become_those_of_json_schema() -> None:
    schema = {"type": "integer", "minimum": 1, "exclusiveMinimum": True, "nullable": True, "example": 3, "xml": {}}
    made = only({"parameters": [{"name": "n", "in": "query", "schema": schema}]})
    assert made.schema["properties"]["n"] == {"anyOf": [{"type": "integer", "exclusiveMinimum": 1}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("operation", "path", "reason"),
    [
        ({}, "/{id}", "the path parameter 'id'"),
        ({"parameters": [{"name": "c", "in": "cookie", "required": True, "schema": {}}]}, "/x", "the cookie 'c'"),
        ({"parameters": [{"name": "q", "in": "query", "content": {}}]}, "/x", "has no 'schema'"),
        ({"requestBody": {"required": True, "content": {"image/png": {}}}}, "/x", "type 'image/png' is not supported"),
        ({"parameters": [{"$ref": "other.yaml#/x"}]}, "/x", "points to another file"),
        ({"parameters": [{"$ref": "#/nowhere"}]}, "/x", "does not exist in this document"),
        ({"parameters": ["text"]}, "/x", "expected a mapping"),
    ],
)
def test_what_no_tool_can_call_is_refused_with_the_reason(operation: Any, path: str, reason: str) -> None:
    assert reason in why_not(operation, path)


@pytest.mark.parametrize("document", [None, [], {}, {"swagger": "2.0"}, {"openapi": "2.9"}, {"openapi": "3.1.0"}])
def test_what_is_no_document_of_version_3_with_operations_is_refused(document: Any) -> None:
    with pytest.raises(OpenApiError):
        read_operations(document)


def test_two_operations_of_one_name_are_refused() -> None:
    with pytest.raises(OpenApiError, match="two operations are named 'a_b'"):
        read_operations(spec({"/x": {"get": {"operationId": "a b"}, "post": {"operationId": "a_b"}}}))


@pytest.mark.parametrize(
    ("servers", "url"),
    [
        ([{"url": "https://a.example/v1"}], "https://a.example/v1"),
        ([{"url": "https://{r}.example", "variables": {"r": {"default": "eu"}}}], "https://eu.example"),
        ([{"url": "https://{r}.example"}], None),
        ([{"url": "/v1"}], None),
        ([], None),
    ],
)
def test_the_address_of_the_first_server_of_a_document_is_used(servers: Any, url: str | None) -> None:
    assert server_of(spec({}, servers=servers)) == url


def test_properties_may_be_named_like_words_of_a_schema_and_data_is_left_alone() -> None:
    properties = {"example": {"type": "string"}, "xml": {"default": {"nullable": True}, "example": "gone"}}
    schema = {"type": "object", "properties": properties, "required": ["example"]}
    made = only({"requestBody": {"content": {"application/json": {"schema": schema}}}})
    assert made.schema["properties"]["body"]["properties"] == {
        "example": {"type": "string"},
        "xml": {"default": {"nullable": True}},
    }


def test_a_pattern_that_only_javascript_can_read_is_left_to_the_service() -> None:
    schema = {"type": "string", "pattern": r"^\p{L}+$", "maxLength": 5}
    made = only({"parameters": [{"name": "a", "in": "query", "schema": schema}]})
    assert made.schema["properties"]["a"] == {"type": "string", "maxLength": 5}


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ({"in": "nowhere"}, "the parameter 'a' is in 'nowhere', which is not supported"),
        ({"in": "query", "style": "matrix"}, "the parameter 'a' has the style 'matrix', which is not supported"),
        ({"in": "header", "style": "form"}, "the parameter 'a' has the style 'form', which is not supported"),
    ],
)
def test_a_parameter_that_can_not_be_written_is_refused(parameter: dict[str, Any], reason: str) -> None:
    assert why_not({"parameters": [{"name": "a", "schema": NUMBER, **parameter}]}) == reason


@pytest.mark.parametrize("document", [7, "swagger", ["swagger"], None, {"openapi": "3.9.0", "paths": {}}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(OpenApiError):
        read_operations(document)


@pytest.mark.parametrize(("operation_id", "name"), [(7, "7"), ("/", "post_x"), ("", "post_x")])
def test_an_odd_id_is_a_name_or_none(operation_id: Any, name: str) -> None:
    assert only({"operationId": operation_id}).name == name
